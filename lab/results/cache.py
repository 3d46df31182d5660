"""Finished cells on disk, so that a report that was broken off goes on where it was.

Rule: a cell is found again only with the same parameters, the same trace and the same code.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from lab.files import replaced
from lab.results.cell import Cell, Found
from lab.results.sources import Source

ROOT = Path(__file__).resolve().parents[2]

CODE = (
    *("models", "lab/fluid", "lab/policies", "lab/traces", "lab/plant"),
    *("lab/compare.py", "lab/foretide.py", "lab/results/cell.py", "lab/results/on_plant.py"),
)
"""What a cell's figures depend on; the document's own words do not change them."""


def fingerprint(folders: Sequence[str] = CODE, root: Path = ROOT) -> str:
    """Of all Python files that ``folders`` are or hold, their names and numpy's version."""
    found = hashlib.sha256(f"numpy {np.__version__}".encode())
    for folder in folders:
        place = root / folder
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            found.update(f"\n{path.relative_to(root).as_posix()}\n".encode())
            found.update(path.read_bytes())
    return found.hexdigest()


class Cache:
    """``folder`` is made when something is first kept."""

    def __init__(self, folder: Path, code: str) -> None:
        """``code``: the fingerprint."""
        self._folder = folder
        self._code = code

    def load(self, cell: Cell, source: Source) -> Found | None:
        """What was kept; None: nothing, or nothing that can be read."""
        path = self._path(cell, source)
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(path.read_bytes(), type=Found)
        return None

    def keep(self, found: Found, source: Source) -> None:
        """Whole or not at all."""
        path = self._path(found.cell, source)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as out:
            out.write(msgspec.json.encode(found).decode())

    def _path(self, cell: Cell, source: Source) -> Path:
        parts = (self._code, source.digest, msgspec.json.encode(cell).decode())
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return self._folder / f"{key[:32]}.json"

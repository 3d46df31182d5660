"""Files that are written whole or not at all.

Rule: until all of it is there, a file is as it was; after a fault, too.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replaced(path: Path) -> Iterator[IO[str]]:
    """A stream of text that takes the place of ``path`` once the block has ended well.

    A file that is there keeps its mode; a link is replaced, not what it leads to.  Raises
    ``OSError``.
    """
    part = path.with_name(f".foretide-{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with part.open("x", encoding="utf-8") as out:
            yield out
        if path.exists():
            shutil.copymode(path, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

"""Benches that are tests too: each in a process of its own, with servers of its own.

Rule: all that were selected run side by side from when the first is asked for, because they mostly
wait; each is bounded in time, and none outlives the session.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parents[2] / "bench"
LIMIT_S = 300.0


class Bench:
    """One bench, started at once."""

    def __init__(self, name: str, *options: str) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        self._process = subprocess.Popen(
            [sys.executable, str(BENCH / name), "--json", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._said,
        )

    def result(self) -> dict[str, Any]:
        """What it printed, once it has ended; a failure shows what it said."""
        out, _ = self._process.communicate(timeout=LIMIT_S)
        self._said.seek(0)
        said = self._said.read().decode(errors="replace")
        assert self._process.returncode == 0, f"{out.decode()}{said[-6000:]}"
        found: dict[str, Any] = json.loads(out)
        return found

    def stop(self) -> None:
        """End it: SIGTERM, so that it stops its servers."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
        self._said.close()

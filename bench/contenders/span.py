"""What every contender shares: its arguments, its clock, and the one line it ends with.

Rule: nothing but the standard library, as it runs in every contender's own environment; a
contender that takes too long ends itself, so that nothing is left behind.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import resource
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple


class Mark(NamedTuple):
    """A moment: by the wall (Unix seconds), by the stopwatch, and in CPU seconds spent."""

    wall: float
    at: float
    cpu_s: float


def mark() -> Mark:
    """Now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Mark(time.time(), time.perf_counter(), used.ru_utime + used.ru_stime)


def arguments() -> dict[str, Any]:
    """The JSON object of the command line; arms the alarm that ``limit_s`` asks for."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    signal.alarm(int(given.get("limit_s", 300)))
    return given


def report(begin: Mark, end: Mark, *, events: int, packages: tuple[str, ...]) -> None:
    """Print what was measured, as the last line of stdout."""
    versions = {"python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in packages}
    seconds = end.at - begin.at
    found: Mapping[str, Any] = {
        "events": events,
        "seconds": seconds,
        "events_per_s": events / seconds,
        "cpu_s": end.cpu_s - begin.cpu_s,
        "began_at": begin.wall,
        "ended_at": end.wall,
        "versions": versions,
    }
    print(json.dumps(found), flush=True)

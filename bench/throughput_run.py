"""Runs contenders of the bench, each in a process of its own.

Rule: a contender's result is the last line of its stdout; whatever becomes of the bench, no
contender outlives it: it is killed here, and its own alarm ends it should that not be possible.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from throughput_fill import Filled, say

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
VENV = ROOT / ".cache" / "bench-venv"
REQUIREMENTS = BENCH / "contenders" / "requirements.txt"
INSTALL_S = 300
LIMIT_S = 90
"""The longest that a contender may take, and a second more for every ``SLOWEST`` events."""

SLOWEST = 20_000
LEAVE_S = 20


class ContenderError(Exception):
    """A contender ended without a result; the text ends with its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: seconds by the wall, and CPU seconds of all its processes."""

    events: int
    seconds: float
    cpu_s: float
    versions: dict[str, str]

    @property
    def events_per_s(self) -> float:
        """By the wall."""
        return self.events / self.seconds


def race(
    name: str, topic: Filled, *, python: str = sys.executable, members: int = 1, **more: int
) -> Run:
    """Run a contender on a topic, as one process or as several in one group."""
    given: dict[str, Any] = {
        "bootstrap": topic.settings.bootstrap,
        "prefix": topic.settings.topic_prefix,
        "group": f"bench-{uuid.uuid4().hex[:8]}-",
        "ends": topic.ends,
        "events": topic.events,
        "members": members,
        **more,
    }
    given["limit_s"] = LIMIT_S + given["events"] // SLOWEST
    command = [python, str(BENCH / "contenders" / f"{name}.py"), json.dumps(given)]
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(members)]
        processes = [stack.enter_context(_process(command, log)) for log in logs]
        results = [_result(name, *pair) for pair in zip(processes, logs, strict=True)]
    run = Run(
        events=sum(found["events"] for found in results),
        seconds=max(found["ended_at"] for found in results)
        - min(found["began_at"] for found in results),
        cpu_s=sum(found["cpu_s"] for found in results),
        versions=results[0]["versions"],
    )
    say(f"  {name:14} {run.events_per_s:>11,.0f} events/s {run.cpu_s:7.2f} CPU s")
    return run


@contextlib.contextmanager
def _process(command: list[str], log: BinaryIO) -> Any:  # noqa: ANN401 - a generator
    process = subprocess.Popen(  # noqa: S603 - our own commands
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
    )
    try:
        yield process
        assert process.stdin is not None  # noqa: S101 - piped above
        process.stdin.close()  # Who waits for the others may leave.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LEAVE_S)
    finally:
        process.kill()
        process.wait()


def _result(name: str, process: subprocess.Popen[bytes], log: BinaryIO) -> dict[str, Any]:
    assert process.stdout is not None  # noqa: S101 - piped
    for line in process.stdout:
        if line.startswith(b"{"):
            found: dict[str, Any] = json.loads(line)
            return found
    log.seek(0)
    text = log.read().decode(errors="replace")
    raise ContenderError(f"{name} ended without a result:\n{text[-3000:]}")


def other_python() -> str:
    """Python of the environment of contenders that Foretide does not need; made when missing.

    Raises ``ContenderError`` where it cannot be installed.
    """
    python, stamp = VENV / "bin" / "python", VENV / ".installed"
    wanted = REQUIREMENTS.read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return str(python)
    say(f"installing the other contenders into {VENV}")
    install = [str(python), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)]
    try:
        for command in ([sys.executable, "-m", "venv", str(VENV)], install):
            subprocess.run(  # noqa: S603 - our own commands
                command, check=True, timeout=INSTALL_S, capture_output=True
            )
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", None) or b""
        text = said.decode(errors="replace").strip()
        raise ContenderError(
            f"cannot install {REQUIREMENTS.name}: {error} {text[-500:]}"
        ) from error
    stamp.write_text(wanted)
    return str(python)

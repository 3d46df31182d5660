"""A demo that is stopped before its end says what it left, and what it left can be used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from click.testing import CliRunner

from streams.cli import group
from streams.demo.options import REPORT, earlier

FORETIDE = (sys.executable, "-c", "from streams.cli import main; main()")


def interrupted(out: Path) -> tuple[int, str]:
    """Exit code and stderr of a demo that gets Ctrl-C once it has recorded a forecast."""
    demo = subprocess.Popen(
        [*FORETIDE, "demo", "--out", out.name],
        cwd=out.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        forecasts = out / "forecasts.jsonl"
        while demo.poll() is None and not (forecasts.exists() and forecasts.stat().st_size):
            time.sleep(0.05)
        demo.send_signal(signal.SIGINT)
        _, told = demo.communicate(timeout=60)
    finally:
        demo.kill()
    return demo.returncode, told


def test_an_interrupted_demo_says_what_it_left_and_leaves_it_whole(tmp_path: Path) -> None:
    code, told = interrupted(tmp_path / "mine")
    assert code == 130, told
    assert told.splitlines() == [
        "stopped before the end of the trace: mine holds the run up to here, and no report",
        "interrupted",
    ]
    assert not (tmp_path / "mine" / REPORT).exists()
    assert earlier(tmp_path / "mine")  # The next demo may write over it.
    again = CliRunner().invoke(group, ["replay", "--from", str(tmp_path / "mine")])
    assert again.exit_code == 0, again.output
    assert "identical" in again.output

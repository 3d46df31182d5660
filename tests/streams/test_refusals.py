"""What a command refuses is told in a line that says what to do, and never as a traceback."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli import bars, group

TRACE = "lab/traces/data/azure_llm_code_2023.csv.gz"


def steps(path: Path, values: Iterable[float], header: str = "step,value") -> Path:
    """A trace in steps of a minute."""
    path.write_text(f"{header}\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values)))
    return path


def said(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(group, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


@pytest.mark.parametrize("port", ["0", "65536", "99999", "abc", ""])
@pytest.mark.parametrize("command", ["status", "topics describe", "worker --actuator memory"])
def test_a_port_that_is_none(command: str, port: str) -> None:
    code, output = said(*command.split(), "--bootstrap", f"localhost:{port}")
    assert code == 2
    assert "bootstrap: must be host:port[,host:port...], ports 1 to 65535" in output


def test_a_folder_of_schemas_that_cannot_be_made(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    code, output = said("schema", "--write", str(file / "under"))
    assert code == 1
    assert output == f"Error: {file / 'under'} cannot be written: Not a directory\n"


def test_policies_that_are_named_by_nothing() -> None:
    code, output = said("backtest", "--trace", TRACE, "--policies", "")
    assert code == 2
    assert "no policy ''; there are: foretide" in output


def test_a_file_of_telemetry_that_is_not_there_is_told_before_kafka_is_asked() -> None:
    code, output = said("publish", "nowhere.jsonl", "--bootstrap", "localhost:1")
    assert code == 2
    assert "'nowhere.jsonl' does not exist" in output


@pytest.mark.parametrize("command", ["backtest --policies hpa", "forecast-eval"])
def test_a_value_that_is_no_demand(command: str, tmp_path: Path) -> None:
    values = (1e300 if step == 70 else 100 for step in range(120))
    path = steps(tmp_path / "odd.60s.csv", values)
    code, output = said(*command.split(), "--trace", str(path))
    assert code == 2
    assert "a value of 1e+300 in 60 s is more than 1e+09 a second" in output


def test_where_nothing_moves_it_is_said_what_the_figures_mean(tmp_path: Path) -> None:
    path = steps(tmp_path / "still.60s.csv", [0] * 120)
    code, output = said("forecast-eval", "--trace", str(path), "--horizon", "60")
    assert code == 0
    assert "the scored half is 0 throughout: the last value is never wrong" in output


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PARTITIONS", "x", "partitions: must be a whole number, not 'x'"),
        ("SESSION_TIMEOUT_S", "-1", "session_timeout_s: must be more than 0, not '-1'"),
        ("LINGER_MS", "5000", "linger_ms: must be at most 1000, not '5000'"),
        ("ROLES", "act", "must be 'aggregate', 'plan', 'allocate' or 'actuate', not 'act'"),
    ],
)
def test_a_setting_that_is_none_is_told_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"FORETIDE_{name}", value)
    code, output = said("topics", "check")
    assert code == 2
    assert f"{says} (FORETIDE_{name})" in output


def test_a_recording_that_is_not_there_is_told_where_they_come_from() -> None:
    code, output = said("replay", "--from", "nowhere")
    assert code == 2
    assert "'nowhere' does not exist. `foretide demo` and `foretide record` make one." in output


def test_more_hours_than_there_are_is_said_to_be_all() -> None:
    command = ("backtest", "--trace", TRACE, "--policies", "hpa", "--hours")
    code, output = said(*command, "5")
    assert code == 0
    assert "--trace has 0.95 h: --hours 5 is all of it" in output
    assert "is all of it" not in said(*command, "0.9")[1]


def test_where_there_is_no_terminal_long_work_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = ("backtest", "--trace", TRACE, "--policies", "hpa")
    _, quick = said(*command)
    assert "%, after" not in quick
    monkeypatch.setattr(bars, "LINE_EVERY_S", 0.0)
    _, output = said(*command)
    assert re.search(r"^hpa: \d+%, after \d+ s$", output, re.MULTILINE)


def test_milliseconds_are_no_seconds(tmp_path: Path) -> None:
    path = tmp_path / "ms.jsonl"
    path.write_text('{"at": 1700000007000, "tokens_in": 1, "tokens_out": 1}\n')
    code, output = said("backtest", "--trace", str(path))
    assert code == 2
    assert "ms.jsonl:1: at is 1700000007000 seconds, which is after the year 5000" in output


def test_a_header_in_quotes_is_one(tmp_path: Path) -> None:
    path = steps(tmp_path / "quoted.60s.csv", [60] * 120, header='"step","value"')
    code, _ = said("backtest", "--trace", str(path), "--policies", "hpa")
    assert code == 0


@pytest.mark.parametrize("command", ["backtest --policies hpa", "forecast-eval"])
def test_files_are_there_though_nobody_reads_the_table(command: str, tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    words = [sys.executable, "-c", "from streams.cli import main; main()", *command.split()]
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *words, "--trace", TRACE, "--json", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert "rows" in json.loads(out.read_text())


def test_who_was_wrong_once_is_not_said_to_be_never_wrong(tmp_path: Path) -> None:
    path = steps(tmp_path / "ends.60s.csv", [100] * 60 + [0] * 60)
    code, output = said("forecast-eval", "--trace", str(path), "--horizon", "60")
    assert code == 0
    assert "never wrong" not in output

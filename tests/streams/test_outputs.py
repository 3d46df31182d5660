"""What a command must not write over, and that it says so before any work."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from streams.cli import group
from streams.cli.outputs import writable, written

SHIPPED = Path(__file__).parents[2] / "lab/traces/data/azure_llm_code_2023.csv.gz"
TRACE = "step,value\n" + "".join(f"{step},{600 + step}\n" for step in range(40))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trace by several names, and a recording that is none."""
    monkeypatch.chdir(tmp_path)
    Path("keep.csv").write_text(TRACE)
    Path("link.csv").symlink_to("keep.csv")
    Path("hard.csv").hardlink_to("keep.csv")
    Path("spec.yaml").write_text("not read")
    Path("recording").mkdir()
    Path("recording/steps.jsonl").write_text("not read")
    return tmp_path


def invoked(*words: str) -> Result:
    return CliRunner().invoke(group, words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("backtest --trace keep.csv --series keep.csv", "--series keep.csv"),
        ("backtest --trace keep.csv --series ./keep.csv", "--series ./keep.csv"),
        ("backtest --trace keep.csv --json link.csv", "--json link.csv"),
        ("backtest --trace link.csv --html keep.csv", "--html keep.csv"),
        ("backtest --trace keep.csv --html hard.csv", "--html hard.csv"),
        ("backtest --trace keep.csv --spec spec.yaml --json spec.yaml", "what --spec reads"),
        ("backtest --from recording --json recording/steps.jsonl", "what --from reads"),
        ("shadow --from recording --json recording/steps.jsonl", "what --from reads"),
        ("shadow --from recording --spec spec.yaml --json spec.yaml", "what --spec reads"),
        ("forecast-eval --trace keep.csv --json hard.csv", "what --trace reads"),
        ("backtest --trace keep.csv --json a --series ./a", "--json and --series would both"),
        ("backtest --trace keep.csv --json --series -", "would both be written to stdout"),
        ("backtest --trace keep.csv --html -", "a report is written to a file"),
    ],
)
def test_what_is_read_is_not_written_over(folder: Path, words: str, says: str) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = invoked(*words.split())
    assert result.exit_code == 2
    assert says in result.output
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_other_files_and_devices_take_what_they_are_given(folder: Path) -> None:
    (folder / "old.json").write_text("of an earlier run")
    words = "backtest --trace keep.csv --policies static --json old.json --html new.html --series"
    result = invoked(*words.split(), "new.csv")
    assert result.exit_code == 0, result.output
    assert "rows" in (folder / "old.json").read_text()
    writable({"--json": "/dev/null", "--series": "/dev/null"}, {"--trace": Path("keep.csv")})


def half(fault: Exception) -> None:
    with written("keep.json") as out:
        out.write("half of")
        raise fault


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), ValueError("nan")])
def test_what_stood_there_stands_until_all_is_written(folder: Path, fault: Exception) -> None:
    keep = folder / "keep.json"
    keep.write_text("of an earlier run")
    keep.chmod(0o640)
    with pytest.raises((click.ClickException, ValueError), match=r"cannot be written: No|nan"):
        half(fault)
    assert keep.read_text() == "of an earlier run"
    with written("keep.json") as out:
        out.write("all of it")
    assert keep.read_text() == "all of it"
    assert keep.stat().st_mode & 0o777 == 0o640
    assert not list(folder.glob("*.part")) + list(folder.glob(".*"))


def test_a_link_goes_on_leading_to_what_is_written(folder: Path) -> None:
    with written("link.csv") as out:
        out.write("new")
    assert (folder / "link.csv").is_symlink()
    assert (folder / "keep.csv").read_text() == "new"


@pytest.mark.parametrize("command", ["backtest --policies static", "forecast-eval"])
def test_a_trace_may_come_through_a_pipe(folder: Path, command: str) -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_text, args=(TRACE,), daemon=True)
    writer.start()
    result = invoked(*command.split(), "--trace", "pipe", "--json", "out.json")
    writer.join(10)
    assert result.exit_code == 0, result.output
    assert json.loads((folder / "out.json").read_text())["rows"]


def test_two_names_of_one_file_are_one_output(folder: Path) -> None:
    (folder / "there").mkdir()
    (folder / "same").symlink_to("there")
    with pytest.raises(click.UsageError, match="--json and --series"):
        writable({"--json": "there/new", "--series": "same/new"})
    writable({"--json": "there/new", "--series": "there/other"})


def test_in_a_pipe_no_line_of_a_table_ends_in_blanks_and_none_is_cut() -> None:
    words = ["backtest", "--policies", "hpa,kpa", "--startup", "20", "--trace", str(SHIPPED)]
    result = CliRunner().invoke(group, words)
    assert result.exit_code == 0
    assert "acts/h\n" in result.output
    assert not [line for line in result.output.splitlines() if line != line.rstrip()]

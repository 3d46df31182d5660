"""Steps that nobody measured: counted, told, and refused where there is little else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from lab.traces import Series
from streams.cli import gaps, group

STEPS = 400


def trace(folder: Path, values: Mapping[int, float | str]) -> str:
    path = folder / "t.60s.csv"
    path.write_text("step,value\n" + "".join(f"{n},{value}\n" for n, value in values.items()))
    return str(path)


def invoked(*words: str) -> Result:
    return CliRunner().invoke(group, words)


def series(values: list[float], step_s: int = 60) -> Series:
    return Series(name="t", step_s=step_s, values=np.array(values))


@pytest.mark.parametrize("command", [("backtest", "--policies", "hpa"), ("forecast-eval",)])
def test_missing_steps_are_counted(tmp_path: Path, command: tuple[str, ...]) -> None:
    values = {n: "" if n in {3, 300, 301} else 600 + n for n in range(STEPS)}
    result = invoked(*command, "--trace", trace(tmp_path, values))
    assert "3 of 400 steps have no value (2 in the scored half): nothing is told" in result.stdout
    whole = invoked(*command, "--trace", trace(tmp_path, dict.fromkeys(range(STEPS), 600)))
    assert "have no value" not in whole.output


@pytest.mark.parametrize("command", ["backtest", "forecast-eval"])
def test_two_samples_a_year_apart_are_refused(tmp_path: Path, command: str) -> None:
    year = 365 * 1440
    values = {0: 600.0, 1: 600.0, year: 600.0, year + 1: 700.0}
    result = invoked(command, "--trace", trace(tmp_path, values))
    assert result.exit_code == 2
    assert "525,598 of 525,602 steps of 60 s have no value" in result.output
    assert "the longest gap is of 365 days" in result.output


@pytest.mark.parametrize("command", ["backtest", "forecast-eval"])
def test_a_scored_half_without_a_value_is_refused(tmp_path: Path, command: str) -> None:
    values = {n: 600 if n < STEPS // 2 else "" for n in range(STEPS)}
    result = invoked(command, "--trace", trace(tmp_path, values))
    assert result.exit_code == 2
    assert "no step of the scored half, the last 200, has a value" in result.output


def test_steps_that_count_seconds_are_told_from_steps(tmp_path: Path) -> None:
    result = invoked("backtest", "--trace", trace(tmp_path, {60 * n: 600 for n in range(100)}))
    assert result.exit_code == 2
    assert "values are 60 steps apart: does the column step count seconds?" in result.output


def test_more_gaps_than_values_are_said_and_run(tmp_path: Path) -> None:
    values = {n: 600 if n % 7 < 2 else "" for n in range(STEPS)}
    result = invoked("backtest", "--policies", "hpa", "--trace", trace(tmp_path, values))
    assert result.exit_code == 0
    assert "note: 286 of 400 steps have no value" not in result.stdout
    assert "steps have no value, which is 71%" in result.stderr


def test_what_no_trial_can_hold_is_refused_with_how_much_it_can() -> None:
    years = series([600.0] * 24 * 500, step_s=3600)
    with pytest.raises(click.BadParameter, match=r"500 days .* 400 days; .* --hours 9600"):
        gaps.too_long(years, "--trace")
    gaps.too_long(years.first(9600), "--trace")


def test_what_nobody_waits_for_is_refused_by_its_steps(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    line = '{{"at": {}, "tokens_in": 1, "tokens_out": 1}}\n'
    path.write_text("".join(line.format(at) for at in (0, 1, 2, 5e8)))
    result = invoked("forecast-eval", "--trace", str(path))
    assert result.exit_code == 2
    assert "8,333,333 steps of 60 s are more than are walked" in result.output


def test_bounds_of_what_is_mostly_gaps() -> None:
    nine = series([1.0] + [math.nan] * 9)
    gaps.refuse(nine, "--trace")
    with pytest.raises(click.BadParameter, match="more of them"):
        gaps.refuse(series([1.0] + [math.nan] * 10), "--trace")
    assert gaps.told(series([1.0] * 4)) == ()

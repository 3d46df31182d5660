"""``foretide forecast-eval``: the scoring against numbers worked out by hand, and the command."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lab.forecast import Row, evaluate
from lab.forecast.baseline import RollingResidual
from lab.forecast.row import daily, pinball, row
from lab.forecast.table import notes
from lab.traces import Series
from models.forecasting.experts import NAMES
from models.forecasting.forecaster import Forecaster
from models.forecasting.leads import Leads
from streams.cli.forecast_eval import command

AWAKE = [name for name in NAMES if name not in ("week", "tenants")]
"""Who speaks of a short series without tenants."""


def wave(steps: int = 600, step_s: int = 60, seed: int = 1) -> Series:
    """A slow wave with noise: smoothing beats the last value on it."""
    chance = random.Random(seed)
    values = [100 + 20 * math.sin(at / 90) + chance.gauss(0, 8) for at in range(steps)]
    return Series(name="wave", step_s=step_s, values=np.array(values))


def by(rows: list[Row], model: str, horizon_s: int) -> Row:
    (found,) = [row for row in rows if (row.model, row.horizon_s) == (model, horizon_s)]
    return found


def write(path: Path, values: list[float]) -> Path:
    rows = [f"{number},{value}" for number, value in enumerate(values)]
    path.write_text("step,value\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_tenants_of_a_series_are_handed_on() -> None:
    series = wave()
    parts = {"a": series.values * 0.25, "b": series.values * 0.75}
    told = evaluate(dataclasses.replace(series, tenants=parts), [60])
    assert by(told, "tenants", 60).rel_mae is not None
    assert "tenants" not in {row.model for row in evaluate(series, [60])}


def test_pinball_of_a_quantile_too_high_and_too_low() -> None:
    assert pinball(np.array([10.0]), np.array([12.0]), 0.95) == pytest.approx(0.1)
    assert pinball(np.array([10.0]), np.array([8.0]), 0.95) == pytest.approx(1.9)


def test_a_row_is_what_its_definition_says() -> None:
    actual = np.array([10.0, 20.0, 30.0, 40.0])
    made = row(
        "x",
        60,
        actual=actual,
        centre=actual + 1,
        last=actual - 2,
        steps=np.arange(4),
        step_s=60,
        quantiles=(np.array([9.0, 20.0, 40.0, 50.0]), actual + 6),
    )
    assert made.rel_mae == pytest.approx(0.5)
    assert made.coverage == 0.75
    assert made.coverage_day_min is None  # Four steps are not a thousand.
    assert made.pinball_95 == pytest.approx((0.95 + 0.0 + 0.5 + 0.5) / 4 / 25)
    assert made.pinball_99 == pytest.approx(0.06 / 25)
    assert made.width == pytest.approx((119 / 4 - 26) / 25)
    assert made.scored == 4


def test_days_are_whole_ones_of_enough_steps() -> None:
    steps = np.arange(720, 4320)  # Half a day, and two whole ones, of minutes.
    covered = np.ones(len(steps), dtype=np.bool_)
    covered[steps >= 2880] = np.arange(1440) % 10 > 0
    assert daily(covered, steps, 60).tolist() == pytest.approx([1.0, 0.9])
    assert len(daily(covered[:900], steps[:900], 60)) == 0
    gappy = steps % 2 == 0
    assert len(daily(covered[gappy], steps[gappy], 60)) == 0


def test_the_rolling_quantile_knows_a_day_and_no_more() -> None:
    rolling = RollingResidual(3600)
    assert rolling.quantile(0.95) == 0
    for residual in range(101):
        rolling.add(float(residual))
    assert rolling.quantile(0.0) == 77  # 24 hours.
    assert rolling.quantile(0.5) == pytest.approx(88.5)


def test_a_horizon_gives_a_row_a_model_and_a_shorter_one_than_a_step_none() -> None:
    rows = evaluate(wave(), [30, 60, 300])
    names = ["mixture", *AWAKE]
    assert [r.model for r in rows if r.horizon_s == 60] == names
    assert all(r.rel_mae is None and r.scored == 0 for r in rows if r.horizon_s == 30)
    mixture, last = by(rows, "mixture", 60), by(rows, "last-value", 60)
    assert last.rel_mae == 1.0
    assert mixture.rel_mae is not None
    assert mixture.rel_mae < 0.9
    assert mixture.us_per_update is not None
    assert by(rows, "trend", 60).coverage is None
    assert mixture.scored == 300
    assert mixture.pinball_95 is not None
    assert last.pinball_95 is not None
    assert mixture.pinball_95 < last.pinball_95


def test_a_horizon_as_long_as_the_trace_gives_rows_without_numbers() -> None:
    rows = evaluate(wave(8), [30, 60, 900])
    for horizon_s in (30, 900):
        told = [row for row in rows if row.horizon_s == horizon_s]
        assert [(row.model, row.scored) for row in told] == [("mixture", 0), ("last-value", 0)]


def test_it_is_the_live_forecaster_and_it_looks_at_no_later_step() -> None:
    series = wave(400)
    forecaster = Forecaster(60)
    errors, lasts = [], []
    values = series.values.tolist()
    for step, value in enumerate(values):
        forecaster.close(step, value, Leads(), 5)
        assert forecaster.outlook is not None
        if 200 <= step + 5 < 400:
            errors.append(abs(values[step + 5] - forecaster.outlook.centre))
            lasts.append(abs(values[step + 5] - value))
    wanted = sum(errors) / sum(lasts)
    assert by(evaluate(series, [300]), "mixture", 300).rel_mae == pytest.approx(wanted)


def test_gaps_are_told_to_nobody_and_scored_by_nobody() -> None:
    values = wave(600).values.copy()
    values[400:430] = math.nan
    rows = evaluate(Series(name="gap", step_s=60, values=values), [300])
    # Of the 300 steps 30 are not there, and 5 have nothing said of them.
    assert by(rows, "mixture", 300).scored == 265


def test_a_trace_that_never_moves_has_rows_and_no_division_by_zero() -> None:
    rows = evaluate(Series(name="flat", step_s=60, values=np.full(50, 3.0)), [60])
    assert by(rows, "last-value", 60).rel_mae == 1.0
    empty = evaluate(Series(name="none", step_s=60, values=np.zeros(50)), [60])
    assert by(empty, "mixture", 60).coverage == 1.0


def test_who_slept_is_scored_where_it_spoke_and_against_the_last_value_there() -> None:
    step_s, ahead = 600, 1
    day, week = 86_400 // step_s, 604_800 // step_s
    chance = random.Random(4)
    level = [100.0 + 50.0 * (at % week // day < 5) * (at % day > 72) for at in range(week + 400)]
    values = [value + chance.gauss(0, 5) for value in level]
    series = Series(name="young", step_s=step_s, values=np.array(values))
    rows = evaluate(series, [step_s])
    forecaster, wrong, lasts = Forecaster(step_s), [], []
    for step, value in enumerate(values[:-ahead]):
        forecaster.close(step, value, Leads(), ahead)
        said = forecaster.experts()
        if "week" in said:
            wrong.append(abs(values[step + ahead] - said["week"]))
            lasts.append(abs(values[step + ahead] - value))
    found, all_of_them = by(rows, "week", step_s), by(rows, "mixture", step_s)
    assert found.scored == len(wrong) < 400 < all_of_them.scored
    assert found.rel_mae == pytest.approx(sum(wrong) / sum(lasts))
    assert [r.model for r in rows] == ["mixture", *(n for n in NAMES if n != "tenants")]
    (told,) = notes(rows, series)[-1:]
    assert told.startswith(f"week at 600 s: over the {found.scored} steps (of ")
    short = evaluate(Series(name="short", step_s=step_s, values=np.array(values[:week])), [step_s])
    assert "week" not in [r.model for r in short]
    assert not any("week" in line for line in notes(short, series))


def test_progress_ends_at_one_for_each_horizon() -> None:
    told: dict[int, float] = {}
    evaluate(wave(50), [60, 120], told.__setitem__)
    assert told == {60: 1.0, 120: 1.0}


def test_the_command_writes_rows_and_prints_a_table(tmp_path: Path) -> None:
    trace = write(tmp_path / "a.60s.csv", wave(200).values.tolist())
    out = tmp_path / "rows.json"
    result = CliRunner().invoke(
        command, ["--trace", str(trace), "--horizon", "60,300", "--json", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "mixture" in result.output
    assert "the first 100 are warm-up" in result.output
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert len(rows) == 2 * (1 + len(AWAKE))
    assert set(rows[0]) == {*Row.__struct_fields__, "horizon"}
    alone = CliRunner().invoke(command, ["--trace", str(trace), "--json", "-"])
    assert json.loads(alone.stdout)["rows"][0]["horizon_s"] == 60


def test_horizons_without_figures_are_told_and_not_shown(tmp_path: Path) -> None:
    trace = write(tmp_path / "a.csv", wave(8).values.tolist())
    result = CliRunner().invoke(command, ["--trace", str(trace), "--horizon", "30,60,100,900"])
    assert result.exit_code == 0, result.output
    notes = [line for line in result.stderr.splitlines() if line.startswith("note: ")]
    assert "there is little to learn from in 0.13 h" in notes[0]
    assert notes[1:] == [
        "note: 100 s ahead is scored as 120 s: steps are 60 s",
        "note: 30 s ahead is left out: shorter than a step of 60 s",
        "note: 900 s ahead is left out: no step of the scored half has a value, and another 900 s "
        "before it",
    ]
    assert "30 s" not in result.stdout
    assert "by day takes whole days and 1,000 scored steps, here are 4" in result.stdout


def test_nothing_scored_is_an_error_and_no_table_of_dashes(tmp_path: Path) -> None:
    trace = write(tmp_path / "a.csv", wave(8).values.tolist())
    result = CliRunner().invoke(command, ["--trace", str(trace), "--step", "60", "--horizon", "30"])
    assert result.exit_code == 2
    assert "give one from 60 to 240, or a longer trace" in result.output
    # Values that have none a horizon before them.
    values = [600.0, 1.0, *[math.nan] * 3, 5.0, *[math.nan] * 2]
    gappy = write(tmp_path / "b.csv", values)
    result = CliRunner().invoke(command, ["--trace", str(gappy), "--horizon", "60"])
    assert result.exit_code == 1
    assert "nothing could be scored: 60 s ahead is left out: no step of" in result.output


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--horizon", "60,soon"], "'soon' is not a whole number of seconds from 1 to 86400"),
        (["--horizon", "0"], "'0' is not a whole number"),
        (["--format", "nab"], "first line of a nab file"),
        (["--json", "/nowhere/at/all.json"], "cannot be written"),
    ],
)
def test_misuse_says_what_to_do(tmp_path: Path, more: list[str], says: str) -> None:
    trace = write(tmp_path / "a.csv", [1.0] * 10)
    result = CliRunner().invoke(command, ["--trace", str(trace), *more])
    assert result.exit_code != 0
    assert says in result.output

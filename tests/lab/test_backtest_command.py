"""The command ``foretide backtest``: what it writes, prints and refuses."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lab.fluid import series_csv
from lab.fluid.backtest import Backtest, Row
from lab.fluid.run import Run
from lab.fluid.trial import MOST, Trial
from lab.fluid.tuned import Frontier
from streams.cli.backtest import command
from tests.lab.fluids import asked, made, trial

NAN = float("nan")


def wave(steps: int = 60, **more: object) -> Trial:
    rng = np.random.default_rng(2)
    values = rng.poisson(900 + 500 * np.sin(np.arange(steps) / 7)).astype(float)
    return trial(
        made(values), **{"capacity": 1.0, "least": 1, "most": MOST, "startup_s": 45.5} | more
    )


def write(path: Path, values: Sequence[float]) -> Path:
    lines = [f"{step},{'' if math.isnan(value) else value}" for step, value in enumerate(values)]
    path.write_text("step,value\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_command_writes_rows_and_steps(tmp_path: Path) -> None:
    values = wave().series.values.tolist()
    values[10] = NAN
    trace = write(tmp_path / "a.60s.csv", values)
    rows, steps = tmp_path / "rows.json", tmp_path / "steps.csv"
    result = CliRunner().invoke(
        command,
        [
            *("--trace", str(trace), "--startup", "45", "--json", str(rows)),
            *("--policies", "foretide,hpa,clairvoyant", "--series", str(steps)),
        ],
    )
    assert result.exit_code == 0, result.output
    found = json.loads(rows.read_text())
    assert list(found) == ["meta", "rows"]
    assert found["meta"] == {
        "version": version("foretide"),
        "trace": "a.60s.csv",
        "recording": None,
        "format": "series",
        "unit": None,
        "compose": None,
        "hours": None,
        "spec": None,
        "spec_as_run": None,
        "policies": ["foretide", "hpa", "clairvoyant"],
        "seed": 1,
        "steps": 60,
        "step_s": 60,
        "missing_steps": 1,
        "warm_up_steps": 30,
        "scored_steps": 30,
        "scored_from_s": 1800.0,
        "scored_s": 1800.0,
        "startup_s": 45.0,
        "capacity_per_replica": pytest.approx(np.nanmean(np.array(values[:30])) / 14),
        "replicas_min": 1,
        "replicas_max": MOST,
        "violations_budget": 0.01,
    }
    assert [row["policy"] for row in found["rows"]] == ["foretide", "hpa", "clairvoyant"]
    assert tuple(found["rows"][0]) == (*Row.__struct_fields__, "replica_hours")
    best = found["rows"][2]["replica_hours"]
    ratio = found["rows"][1]["cost_ratio"]
    assert found["rows"][1]["replica_hours"] == pytest.approx(ratio * best)
    assert found["rows"][2]["us_per_decision"] is None
    with steps.open(encoding="utf-8") as lines:
        table = list(csv.DictReader(lines))
    assert list(table[0]) == [
        "policy",
        "at",
        "demand",
        "forecast",
        "ready",
        "starting",
        "desired",
    ]
    assert len(table) == 3 * 60
    assert table[10]["demand"] == ""
    assert all(int(r["ready"]) + int(r["starting"]) == int(r["desired"]) for r in table)
    assert any(r["forecast"] for r in table if r["policy"] == "foretide")
    assert not any(r["forecast"] for r in table if r["policy"] == "hpa")
    assert "vs tuned" in result.output
    # What the steps say agrees with the row, but for what happens within a step.
    ours = [r for r in table if r["policy"] == "hpa"][30:]
    capacity = np.nanmean(np.array(values[:30])) / 14
    over = sum(float(r["demand"]) > 0.9 * capacity * int(r["ready"]) for r in ours)
    assert abs(over / 30 - found["rows"][1]["violation"]) < 0.15


def test_steps_have_replicas_as_at_their_begin_and_forecasts_where_they_were_due() -> None:
    plant = trial([60.0, 120.0, NAN, 60.0], startup_s=30)
    # Asked for at 60 and 100 s, ready at 90 and 130 s; given up at 185 s, within the last step.
    done = Run(
        policy="x",
        asked=asked((0, 2), (60, 3), (100, 5), (185, 1)),
        forecasts=[(59.0, 1.0, 9.0), (60.0, 2.0, 9.0), (119.0, 4.0, 9.0), (240.0, 7.0, 9.0)],
    )
    found = Backtest(
        trial=plant,
        tuned=Frontier(candidates=[]),
        unit=1.0,
        rows=[],
        runs=[("x", done), ("not reached", None)],
    )
    out = io.StringIO()
    series_csv.write(found, out)
    assert out.getvalue().splitlines() == [
        "policy,at,demand,forecast,ready,starting,desired",
        "x,0,60,60,2,0,2",
        "x,60,120,180,2,1,3",
        "x,120,,,3,2,5",
        "x,180,60,,5,0,5",
    ]


def test_json_on_stdout_is_nothing_but_json(tmp_path: Path) -> None:
    trace = write(tmp_path / "a.csv", wave(20).series.values.tolist())
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from streams.cli import main; main()", "backtest"),
            *("--trace", str(trace), "--policies", "static", "--json", "-"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"][0]["policy"] == "static"


SPEC = """
apiVersion: foretide.dev/v1alpha1
kind: AgentScaler
metadata: {name: bot, namespace: prod}
spec:
  target: {name: bot}
  replicas: {min: 3, max: 12}
  demand: {unit: requests, perReplica: 1.8}
  slo: {latencySeconds: 5, violations: 0.05}
"""


def test_a_spec_sets_bounds_budget_and_capacity(tmp_path: Path) -> None:
    trace = write(tmp_path / "a.csv", wave(30).series.values.tolist())
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    steps, page = tmp_path / "steps.csv", tmp_path / "report.html"
    result = CliRunner().invoke(
        command,
        [
            *("--trace", str(trace), "--spec", str(spec)),
            *("--series", str(steps), "--html", str(page)),
        ],
    )
    assert result.exit_code == 0, result.output
    assert "Foretide by the spec of prod/bot, and told" in page.read_text(encoding="utf-8")
    assert "Every policy at its defaults" not in page.read_text(encoding="utf-8")
    assert "a replica serves 120 a step" in result.output
    assert "replicas 3 to 12, budget 5.00%" in result.output
    with steps.open(encoding="utf-8") as lines:
        desired = [int(row["desired"]) for row in csv.DictReader(lines)]
    assert min(desired) >= 3
    assert max(desired) <= 12


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--policies", "hpa,magic"], "no policy 'magic'; there are: foretide"),
        (["--compose", "often"], "give step10x"),
        (["--format", "nab"], "first line of a nab file"),
        (["--startup", "-1"], "-1"),
        (["--capacity-per-replica", "0"], "0"),
    ],
)
def test_misuse_says_what_is_allowed(tmp_path: Path, more: list[str], says: str) -> None:
    trace = write(tmp_path / "a.csv", [1.0] * 10)
    result = CliRunner().invoke(command, ["--trace", str(trace), *more])
    assert result.exit_code == 2
    assert says in result.output


def test_seconds_after_a_tenfold_step_are_told(tmp_path: Path) -> None:
    trace = write(tmp_path / "a.csv", wave(40).series.values.tolist())
    result = CliRunner().invoke(
        command,
        [
            *("--trace", str(trace), "--compose", "step10x", "--startup", "30"),
            *("--policies", "foretide,clairvoyant"),
        ],
    )
    assert result.exit_code == 0, result.output
    line = result.output.splitlines()[-1]
    assert line.startswith("seconds from the step to enough ready replicas: foretide ")
    assert line.endswith("clairvoyant 0")
    assert 30 < float(line.split("foretide ")[1].split(",")[0]) < 60


def test_what_waits_for_long_is_explained_where_it_is(tmp_path: Path) -> None:
    """600 a minute at a start, 12000 later, and at most 12 replicas of 120."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    given = ["--spec", str(spec), "--policies", "static"]
    full = write(tmp_path / "a.csv", [600.0] * 20 + [12000.0] * 20)
    result = CliRunner().invoke(command, ["--trace", str(full), *given])
    assert "one that waits for n ends counts n times, so that it may exceed 100%" in result.stdout
    calm = write(tmp_path / "b.csv", [600.0] * 40)
    assert "n times" not in CliRunner().invoke(command, ["--trace", str(calm), *given]).stdout


def test_the_command_prints_the_legend(tmp_path: Path) -> None:
    trace = write(tmp_path / "a.csv", wave(40).series.values.tolist())
    result = CliRunner().invoke(command, ["--trace", str(trace), "--policies", "hpa"])
    assert "-: does not apply, or is not known" in result.stdout.splitlines()[-4]

"""What `backtest` and `shadow` say of a trial that shows little, and refuse of one that cannot."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.cli import group

SPEC = {
    "apiVersion": "foretide.dev/v1alpha1",
    "kind": "AgentScaler",
    "metadata": {"name": "bot", "namespace": "prod"},
}


def backtest(
    folder: Path, *more: str, values: tuple[int, ...] = (600,) * 400, **spec: object
) -> Result:
    """600 a minute, of which a replica serves 60 within 0.9 of what it can."""
    lines = "".join(f"{step},{value}\n" for step, value in enumerate(values))
    (folder / "t.60s.csv").write_text(f"step,value\n{lines}")
    body = {"target": {"name": "bot"}, "demand": {"unit": "requests", "perReplica": 1.0}} | spec
    (folder / "spec.json").write_text(json.dumps(SPEC | {"spec": body}))
    given = ["--trace", str(folder / "t.60s.csv"), "--spec", str(folder / "spec.json")]
    return CliRunner().invoke(group, ["backtest", *given, "--policies", "hpa", *more])


def notes(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [line for line in result.stderr.splitlines() if line.startswith("note: ")]


def test_a_plain_spec_has_nothing_to_be_said(tmp_path: Path) -> None:
    assert notes(backtest(tmp_path)) == []


def test_a_maximum_that_the_trace_exceeds_is_told_with_how_much(tmp_path: Path) -> None:
    values = (600,) * 300 + (900_000,) * 100
    (told,) = notes(backtest(tmp_path, values=values, replicas={"min": 1, "max": 20}))
    assert told == (
        "note: max 20 replicas holds 20/s within the SLO, and serves 22.22/s; the trace asks up to "
        "15,000/s: at least 99.93% violates, which is over the budget of 1.00%, and what is above "
        "is unserved, for every policy that obeys max"
    )


def test_a_minimum_that_decides_everything_is_told(tmp_path: Path) -> None:
    (told,) = notes(backtest(tmp_path, replicas={"min": 10, "max": 20}))
    assert told == (
        "note: min 10 replicas holds all that the trace asks (up to 10/s): every policy stays there"
    )
    assert notes(backtest(tmp_path, replicas={"min": 9, "max": 20})) == []


@pytest.mark.parametrize(
    "demand", [{"unit": "tokens", "perReplica": 8.0}, {"unit": "tokens"}, {"perReplica": 8.0}]
)
def test_a_unit_that_a_trace_cannot_carry_is_told(
    tmp_path: Path, demand: dict[str, object]
) -> None:
    slo = {"latencySeconds": 2.0}
    (told,) = notes(backtest(tmp_path, demand=demand, slo=slo))
    assert demand.get("unit", "concurrency") in told
    assert "--capacity-per-replica" in told
    more = "--capacity-per-replica", "60"
    assert notes(backtest(tmp_path, *more, demand=demand, slo=slo)) == []


def test_a_learned_demand_is_no_fault_and_is_said_to_be_told(tmp_path: Path) -> None:
    given: dict[str, object] = {"demand": {}, "slo": {"latencySeconds": 2.0}}
    assert notes(backtest(tmp_path, **given)) == []
    ours = "--policies", "foretide,hpa"
    (_, told) = notes(backtest(tmp_path, *ours, **given))
    assert told == (
        "note: the spec has no demand.perReplica: live it is learned from load and latency; a "
        "trial has no latencies, so here Foretide is told from the begin on what a replica serves "
        "(42.8571 a step, by the trace's own mean; --capacity-per-replica says another)"
    )
    (_, told) = notes(backtest(tmp_path, *ours, "--capacity-per-replica", "60", **given))
    assert told.endswith("what a replica serves (60 a step)")


def test_a_spec_that_nothing_can_be_sized_by_is_refused(tmp_path: Path) -> None:
    ours = "--policies", "foretide,hpa"
    result = backtest(tmp_path, *ours, demand={})
    assert result.exit_code == 2
    assert "--spec: the spec of prod/bot has neither demand.perReplica nor slo" in result.output
    assert "(--capacity-per-replica), or leave foretide out of --policies" in result.output
    alone = backtest(tmp_path, "--policies", "foretide", demand={})
    assert alone.exit_code == 2
    assert "--policies" not in alone.output
    assert notes(backtest(tmp_path, demand={})) == []
    (_, told) = notes(backtest(tmp_path, *ours, "--capacity-per-replica", "60", demand={}))
    assert "live nothing is scaled by such a spec" in told


def test_a_paused_spec_is_refused_unless_foretide_is_left_out(tmp_path: Path) -> None:
    result = backtest(tmp_path, "--policies", "foretide,hpa", mode="Paused")
    assert result.exit_code == 2
    assert "--spec: the spec of prod/bot has mode: Paused" in result.output
    assert notes(backtest(tmp_path, mode="Paused")) == []


def test_variants_are_refused(tmp_path: Path) -> None:
    variants = [{"name": name, "target": {"name": name}} for name in ("a", "b")]
    lines = json.loads(json.dumps({"variants": variants, "demand": {"unit": "requests"}}))
    result = backtest(tmp_path, target=None, slo={"latencySeconds": 1.0}, **lines)
    assert result.exit_code == 2
    assert "has 2 variants" in result.output


def test_a_pool_limits_nothing_and_foretide_scales_all_the_same(tmp_path: Path) -> None:
    values = (60,) * 20 + (600,) * 20
    steps = tmp_path / "steps.csv"
    asked = "--policies", "foretide", "--series", str(steps)
    told = notes(backtest(tmp_path, *asked, values=values, pool="gpu", resources={"cpu": 1.0}))
    assert any("pool gpu limits nothing here" in line for line in told)
    desired = {line.split(",")[-1] for line in steps.read_text().splitlines()[1:]}
    assert len(desired) > 1


def test_what_a_trial_has_otherwise_than_the_world_is_told(tmp_path: Path) -> None:
    schedules = [{"start": "0 8 * * *", "end": "0 20 * * *", "min": 5}]
    told = notes(backtest(tmp_path, pause={"scaleIn": True}, schedules=schedules))
    assert ["pause" in told[0], "schedules" in told[1], len(told)] == [True, True, 2]


def test_an_hour_is_no_past(tmp_path: Path) -> None:
    (told,) = notes(backtest(tmp_path, values=(600,) * 60))
    assert told.startswith("note: there is little to learn from in 1 h: half of it is warm-up")
    assert notes(backtest(tmp_path, values=(600,) * 360)) == []
    (told,) = notes(backtest(tmp_path, "--hours", "2", values=(600,) * 360))
    assert "in 2 h" in told


@pytest.mark.parametrize(
    "more", [("backtest", "--policies", "hpa"), ("forecast-eval", "--horizon", "300")]
)
def test_rows_that_stand_for_others_are_told(tmp_path: Path, more: tuple[str, ...]) -> None:
    lines = [f"{1_700_000_000 + 60 * n},{600 + n}" for n in range(400)]
    path = tmp_path / "nab.csv"

    def told(*rows: str) -> list[str]:
        path.write_text("\n".join(["timestamp,value", *lines, *rows]))
        return notes(CliRunner().invoke(group, [*more, "--trace", str(path)]))

    assert told() == []
    assert told("1700000120,70", "1700000180,70") == [
        "note: 2 rows of nab.csv are left out, as a later one is of the same second or the same "
        "step (a clock that was set back, or drifts)"
    ]


@pytest.mark.parametrize(("late", "says"), [(6, []), (900, ["note: 900 of 1,500 requests of t"])])
def test_requests_of_a_step_that_is_not_over_are_told(
    tmp_path: Path, late: int, says: list[str]
) -> None:
    times = [float(second) for second in range(600)] + [600 + n * 59 / late for n in range(late)]
    lines = [json.dumps({"at": at, "tokens_in": 1, "tokens_out": 1}) for at in times]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    given = ["--trace", str(tmp_path / "t.jsonl"), "--policies", "hpa"]
    told = notes(CliRunner().invoke(group, ["backtest", *given]))
    assert [line[:32] for line in told if "left out" in line] == says


def test_a_start_up_longer_than_what_is_scored_is_told(tmp_path: Path) -> None:
    (told,) = notes(backtest(tmp_path, "--startup", "12000"))
    assert told.startswith("note: start-up takes 12000 s, and 12000 s are scored: nothing that is")
    assert notes(backtest(tmp_path, "--startup", "11999")) == []


def test_notes_leave_stdout_to_the_rows(tmp_path: Path) -> None:
    result = backtest(tmp_path, "--json", "-", values=(600,) * 60)
    assert notes(result)
    assert [row["policy"] for row in json.loads(result.stdout)["rows"]] == ["hpa"]


def test_notes_stand_in_the_report_too(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    values = (600,) * 30 + (900_000,) * 20
    told = notes(
        backtest(
            tmp_path,
            *("--html", str(page)),
            values=values,
            replicas={"min": 1, "max": 20},
            demand={"unit": "tokens", "perReplica": 8.0},
            slo={"latencySeconds": 2.0},
        )
    )
    assert ["tokens" in told[0], "max 20" in told[1], "little to learn" in told[2]] == [True] * 3
    written = html.unescape(page.read_text(encoding="utf-8"))
    assert [line for line in told if f"<li>{line.removeprefix('note: ')}</li>" not in written] == []
    backtest(tmp_path, "--html", str(page), values=(600,) * 20 + (0,) * 20)
    assert "<li>nothing is asked for in the scored half" in page.read_text(encoding="utf-8")


def test_rows_are_told_with_the_spec_that_they_are_of(tmp_path: Path) -> None:
    told = [
        json.loads(backtest(tmp_path, "--json", "-", behavior=body).stdout)["meta"]
        for body in ({}, {"scaleDown": {"stabilizationWindowSeconds": 60}})
    ]
    assert [meta["spec"] for meta in told] == ["prod/bot", "prod/bot"]
    plain, calmer = (meta["spec_as_run"]["spec"] for meta in told)
    assert plain["demand"] == calmer["demand"] == {"unit": "requests", "perReplica": 1.0}
    # As it was run: with the defaults of this release.
    assert "stabilizationWindowSeconds" not in plain["behavior"]["scaleDown"]
    assert calmer["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 60
    assert plain["replicas"] == calmer["replicas"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--compose", "foo"], "--compose: 'foo' is no composition; give step10x, or a whole"),
        (["--hours", "0.01"], "--hours: 0.01 h are 0 steps of 60 s; at least 4 are needed"),
        (["--workload", "prod/bot"], "--workload: a trace has no workloads"),
        (["--bootstrap", "localhost:9092"], "--bootstrap: a trace is read from its file"),
        (["--hours", "nan"], "'--hours': 'nan' is no finite number"),
        (["--startup", "inf"], "'--startup'"),
        (["--capacity-per-replica", "nan"], "'--capacity-per-replica': 'nan' is no finite number"),
    ],
)
def test_a_wrong_option_is_named_and_not_the_trace(
    tmp_path: Path, more: list[str], says: str
) -> None:
    result = backtest(tmp_path, *more)
    assert result.exit_code == 2
    assert says in result.output
    assert "for --trace" not in result.output


STEADY = (600,) * 400


@pytest.mark.parametrize("slo", [None, {"latencySeconds": 2}, {"latencySeconds": 60}])
def test_a_spec_is_judged_by_steps_as_everything_here_is(
    tmp_path: Path, slo: dict[str, float] | None
) -> None:
    more = {} if slo is None else {"slo": slo}
    result = backtest(tmp_path, "--policies", "foretide", "--json", values=STEADY, **more)
    row = json.loads(result.stdout)["rows"][0]
    assert row["violation"] == 0.0
    assert row["cost_ratio"] < 1.3  # Of noise within a minute it would be half as much again.
    told = [line for line in notes(result) if "is judged by its mean" in line]
    assert len(told) == (0 if slo == {"latencySeconds": 60} else 1)


def test_where_there_is_no_work_in_flight_none_is_waited_for(tmp_path: Path) -> None:
    values = (6000,) * 200 + (600,) * 200
    more = ("--policies", "foretide", "--json")
    plain = backtest(tmp_path, *more, values=values)
    drained = backtest(tmp_path, *more, values=values, drain={"budgetSeconds": 120})
    rows = [json.loads(result.stdout)["rows"][0] for result in (plain, drained)]
    assert rows[0]["cost_ratio"] == rows[1]["cost_ratio"]
    assert any("drain.budgetSeconds limits nothing here" in line for line in notes(drained))


def test_a_scored_half_without_a_request_is_told(tmp_path: Path) -> None:
    values = (600,) * 200 + (0,) * 200
    assert "note: nothing is asked for in the scored half" in "\n".join(
        notes(backtest(tmp_path, values=values))
    )


def test_who_never_kept_a_budget_has_no_cost_within_it(tmp_path: Path) -> None:
    more = ("--policies", "static", "--json")
    result = backtest(tmp_path, *more, replicas={"min": 1, "max": 3})
    (row,) = json.loads(result.stdout)["rows"]
    assert (row["violation"], row["cost_at_1pct"], row["cost_at_01pct"]) == (1.0, None, None)

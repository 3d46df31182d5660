"""Shadow: what ran and what Foretide would have done, by one scoring."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pytest

from lab.fluid.backtest import Row, backtest
from lab.fluid.schedule import Schedule, ready
from lab.fluid.score import score
from lab.fluid.shadow import RAN, Ran, shadow, verdict
from lab.fluid.trial import MOST, Observed, Trial
from lab.traces import Series, TraceError, compose
from tests.lab.fluids import asked, made, trial


def test_what_ran_is_scored_by_what_was_ready_and_alive() -> None:
    """Need 3 in every minute; asked for 3 throughout, but in the fourth minute one was starting."""
    wanted = trial([3, 3, 3, 3])
    alive = asked((0, 3), (180, 4))
    standing = asked((0, 3), (180, 2))
    found = score(wanted, asked((0, 3)), standing=standing, alive=alive)
    assert found.violation == 0.5  # Of the scored half the second minute.
    assert found.cost == 60 * 3 + 60 * 4
    assert found.actions_per_hour == 0.0
    assert score(wanted, asked((0, 3))).violation == 0.0


def test_reports_hold_until_the_next_and_the_first_before_it() -> None:
    ran = Ran.of([(-90.0, 9, 9, 0), (-5.0, 2, 2, 0), (70.0, 4, 2, 2), (130.5, 4, 4, 0)])
    at = np.array([0.0, 69.0, 70.0, 131.0])
    assert ran.asked.value(at).tolist() == [2, 2, 4, 4]
    assert ran.ready.value(at).tolist() == [2, 2, 2, 4]
    assert ran.alive.value(at).tolist() == [2, 2, 4, 4]
    late = Ran.of([(50.0, 3, 1, 2)])
    assert late.asked.value(np.array([0.0])).tolist() == [3]


def day(hours: int = 3) -> Series:
    rng = np.random.default_rng(3)
    steps = np.arange(hours * 60)
    return made(rng.poisson(600 + 400 * np.sin(steps / 40)).astype(float))


def test_foretide_as_what_ran_has_foretides_own_scores() -> None:
    mine = trial(day(), capacity=1.0, startup_s=50, least=1, most=MOST)
    first = backtest(mine, ["foretide"])
    run = first.runs[0][1]
    assert run is not None
    standing = ready(run.asked, mine.startup_s)
    moments = np.unique(np.concatenate([run.asked.at, standing.at]))
    columns = (run.asked.value(moments), standing.value(moments))
    reports = [
        (float(at), int(n), int(up), int(n - up))
        for at, n, up in zip(moments, *columns, strict=True)
    ]
    found = shadow(mine, Ran.of(reports))
    assert [row.policy for row in found.rows] == [RAN, "foretide"]
    ran, ours = (as_row(row) for row in found.rows)
    assert ran == pytest.approx(ours)
    assert ours == pytest.approx(as_row(first.rows[0]))
    hours = [found.replica_hours(row) for row in found.rows]
    assert hours[0] == pytest.approx(hours[1])
    assert "0.0% fewer replica-hours" in verdict(found)


def as_row(row: Row) -> dict[str, float | None]:
    names = [n for n in Row.__struct_fields__ if n not in {"policy", "us_per_decision"}]
    return {name: getattr(row, name) for name in names}


def constantly(replicas: int) -> Ran:
    return Ran.of([(0.0, replicas, replicas, 0)])


@pytest.mark.parametrize(
    ("ran", "ours", "says"),
    [
        ((2.0, 0.01), (1.5, 0.01), "25.0% fewer replica-hours; both keep the budget of 1.00%"),
        ((2.0, 0.02), (2.2, 0.01), "10.0% more replica-hours, and kept"),
        ((2.0, 0.01), (1.5, 0.02), "but not kept the budget"),
        ((2.0, 0.02), (1.5, 0.02), "; neither keeps"),
        ((0.0, 0.0), (1.5, 0.0), "Nothing ran"),
    ],
)
def test_fewer_replicas_are_only_praised_with_the_budget(
    ran: tuple[float, float], ours: tuple[float, float], says: str
) -> None:
    found = backtest(trial([3, 3, 3, 3]), ["static"])
    rows = [
        msgspec.structs.replace(found.rows[0], cost_ratio=cost, violation=violation)
        for cost, violation in (ran, ours)
    ]
    assert says in verdict(dataclasses.replace(found, rows=rows))


def test_what_was_late_though_its_replicas_were_enough_is_said() -> None:
    found = shadow(trial([3] * 40), constantly(4))
    assert "as measured" not in verdict(found, None) + verdict(found, 0.01)
    assert verdict(found, 0.1234).endswith(
        "That is by demand and replicas: as measured 12.34% of the requests of what ran were late, "
        "which its replicas do not explain."
    )
    few = shadow(trial([3] * 40), constantly(2))  # Theirs do.
    assert "as measured" not in verdict(few, 0.5)


def test_a_policy_sees_the_seconds_that_were_recorded() -> None:
    seconds = np.array([5, 0, 0, 0, 1, 7, 0, 2], float)
    series = Series(name="r", step_s=2, values=np.array([5, 0, 8, 2.0]), seconds=seconds)
    observed = Observed(Trial(series=series, capacity=1.0, startup_s=0))
    assert [observed.arrived(n) for n in range(8)] == seconds.astype(int).tolist()
    assert observed.factor == 1.0
    levels = seconds / 3
    level = Series(name="r", step_s=2, values=levels.reshape(4, 2).sum(axis=1), seconds=levels)
    observed = Observed(Trial(series=level, capacity=1.0, startup_s=0))
    told = np.array([observed.arrived(n) for n in range(8)], float) / observed.factor
    assert told == pytest.approx(levels, abs=1 / observed.factor)
    begin = dataclasses.replace(series, values=np.ones(6), seconds=np.arange(12.0)).first(8 / 3600)
    assert begin.seconds is not None
    assert begin.seconds.tolist() == [*range(8)]
    assert compose(series, "3").series.seconds is None
    with pytest.raises(TraceError, match="not those of its steps"):
        dataclasses.replace(series, seconds=seconds[:7])


def test_a_schedule_without_changes_is_one_report() -> None:
    ran = constantly(4)
    assert isinstance(ran.ready, Schedule)
    assert len(ran.ready.at) == 1

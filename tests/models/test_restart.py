"""A restart changes nothing: sealed and opened again, a fleet goes on as the one that lived on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from models.fleet import Fleet
from models.step import Step, StepResult
from streams.snapshots import Checkpoint, MemberSnapshot, Sealer, Writer
from tests.models.restarts import SLO, Phase, World, phases, specs

WORKLOADS = ["prod/bot", "prod/other"]
WRITER = Writer(0, 1)
SEALER = Sealer(None)

WARM = Phase(
    seconds=660,
    rate=25.0,
    slow=0.0,
    heard=True,
    late=False,
    starts=True,
    pods=4,
    reports="obeyed",
    specs=None,
)
"""Eleven minutes, after which a capacity may be learned and a forecast is no longer cold."""


def new() -> Fleet:
    return Fleet(lateness_s=1.0, valid_s=20.0)


def restarted(fleet: Fleet) -> Fleet:
    """What a new owner makes of the bytes that ``fleet`` left behind."""
    made = new()
    checkpoint = Checkpoint(
        partition=0,
        writer=WRITER,
        position=0,
        loads=0,
        since=None,
        members=fleet.heard_of(),
        merge=fleet.merge.state(),
    )
    opened = SEALER.open(SEALER.seal(checkpoint))
    assert isinstance(opened, Checkpoint)
    made.merge.restore(opened.merge)
    for state in fleet.states(fleet.heard_of(), 0):
        snapshot = SEALER.open(SEALER.seal(MemberSnapshot(WRITER, state)))
        assert isinstance(snapshot, MemberSnapshot)
        made.restore(snapshot.member)
    return made


def states(fleet: Fleet) -> bytes:
    """All that is remembered, as a snapshot has it, whatever came in which order."""
    found = [
        msgspec.structs.replace(
            state, partials=sorted(state.partials, key=lambda load: (load.source, load.reach))
        )
        for state in fleet.states(fleet.heard_of(), 0)
    ]
    told = msgspec.to_builtins(found, str_keys=True)
    return msgspec.msgpack.encode(told, order="sorted")


def lived(
    script: list[Phase], given: dict[str, Any], seed: int, fleet: Fleet
) -> Iterator[tuple[Step, StepResult]]:
    """Steps and what ``fleet`` made of them."""
    world = World(WORKLOADS, given, seed)
    for phase in script:
        for second in range(phase.seconds):
            step = world.second(phase, first=second == 0)
            result = fleet.apply(step)
            world.obey(phase, result)
            yield step, result


def goes_on(script: list[Phase], given: dict[str, Any], seed: int, cuts: list[float]) -> Fleet:
    """Live a script, restart a copy at each of ``cuts`` (shares of it), and compare the two."""
    seconds = sum(phase.seconds for phase in script)
    restarts = {int(cut * seconds) for cut in cuts}
    fleet, copy, decided = new(), None, 0
    for number, (step, result) in enumerate(lived(script, given, seed, fleet)):
        if copy is not None:
            assert copy.apply(step) == result, f"second {number}, restarted at {sorted(restarts)}"
            decided += len(result.decisions) + len(result.proposals)
        if number in restarts:
            copy = restarted(copy or fleet)
    assert copy is not None
    assert states(copy) == states(fleet)
    assert copy.merge.state() == fleet.merge.state()
    event(f"decided after a restart: {min(decided, 3)}")
    return fleet


cuts = st.lists(st.floats(0, 0.7), min_size=1, max_size=3)
seeds = st.integers(0, 999)


@settings(max_examples=90, deadline=None)
@given(script=st.lists(phases, min_size=2, max_size=6), given=specs, seed=seeds, cuts=cuts)
def test_a_restart_at_any_moment_changes_no_decision(
    script: list[Phase], given: dict[str, Any], seed: int, cuts: list[float]
) -> None:
    goes_on(script, given, seed, cuts)


@settings(max_examples=25, deadline=None)
@given(
    script=st.lists(phases, min_size=1, max_size=3),
    given=specs,
    learned=st.sampled_from([{}, {"unit": "requests"}, {"unit": "tokens"}]),
    seed=seeds,
    cut=st.floats(0.5, 0.9),
    again=st.lists(st.floats(0, 1, exclude_max=True), max_size=2),
)
def test_nor_does_one_of_a_workload_whose_capacity_is_learned(
    script: list[Phase],
    given: dict[str, Any],
    learned: dict[str, Any],
    seed: int,
    cut: float,
    again: list[float],
) -> None:
    asked = {**given, "slo": SLO, "demand": learned, "mode": "Active"}
    script = [phase._replace(specs=None) for phase in script]
    fleet = goes_on([WARM, *script], asked, seed, [cut, *again])
    learner = fleet.scaler(WORKLOADS[0]).learner
    assert learner is not None
    assert learner.steps > 0
    event(f"capacity: {'known' if learner.value is not None else 'unknown'}, {learner.unit}")


def foretold(fleet: Fleet, workload: str) -> list[object]:
    """Everything that is predicted of a workload."""
    scaler = fleet.scaler(workload)
    learner, foresight = scaler.learner, scaler.foresight
    assert learner is not None
    forecaster = foresight.forecaster
    return [
        scaler.forecast(),
        [forecaster.quantile(level) for level in (0.05, 0.5, 0.95, 0.99)],
        [forecaster.overload_probability(demand) for demand in (0.0, 20.0, 60.0, 500.0)],
        (foresight.ahead(scaler.demand), foresight.sizing.info(), foresight.sizing.projected),
        (scaler.capacity(), learner.unit, learner.loads, learner.words()),
        (scaler.horizon_s, scaler.demand.short(None), scaler.window.latencies(60)),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_what_three_units_pods_tenants_and_sources_foretell_is_the_same(seed: int) -> None:
    fleet = new()
    asked = {"slo": SLO, "replicas": {"min": 1, "max": 40}}
    for _ in lived([WARM, WARM._replace(seconds=240, rate=90.0, slow=0.02)], asked, seed, fleet):
        pass
    copy = restarted(fleet)
    for workload in WORKLOADS:
        found = foretold(copy, workload)
        assert found == foretold(fleet, workload)
        assert fleet.scaler(workload).capacity() is not None
        assert len(copy.scaler(workload).learner.units) == 3  # type: ignore[union-attr]
        assert len(copy.merge.window(workload).in_system.pods) == 4


@settings(max_examples=8, deadline=None)
@given(seed=seeds, cut=st.floats(0.3, 0.9), unit=st.sampled_from([{}, {"unit": "requests"}]))
def test_a_restart_keeps_what_is_known_of_variants(
    seed: int, cut: float, unit: dict[str, Any]
) -> None:
    variants = [{"name": name, "target": {"name": name}} for name in ("a", "b")]
    asked = {"slo": SLO, "demand": unit, "variants": variants}
    script = [WARM, WARM._replace(seconds=240, rate=90.0, slow=0.02)]
    fleet = goes_on(script, asked, seed, [cut])
    for workload in WORKLOADS:
        assert fleet.scaler(workload).capacities().keys() == {"a", "b"}
        serves = fleet.scaler(workload).mix.serves()
        assert serves is not None
        assert serves.counted.keys() == {"a", "b"}


@settings(max_examples=8, deadline=None)
@given(seed=seeds, cut=st.floats(0.3, 0.9))
def test_a_restart_keeps_what_is_known_of_tenants(seed: int, cut: float) -> None:
    asked = {"slo": SLO, "demand": {"unit": "requests", "perReplica": 3}}
    script = [WARM, WARM._replace(seconds=200, late=True)]
    fleet = goes_on(script, asked, seed, [cut])
    for workload in WORKLOADS:
        forecaster = fleet.scaler(workload).foresight.forecaster
        assert "tenants" in forecaster.experts()
        tenants = forecaster.state().tenants
        assert tenants is not None
        assert "acme" in tenants.named.names

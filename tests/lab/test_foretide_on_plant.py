"""Foretide on the per-request plant: told as it is live, decides as it does live."""

from __future__ import annotations

import pytest

from lab.foretide import plant_spec, run_foretide
from lab.plant import ConstantStartup, Failures, PlantParameters
from lab.results.on_plant import MOST, run_on_plant, sized
from lab.traces import Arrival


def crowd(per_s: int, length_s: int, begin_s: int = 0) -> list[Arrival]:
    """Requests of 2 s each at the default plant, which has 4 slots a replica."""
    return [
        Arrival(at_s=begin_s + second + number / per_s, tokens_in=500, tokens_out=72)
        for second in range(length_s)
        for number in range(per_s)
    ]


def test_it_follows_a_crowd_up_and_down_and_repeats_itself() -> None:
    arrivals = tuple(crowd(1, 300) + crowd(12, 300, 300) + crowd(1, 900, 600))
    parameters = PlantParameters(startup=ConstantStartup(20.0))
    found = run_foretide(arrivals, parameters, seed=1)
    assert found.served + found.dropped == len(arrivals)
    ready = {sample.at: sample.ready for sample in found.series}
    # 12 a second of 2 s each are 24 in the system: 6 replicas of 4, 8 of the 3 it may fill.
    assert ready[250.0] <= 4
    assert ready[590.0] >= 6
    assert ready[1490.0] < ready[590.0]
    assert run_foretide(arrivals, parameters, seed=1) == found


def test_a_spec_of_ones_own_is_kept_to() -> None:
    parameters = PlantParameters()
    given = plant_spec(parameters)
    few = given.spec.replicas.model_copy(update={"max": 3})
    spec = given.model_copy(update={"spec": given.spec.model_copy(update={"replicas": few})})
    found = run_foretide(tuple(crowd(12, 120)), parameters, seed=1, spec=spec)
    assert found.peak_replicas == 3
    assert found.violation_share > 0


def test_replicas_that_fail_and_requests_that_are_lost_are_told_too() -> None:
    parameters = PlantParameters(failures=Failures(mtbf_s=60.0, in_flight="lost"))
    arrivals = tuple(crowd(4, 300))
    found = run_foretide(arrivals, parameters, seed=2)
    assert 0 < found.served < len(arrivals)


def test_the_plant_is_sized_from_the_trace() -> None:
    parameters = sized(crowd(2, 120))
    # 2 a second of 2 s each are 4 in the system; in slots of 4 at 0.7 that is 1.43: 2 replicas.
    assert parameters.initial_replicas == 2
    assert parameters.slo_s == 10.0
    assert parameters.max_replicas == MOST
    slow = [Arrival(at_s=float(n), tokens_in=0, tokens_out=400) for n in range(10)]
    # Each takes 0.1 + 400 / 40 = 10.1 s alone: twice that is the SLO.
    assert sized(slow).slo_s == pytest.approx(20.2)


def test_policies_side_by_side_on_the_same_plant() -> None:
    rows = run_on_plant(tuple(crowd(3, 120)), seed=1)
    names = [row.policy for row in rows]
    assert names[:2] == ["foretide", "hpa"]
    assert {"keda", "kpa", "static"} <= set(names)
    kept = {row.policy: row for row in rows if row.policy in {"hpa-tuned", "static"}}
    assert all(row.violation <= 0.01 for row in kept.values())
    hpa = rows[1]
    if hpa.violation <= 0.01:
        assert kept["hpa-tuned"].replica_hours <= hpa.replica_hours

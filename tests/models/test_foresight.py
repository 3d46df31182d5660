"""Foresight: what sizing is told of a step; the walk of each test is in steps of 10 s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from models.demand import DemandMeter
from models.domain.load import ReplicaGauge
from models.foresight import Foresight, Given
from models.grid import STEP_S
from models.policy.limits import Limits
from models.sizing.candidates import SHAPE
from models.sizing.ledger import DEPTH
from models.window import Window
from tests.models.fleets import BEGIN, agent, load_of

WARM = 60
"""Steps after which all that is told is scored, whatever the start-up here."""


def walked(
    demand: Sequence[int], ready: Sequence[int], *, horizon_s: float = 20.0, **more: Any
) -> Foresight:
    """Requests a second in each step; ``ready`` replicas, one each, told as the step ends."""
    spec = agent(replicas={"min": 1, "max": 1000}, **more).spec
    window, made = Window(), Foresight()
    meter = DemandMeter(window, "requests")
    given = Given(spec, meter, Limits(spec), horizon_s, 1.0)
    for step, (per_s, stand) in enumerate(zip(demand, ready, strict=True)):
        for second in range(BEGIN + step * STEP_S, BEGIN + (step + 1) * STEP_S):
            gauge = ReplicaGauge(at_us=second * 1_000_000, desired=stand, ready=stand, starting=0)
            last = second % STEP_S == STEP_S - 1
            told = {"replicas": {"default": gauge}} if last else {}
            window.add(load_of(second, per_s, started=per_s, **told), None)
        made.close(made.due(meter, second), given)
    return made


@pytest.mark.parametrize(("horizon_s", "missed"), [(20.0, 2), (60.0, 6), (300.0, 10)])
def test_candidates_plants_start_as_slowly_as_real_ones(horizon_s: float, missed: int) -> None:
    """A crowd of ten steps that nobody foresaw is lost until replicas for it are there."""
    demand = [50] * 300 + [500] * 10 + [50] * 10
    ledger = walked(demand, [50] * len(demand), horizon_s=horizon_s).sizing._ledger
    assert ledger is not None
    # Demand of the step, and twice what exceeded, of the 50 that were there.
    lost = ledger._missed / (500 + DEPTH * 450)
    assert lost == pytest.approx(np.full(SHAPE, missed), rel=0.03)


def test_replicas_that_came_within_a_step_did_not_serve_all_of_it() -> None:
    """40 of 50 are ready as every other step begins or ends: not one of them was met."""
    steps = WARM + 400
    wavering = walked([50] * steps, [40, 60] * (steps // 2))
    assert wavering.sizing.violated == pytest.approx(1.0)
    enough = walked([50] * steps, [50, 60] * (steps // 2))
    assert enough.sizing.violated == 0.0


@pytest.mark.parametrize(
    "spec",
    [
        {"mode": "Shadow"},
        {"pause": {"scaleIn": True}},
        {"pause": {"scaleOut": True}},
        {"pause": {"replicas": 40}},
    ],
    ids=str,
)
def test_what_is_missed_while_replicas_are_not_ours_to_change_is_not_ours(
    spec: dict[str, Any],
) -> None:
    steps = WARM + 60
    assert walked([50] * steps, [40] * steps).sizing.violated == pytest.approx(1.0)
    theirs = walked([50] * steps, [40] * steps, **spec)
    assert theirs.sizing.violated is None
    assert theirs.sizing.regret is None

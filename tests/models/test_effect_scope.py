"""What the watch on effects is not for: changes that nobody makes, and traffic that is another."""

from __future__ import annotations

import pytest

from models.conditions import Conditions
from models.domain.decision import Reason
from models.effect import FREEZE_S
from models.window import Window
from tests.models.fleets import BEGIN, agent
from tests.models.test_policy_effect import BUDGET, LIMIT_S, load, optimistic


@pytest.mark.parametrize(("mode", "watched"), [("Active", True), ("Shadow", False)])
def test_a_scale_in_that_is_only_said_is_not_blamed(mode: str, *, watched: bool) -> None:
    """Half of all requests become slow after it; in Shadow nothing was scaled in."""
    window = Window()
    spec = agent(mode=mode, slo={"latencySeconds": LIMIT_S, "violations": BUDGET}).spec
    conditions = Conditions(spec, window)
    for second in range(BEGIN, BEGIN + 120):
        slow = 10 if second > BEGIN + 60 else 0
        window.add(load(second, 20 - slow, slow, replicas=8), None)
        if second == BEGIN + 60:
            conditions.ordered(float(second), 8, 2, 300.0, None, None)
        if second % 10 == 9:
            conditions.step(second, None)
    assert (conditions.frozen is not None) == watched


def test_a_frozen_scale_in_is_free_again_once_a_fifth_less_arrives() -> None:
    """Without it four would stay for the rest of the five minutes, where one is enough."""
    service = optimistic()
    while not any(decision.reason is Reason.EFFECT for decision in service.decisions):
        service.run(1)
    undone = service.decisions[-1].at
    assert service.replicas == 4
    service.serve = lambda _, __: (14, 0)  # An eighth less is the same traffic.
    service.run(90)
    assert service.replicas == 4
    service.serve = lambda _, __: (4, 0)
    service.run(60)
    assert service.now - undone < FREEZE_S
    assert service.replicas < 4

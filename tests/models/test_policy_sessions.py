"""Scale-in and sessions: pods on which a session is not over."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.domain.decision import Reason
from models.domain.telemetry import Request, Resource, Telemetry
from tests.models.fleets import Driver, W

AT_ONCE = {"scaleDown": {"stabilizationWindowSeconds": 0}}
KEPT = {"podDeletionCost": True, "keepSessions": True}


class Pods(Driver):
    """Pods with requests in hand and sessions (None: not told); the first ones there are tell."""

    def tell(self, *pods: tuple[int, int | None], ended: int = 0) -> None:
        told: list[Telemetry] = []
        for number, (held, sessions) in enumerate(pods):
            gauges: dict[str, Any] = {} if sessions is None else {"sessions": sessions}
            told.append(
                Resource(
                    v=1, workload=W, at=self.now + 1, pod=f"p{number}", in_flight=held, **gauges
                )
            )
        told += [Request(v=1, workload=W, at=self.now + 1, latency_s=0.1) for _ in range(ended)]
        self.second(None, events=told)


def driver(**drain: Any) -> Pods:
    return Pods(
        replicas=5,
        behavior=AT_ONCE,
        drain=drain,
        demand={"unit": "concurrency", "perReplica": 100},
    )


def test_pods_with_the_fewest_sessions_are_named_first_however_busy() -> None:
    world = driver(podDeletionCost=True)
    for _ in range(120):
        world.tell((0, 2), (7, 0), (1, 0), (0, 1), (9, None))
    went = [d for d in world.decisions if d.to.leaving]
    assert went
    assert went[0].to.leaving == ("p2", "p1", "p4", "p3", "p0")[: len(went[0].to.leaving)]
    assert world.replicas == 1  # They are only the first to go.


def test_no_pod_goes_on_which_a_session_is_not_over() -> None:
    world = driver(**KEPT)
    for _ in range(60):
        world.tell((0, 2), (7, 0), (1, 0), (0, 1), (0, 3))
    assert world.replicas == 3
    last = world.decisions[-1]
    assert (last.reason, last.to.leaving[:2]) == (Reason.DRAIN, ("p2", "p1"))
    assert any(
        "2 replicas have no sessions any more" in s.why for d in world.decisions for s in d.trail
    )
    # Those that left are gone; on one of the others the session ends.
    for _ in range(60):
        world.tell((0, 2), (0, 1), (0, 3))
    assert world.replicas == 3
    for _ in range(60):
        world.tell((0, 2), (0, 0), (0, 3))
    assert world.replicas == 2


def test_a_pod_that_does_not_tell_of_sessions_stays_where_they_are_kept() -> None:
    world = driver(**KEPT)
    for _ in range(60):
        world.tell(*[(0, None)] * 5)
    assert world.replicas == 5


def test_with_a_budget_both_hold() -> None:
    world = driver(**KEPT, budgetSeconds=20)
    for _ in range(30):
        # 8 a second end, so 1.6 a replica: 32 within the budget.
        world.tell((90, 0), (3, 0), (2, 0), (0, 1), (0, 3), ended=8)
    assert world.replicas == 3
    why = "2 replicas have no sessions and can finish their work within 20 s"
    assert any(why in stamp.why for d in world.decisions for stamp in d.trail)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"drain": {"keepSessions": True}}, "keepSessions needs podDeletionCost"),
        (
            {
                "drain": KEPT,
                "target": None,
                "variants": [{"name": n, "target": {"name": n}} for n in ("a", "b")],
            },
            "pods of several variants are not chosen",
        ),
    ],
)
def test_where_pods_cannot_be_chosen_sessions_cannot_be_kept(
    spec: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        Driver(**spec)

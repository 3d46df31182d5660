"""Work that waits at a pod is work that the pod has, when it comes to who may go."""

from __future__ import annotations

import pytest

from models.domain.telemetry import Request, Resource, Telemetry
from tests.models.fleets import Driver, W

AT_ONCE = {"scaleDown": {"stabilizationWindowSeconds": 0}}


class Queues(Driver):
    """Pods that work on one request each, with so many waiting; the service ends one a second."""

    def queues(self, *waiting: int) -> None:
        at = self.now + 1
        told: list[Telemetry] = [
            Resource(v=1, workload=W, at=at, pod=f"p{number}", in_flight=1, queue_depth=depth)
            for number, depth in enumerate(waiting[: self.replicas])
        ]
        told.append(Request(v=1, workload=W, at=at, latency_s=0.1))
        self.second(None, events=told)


def test_pods_with_the_shortest_queues_are_named_to_go() -> None:
    driver = Queues(
        replicas=5,
        behavior=AT_ONCE,
        drain={"podDeletionCost": True},
        demand={"unit": "concurrency", "perReplica": 20},
    )
    while not driver.decisions:
        driver.queues(2, 0, 1, 5, 3)
    decision = driver.decisions[0]
    count = 5 - decision.to.replicas["default"]
    assert 0 < count < 5
    assert decision.to.leaving == ("p1", "p2", "p0", "p4", "p3")[:count]


@pytest.mark.parametrize(("depth", "kept"), [(2, 1), (9, 4)])
def test_a_pod_whose_queue_is_too_long_to_be_done_in_time_stays(depth: int, kept: int) -> None:
    """Four that end one a second end five each within 20 s."""
    driver = Queues(
        replicas=4,
        behavior=AT_ONCE,
        drain={"budgetSeconds": 20},
        demand={"unit": "concurrency", "perReplica": 400},
    )
    for _ in range(120):
        driver.queues(*[depth] * 4)
    assert driver.replicas == kept

"""Scale-in that lets work end, and pauses, through the fleet."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from models.domain.decision import Decision, Reason
from models.domain.telemetry import Request, Resource, Telemetry
from tests.models.fleets import Driver, W

AT_ONCE = {"scaleDown": {"stabilizationWindowSeconds": 0}}


class Pods(Driver):
    """Pods that say what they have in hand; as many as there are replicas, those asked first."""

    def pods(self, *in_hand: int, ended: int = 0) -> list[Decision]:
        told: list[Telemetry] = [
            Resource(v=1, workload=W, at=self.now + 1, pod=f"p{number}", in_flight=held)
            for number, held in enumerate(in_hand[: self.replicas])
        ]
        told += [Request(v=1, workload=W, at=self.now + 1, latency_s=0.1) for _ in range(ended)]
        return list(self.second(None, events=told).decisions)


def test_no_more_leave_than_can_end_in_time_and_the_rest_follow() -> None:
    driver = Pods(
        replicas=6,
        behavior=AT_ONCE,
        drain={"budgetSeconds": 20},
        demand={"unit": "concurrency", "perReplica": 400},
    )
    for _ in range(30):
        driver.pods(4, 4, 4, 4, 4, 4)
    assert driver.replicas == 6  # One is wished for, but nothing ends.
    # Two have long work; what the others have ends within 20 s at one a second.
    driver.pods(0, 0, 40, 40, 0, 9, ended=120)
    assert driver.replicas == 2
    assert driver.decisions[-1].reason is Reason.DRAIN
    for _ in range(60):
        driver.pods(90, 90)
    assert driver.replicas == 2
    for _ in range(30):
        driver.pods(40, 3, ended=2)
    assert driver.replicas == 1


def test_decisions_name_the_pods_with_least_to_do() -> None:
    driver = Pods(replicas=5, behavior=AT_ONCE, drain={"podDeletionCost": True})
    for _ in range(120):
        told = enumerate((3, 1, 0, 2, 1))  # Those that have left tell as well: they end their work.
        driver.second(
            None,
            events=[
                Resource(v=1, workload=W, at=driver.now + 1, pod=f"p{number}", in_flight=held)
                for number, held in told
            ],
        )
    ins = [d for d in driver.decisions if d.to.replicas["default"] < d.from_.replicas["default"]]
    assert ins
    went = 0
    for decision in ins:
        went += decision.from_.replicas["default"] - decision.to.replicas["default"]
        # With those that went before, which still tell of themselves.
        assert decision.to.leaving == ("p2", "p1", "p4", "p3", "p0")[:went]


@pytest.mark.parametrize("spec", [{}, {"drain": {"budgetSeconds": 60}}])
def test_pods_are_named_only_where_the_spec_asks_for_it(spec: dict[str, Any]) -> None:
    driver = Pods(replicas=5, behavior=AT_ONCE, **spec)
    for _ in range(120):
        driver.pods(0, 0, 0, 0, 0, ended=1)
    assert driver.replicas == 1
    assert all(decision.to.leaving == () for decision in driver.decisions)


def test_paused_scale_in_still_scales_out_and_catches_up_when_it_is_over() -> None:
    driver = Driver(replicas=5, behavior=AT_ONCE, pause={"scaleIn": True})
    for _ in range(200):
        driver.second(2)
    assert driver.replicas == 5
    for _ in range(30):
        driver.second(40)
    high = driver.replicas
    assert high >= 10
    for _ in range(200):
        driver.second(2)
    assert driver.replicas == high
    driver.respec(2, behavior=AT_ONCE)
    for _ in range(1800):  # The margin remembers the burst for a while.
        driver.second(2)
    assert driver.replicas <= 2


def test_paused_scale_out_still_scales_in() -> None:
    driver = Driver(replicas=5, behavior=AT_ONCE, pause={"scaleOut": True})
    for _ in range(60):
        driver.second(60)
    assert driver.replicas == 5
    for _ in range(1800):
        driver.second(2)
    assert driver.replicas < 5


def test_paused_at_a_count_it_goes_there_and_stays_within_the_bounds() -> None:
    driver = Driver(replicas=3, behavior=AT_ONCE, pause={"replicas": 7})
    driver.second(2)
    assert driver.replicas == 7
    assert driver.decisions[-1].reason is Reason.PAUSED
    for load in (2, 60, 0):
        for _ in range(60):
            driver.second(load)
        assert driver.replicas == 7
    driver.respec(2, behavior=AT_ONCE, pause={"replicas": 70})
    driver.second(2)
    assert driver.replicas == 20


def test_pods_that_ceased_to_report_are_not_known_to_be_done() -> None:
    driver = Pods(replicas=4)
    driver.respec(
        1,
        behavior=AT_ONCE,
        drain={"budgetSeconds": 60},
        demand={"unit": "requests", "perReplica": 10},
        replicas={"min": 1, "max": 4},
    )
    for _ in range(60):
        driver.pods(0, 0, 0, 0, ended=39)
    for _ in range(20):
        driver.pods(ended=39)  # Requests go on; whoever read the pods' gauges is away.
    for _ in range(600):
        driver.pods(ended=1)
    assert driver.replicas == 4
    for _ in range(5):
        driver.pods(0, 0, 70, 70, ended=1)
    assert driver.replicas == 2


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4), st.sampled_from([5, 60]))
def test_one_decision_never_takes_who_is_at_work_nor_the_minimum(
    chance: random.Random, least: int, budget_s: int
) -> None:
    driver = Pods(replicas=9)
    driver.respec(
        1,
        behavior=AT_ONCE,
        drain={"budgetSeconds": budget_s},
        demand={"unit": "requests", "perReplica": 10},
        replicas={"min": least, "max": 12},
    )
    taken = 0
    for _ in range(30):
        in_hand = [chance.choice([0, 1_000_000]) for _ in range(12)]
        ended = chance.choice([0, 0, 5, 110])
        for _ in range(chance.randrange(1, 12)):
            before = driver.replicas
            driver.pods(*in_hand, ended=ended)
            if driver.replicas < before:
                taken += before - driver.replicas
                at_work = sum(held > 0 for held in in_hand[:before])
                assert driver.replicas >= max(at_work, least)
    event(f"taken: {min(taken, 3)}")


@pytest.mark.parametrize("asked", [{"replicas": {"min": 1, "max": 4}}, {"pause": {"replicas": 4}}])
def test_a_person_s_word_holds_whatever_is_being_worked_on(asked: dict[str, Any]) -> None:
    driver = Pods(replicas=9, behavior=AT_ONCE, drain={"budgetSeconds": 20})
    for _ in range(5):
        driver.pods(*[70] * 9)
    assert driver.replicas >= 9
    driver.respec(2, behavior=AT_ONCE, drain={"budgetSeconds": 20}, **asked)
    driver.pods(*[70] * 9)
    assert driver.replicas == 4


def test_a_scale_in_that_nobody_carries_out_is_said_again_in_full() -> None:
    driver = Pods(
        obey=False,
        replicas=6,
        behavior=AT_ONCE,
        drain={"budgetSeconds": 300},
        demand={"unit": "concurrency", "perReplica": 400},
    )
    for _ in range(200):
        driver.pods(0, 0, 0, 90, 90, 90, ended=1)
    last = [decision.to.replicas["default"] for decision in driver.decisions]
    assert len(last) > 4  # Every 30 s, for which a decision is valid.
    assert set(last) == {3}

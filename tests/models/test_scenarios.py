"""Scenarios that walk the clock, and properties that hold over all of them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.domain.decision import Epoch, Reason
from models.domain.telemetry import Request, Telemetry
from models.fleet import Fleet
from tests.models.fleets import Driver


def test_a_burst_is_answered_on_the_event_not_on_a_window() -> None:
    driver = Driver(replicas=1)
    for _ in range(120):
        driver.second(2)
    assert driver.replicas == 1
    driver.second(60)  # One second of it: (2 + 2 + 60) / 3 = 21.3 in the system.
    assert driver.decisions[-1].reason is Reason.BURST
    assert driver.replicas == 6
    driver.second(60)
    driver.second(60)
    assert driver.replicas == 15


def test_constant_demand_settles_and_stays() -> None:
    driver = Driver(replicas=1)
    for second in range(900):
        driver.second(18 + (second % 2))
    made = len(driver.decisions)
    assert driver.replicas in {5, 6}
    for second in range(600):
        driver.second(18 + (second % 2))
    assert len(driver.decisions) == made


def test_scale_in_waits_for_its_window_then_goes_to_the_minimum() -> None:
    driver = Driver(replicas=1, behavior={"scaleDown": {"stabilizationWindowSeconds": 60}})
    for _ in range(120):
        driver.second(30)
    high = driver.replicas
    assert high >= 8
    for _ in range(50):
        driver.second(0)
    assert driver.replicas == high  # The window still holds wishes of the busy time.
    for _ in range(1500):  # Until it is past, and so is the memory of how far demand fell.
        driver.second(0)
    assert driver.replicas == 1


def test_silence_with_progress_is_zero_and_without_progress_is_missing() -> None:
    driver = Driver(replicas=6, behavior={"scaleDown": {"stabilizationWindowSeconds": 0}})
    for _ in range(120):
        driver.second(22)
    for _ in range(300):
        driver.second(None, progress=False)  # No partition says how far it is.
    assert driver.replicas >= 6
    for _ in range(300):
        driver.second(0)  # Complete seconds in which pods say that there is nothing.
    assert driver.replicas == 1


def test_pods_that_alone_tell_of_demand_and_cease_to_are_missing_and_not_idle() -> None:
    """A scraper that died, and a partition that goes on: not one replica less."""
    driver = Driver(replicas=6, behavior={"scaleDown": {"stabilizationWindowSeconds": 0}})
    for _ in range(120):
        driver.second(22)
    before = driver.replicas
    for _ in range(900):
        driver.second(None)
    assert driver.replicas >= before
    fallback = {"afterSeconds": 30, "behavior": "static", "replicas": 9}
    driver.respec(2, fallback=fallback)
    driver.second(None)
    assert driver.replicas == 9
    for _ in range(1500):
        driver.second(0)  # It is back, and there is really nothing to do.
    assert driver.replicas == 1


@pytest.mark.parametrize("behavior", ["static", "currentReplicasIfLower"])
@pytest.mark.parametrize(("window_s", "after_s"), [(0, 30), (60, 90), (None, 330)])
def test_a_fallback_scales_in_once_its_window_is_over(
    behavior: str, window_s: int | None, after_s: int
) -> None:
    down = {} if window_s is None else {"stabilizationWindowSeconds": window_s}
    fallback = {"afterSeconds": 30, "behavior": behavior, "replicas": 3}
    driver = Driver(replicas=6, fallback=fallback, behavior={"scaleDown": down})
    for _ in range(600):
        driver.second(22)
    assert driver.replicas == 6
    reached = None
    for second in range(600):
        driver.second(None, progress=False)
        if reached is None and driver.replicas < 6:
            reached = second
    assert driver.replicas == 3
    assert driver.decisions[-1].trail[1].guard == "telemetry"
    assert reached is not None
    assert abs(reached - after_s) <= 3


def test_paused_makes_no_decision_and_shadow_says_so() -> None:
    driver = Driver(mode="Paused")
    for _ in range(60):
        driver.second(50)
    assert driver.decisions == []
    driver.respec(2, mode="Shadow")
    driver.obey = False
    driver.second(50)
    assert driver.decisions[-1].mode == "shadow"
    assert driver.decisions[-1].epoch.revision == 2


def test_an_order_that_nobody_carried_out_is_issued_again_after_it_expired() -> None:
    driver = Driver(obey=False)
    for _ in range(60):
        driver.second(30)
    wanted = driver.decisions[-1].to
    made = len(driver.decisions)
    for _ in range(30):
        driver.second(30)
    again = driver.decisions[made:]
    assert [d.reason for d in again] == [Reason.REISSUED]
    assert again[0].to == wanted
    assert again[0].epoch > driver.decisions[made - 1].epoch


def test_before_the_platform_has_reported_nothing_is_decided() -> None:
    driver = Driver()
    driver.step([])
    assert driver.decisions == []


def test_without_a_capacity_latency_alone_decides_and_only_upwards() -> None:
    driver = Driver(replicas=3, demand={"unit": "requests"}, slo={"latencySeconds": 1.0})

    def slow(latency_s: float) -> list[Telemetry]:
        return [Request(v=1, workload="prod/bot", at=driver.now + 1, latency_s=latency_s)]

    for _ in range(30):
        driver.second(None, events=slow(0.2))
    assert driver.decisions == []
    driver.second(None, events=slow(9.0))
    for _ in range(5):
        driver.second(None, events=slow(9.0))
    assert driver.replicas > 3
    assert driver.decisions[0].reason is Reason.SLO_MISSED
    high = driver.replicas
    for _ in range(600):
        driver.second(None, events=slow(0.1))
    assert driver.replicas <= high + 1  # What was slow scrolls out within its window.


def test_epochs_grow_and_an_id_names_workload_and_epoch() -> None:
    driver = Driver()
    for load in (2, 30, 60, 10, 70):
        for _ in range(10):
            driver.second(load)
    epochs = [decision.epoch for decision in driver.decisions]
    assert epochs == sorted(set(epochs))
    newest = driver.decisions[-1]
    assert newest.id == f"prod/bot@{newest.epoch}"
    assert Epoch.parse(str(newest.epoch)) == newest.epoch


def test_a_decision_answers_why_not_one_more_or_fewer() -> None:
    driver = Driver(costPerHour=2.0)
    for second in range(900):
        driver.second(10 + 8 * (second // 60 % 2))
    for _ in range(5):
        driver.second(70)  # So that there is a decision of the time when it has learned.
    decision = driver.decisions[-1]
    fewer, this, more = decision.alternatives
    assert (fewer.replicas, more.replicas) == (this.replicas - 1, this.replicas + 1)
    assert this.cost_per_hour == 2.0 * this.replicas
    risks = [a.overload_probability for a in decision.alternatives]
    assert all(risk is not None for risk in risks)
    assert risks == sorted(risks, key=lambda r: -(r or 0.0))
    assert decision.trail
    assert decision.inputs.cause is not None


demands = st.lists(st.integers(0, 120), min_size=5, max_size=80)


@settings(max_examples=40, deadline=None)
@given(demands)
def test_bounds_hold_whatever_comes(loads: list[int]) -> None:
    driver = Driver(replicas=3)
    for load in loads:
        for _ in range(3):
            driver.second(load)
    for decision in driver.decisions:
        assert 1 <= decision.to.replicas["default"] <= 20


@settings(max_examples=30, deadline=None)
@given(demands)
def test_the_same_steps_give_the_same_decisions_byte_for_byte(loads: list[int]) -> None:
    driver = Driver()
    for load in loads:
        for _ in range(4):
            driver.second(load)
    again = Fleet(lateness_s=1.0, valid_s=30.0)
    replayed = [d for step in driver.steps for d in again.apply(step).decisions]
    assert msgspec.json.encode(replayed) == msgspec.json.encode(driver.decisions)


@settings(max_examples=25, deadline=None)
@given(demands, st.integers(2, 4))
def test_more_demand_never_wants_fewer_replicas(loads: list[int], factor: int) -> None:
    """Compared before stabilisation and bounds, second by second, while both obey nothing."""
    small = Driver(obey=False)
    large = Driver(obey=False)
    for load in loads:
        small.second(load)
        large.second(load * factor)
        a, b = wish(small), wish(large)
        if a is not None and b is not None:
            assert b >= a


def wish(driver: Driver) -> int | None:
    scaler = driver.fleet._members["prod/bot"].scaler
    found = scaler._wish(driver.now, 1, 1)
    return None if found is None else found[0]


@settings(max_examples=25, deadline=None)
@given(demands, st.integers(2, 7))
def test_scale_invariance(loads: list[int], factor: int) -> None:
    """Demand and capacity in another unit: the same replicas."""
    plain = Driver(obey=False)
    scaled = Driver(obey=False, demand={"unit": "concurrency", "perReplica": 4 * factor})
    for load in loads:
        plain.second(load)
        scaled.second(load * factor)
        assert wish(plain) == wish(scaled)

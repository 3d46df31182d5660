"""What nobody told is no zero: telemetry that tells less never takes replicas away.

Rule: 4 of a unit a replica, 5 replicas to begin with, and services that leave something out; what
is right is told with each.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from models.domain.telemetry import Request, Resource, Telemetry
from models.opened import Opened
from models.window import Window
from tests.models.fleets import Driver, W

Told = Callable[[int, float], list[Telemetry]]
"""Events by second and its time."""


def started(at: float, **more: Any) -> Telemetry:
    return Request(v=1, workload=W, at=at, phase="started", **more)


def ended(at: float, **more: Any) -> Telemetry:
    return Request(v=1, workload=W, at=at, **more)


def gauge(at: float, pod: str, in_flight: int) -> Telemetry:
    return Resource(v=1, workload=W, at=at, pod=pod, in_flight=in_flight, queue_depth=0)


def after(seconds: int, told: Told, unit: str = "concurrency", per: float = 4.0) -> Driver:
    driver = Driver(replicas=5, demand={"unit": unit, "perReplica": per})
    for second in range(seconds):
        driver.second(None, events=told(second, driver.now + 1.0))
    return driver


@pytest.mark.parametrize(
    "told",
    [
        lambda _, at: [ended(at)] * 30,
        lambda _, at: [started(at), ended(at)] * 30,
        lambda _, at: [started(at)] * 3,
        lambda _, at: [ended(at)] * 24 + [gauge(at, "one", 0)],
    ],
    ids=["ends", "starts and ends", "starts", "one pod of five has gauges"],
)
def test_requests_of_unknown_length_are_never_scaled_in(told: Told) -> None:
    driver = after(700, told)
    assert driver.decisions == []
    assert driver.replicas == 5


def test_bounds_and_what_is_told_hold_all_the_same() -> None:
    """Of five pods one tells of 40; and a minimum is a minimum."""
    driver = after(60, lambda _, at: [ended(at)] * 24 + [gauge(at, "one", 40)])
    assert driver.replicas == 10
    why = driver.decisions[0].trail[0].why
    assert (
        why == "requests do not tell what they come to (concurrency), known are 40.00: no scale-in"
    )
    driver.respec(2, replicas={"min": 12, "max": 20})
    for _ in range(5):
        driver.second(None, events=[ended(driver.now + 1.0)] * 24)
    assert driver.replicas == 12


def test_nor_are_requests_of_unknown_tokens() -> None:
    driver = after(700, lambda _, at: [started(at), ended(at, latency_s=1.0)] * 30, "tokens", 1e4)
    assert driver.decisions == []


def test_once_they_tell_they_are_sized() -> None:
    def told(second: int, at: float) -> list[Telemetry]:
        return [ended(at, latency_s=1.0) if second > 300 else ended(at)] * 30

    assert after(320, told).replicas >= 8


@pytest.mark.parametrize(
    "starts",
    [
        lambda second: 1 if second == 0 else 0,
        lambda _: 3,
        lambda second: 15 if second < 300 else 0,
    ],
    ids=["one long ago", "a tenth of the pods", "half of them, and then none"],
)
@pytest.mark.parametrize("unit", ["requests", "concurrency"])
def test_some_starts_are_not_all_requests(starts: Callable[[int], int], unit: str) -> None:
    """30 a second that take a second each: 8 replicas."""
    driver = after(
        900,
        lambda second, at: [started(at)] * starts(second) + [ended(at, latency_s=1.0)] * 30,
        unit,
    )
    assert all(sum(d.to.replicas.values()) >= 8 for d in driver.decisions)
    assert 8 <= driver.replicas <= 9


@pytest.mark.parametrize("tokens", [{}, {"tokens_in": 1000}], ids=["none told", "a tenth told"])
def test_tokens_of_some_starts_are_not_all_tokens(tokens: dict[str, int]) -> None:
    """33,000 a second, 10,000 a replica: 4."""
    bare = 30 if not tokens else 3
    driver = after(
        900,
        lambda _, at: (
            [started(at, **tokens)] * bare
            + [ended(at, latency_s=1.0, tokens_in=1000, tokens_out=100)] * 30
        ),
        "tokens",
        1e4,
    )
    assert 4 <= driver.replicas <= 5


def test_one_pods_gauges_are_not_all_pods() -> None:
    """One of five works on 6 of 30."""
    driver = after(900, lambda _, at: [gauge(at, "one", 6), *[ended(at, latency_s=1.0)] * 24])
    assert driver.replicas >= 6


@pytest.mark.parametrize(("rate", "latency_s"), [(0.5, 20), (2.0, 30), (0.1, 120)])
def test_without_gauges_about_as_many_replicas_as_with_them(rate: float, latency_s: int) -> None:
    chance = random.Random(f"{rate}")
    begins = [second for second in range(2400) if chance.random() < rate % 1 or rate >= 1]
    begins += [second for second in range(2400) if rate > 1]
    told_at: dict[int, list[tuple[bool, float]]] = {}
    for second in begins:
        told_at.setdefault(second, []).append((True, 0.0))
        told_at.setdefault(second + latency_s, []).append((False, float(latency_s)))

    def requests(second: int, at: float) -> list[Telemetry]:
        return [
            started(at) if begun else ended(at, latency_s=took)
            for begun, took in told_at.get(second, ())
        ]

    def with_gauges(second: int, at: float) -> list[Telemetry]:
        inside = sum(begin <= second < begin + latency_s for begin in begins)
        return [*requests(second, at), gauge(at, "all", inside)]

    means = []
    for told in (requests, with_gauges):
        driver = Driver(
            replicas=1, demand={"unit": "concurrency", "perReplica": 60 if rate > 1 else 4}
        )
        seen = []
        for second in range(2400):
            driver.second(None, events=told(second, driver.now + 1.0))
            seen.append(driver.replicas)
        means.append(sum(seen[1200:]) / 1200)
    assert means[0] == pytest.approx(means[1], abs=1.5)


def test_starts_of_long_requests_are_all_told_while_demand_falls() -> None:
    """400 s a request: for as long, ends outnumber starts by ten to one, and each had its start."""
    driver = Driver(replicas=5, demand={"unit": "requests", "perReplica": 4})
    for second in range(1300):
        begins = 10 if second < 600 else 1
        ends = 0 if second < 400 else 10 if second < 1000 else 1
        at = driver.now + 1.0
        events = [*[started(at)] * begins, *[ended(at, latency_s=400.0)] * ends]
        driver.second(None, events=events)
        if second > 400:
            assert driver.fleet._members[W].window.all_starts_told


def test_starts_that_are_told_no_more_are_missed_within_seconds() -> None:
    """A hundredth of all ends was lost for an hour before."""
    driver = Driver(replicas=5, demand={"unit": "requests", "perReplica": 4})
    window = None
    for second in range(3700):
        at = driver.now + 1.0
        begins = 30 if second < 3600 else 0
        ends = 29 if second % 3 == 0 and second < 3600 else 30
        driver.second(None, events=[*[started(at)] * begins, *[ended(at, latency_s=1.0)] * ends])
        window = driver.fleet._members[W].window
        if 100 < second < 3600:
            assert window.all_starts_told
    assert window is not None
    assert not window.all_starts_told
    assert driver.replicas >= 8


def test_no_more_is_open_than_little_s_law_explains_twice() -> None:
    opened = Opened()
    opened.leave([10] * 100, [9] * 100, lambda: 20.0)
    assert opened.still == 40.0
    opened.leave([0, 0], [3, 4], lambda: 0.0)
    assert opened.still == 33.0
    opened.leave([1], [0], lambda: 0.0)
    assert opened.still == 33.0
    opened.leave([0], [99], lambda: 0.0)
    assert opened.still == 0.0


def test_a_pod_that_has_just_become_ready_has_a_while_to_tell() -> None:
    """Of eight, four are new: 4 tell for 10 s; then one of the old ones falls silent, or not."""
    driver = Driver(obey=False, replicas=4)
    window = None
    for second in range(60):
        if second == 20:
            driver.replicas = 8
        # The fourth pod of the old ones ends telling in second 40.
        telling = 4 if second < 30 else 8 if second < 40 else 7
        at = driver.now + 1.0
        driver.second(None, events=[gauge(at, f"pod {pod}", 2) for pod in range(telling)])
        window = driver.fleet._members[W].window
        assert window.some_pods_silent == (second >= 55)
        restored = Window.restored(window.state())
        assert restored.some_pods_silent == window.some_pods_silent


def test_new_pods_that_never_tell_are_silent_after_a_while() -> None:
    driver = Driver(obey=False, replicas=4)
    for second in range(60):
        driver.replicas = 4 if second < 20 else 6 if second < 30 else 8
        at = driver.now + 1.0
        driver.second(None, events=[gauge(at, f"pod {pod}", 2) for pod in range(4)])
        assert driver.fleet._members[W].window.some_pods_silent == (second >= 35)

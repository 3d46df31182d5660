"""The window: of pods that come and go, those that still tell."""

from __future__ import annotations

from models.domain.load import PodGauge
from models.in_system import FRESH_S
from models.window import Window
from tests.models.fleets import BEGIN, load_of


def told(window: Window, second: int, **in_flight: int) -> None:
    at_us = (BEGIN + second) * 1_000_000
    pods = {pod: PodGauge(at_us=at_us, in_flight=held) for pod, held in in_flight.items()}
    window.add(load_of(BEGIN + second, 0, pods=pods), None)


def test_what_a_pod_worked_on_is_no_demand_once_it_has_ceased_to_tell() -> None:
    window = Window()
    told(window, 0, gone=40, stays=2)
    for second in range(1, 30):
        told(window, second, stays=2)
        assert window.gauge(BEGIN + second) == (42 if second <= FRESH_S else 2)
    told(window, 30, gone=7, stays=2)
    assert window.gauge(BEGIN + 30) == 9


def test_pods_that_are_gone_are_not_remembered() -> None:
    """A fleet whose pods are replaced every second, for an hour."""
    window = Window()
    for second in range(3600):
        told(window, second, **{f"p{second}": 1})
    assert len(window.in_system.pods) == FRESH_S + 1
    assert len(window.state().pods) == FRESH_S + 1

"""Evidence: slow requests of a slot, ready replicas of a span, drops."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import sketch
from models.capacity.evidence import Evidence, Ready, gather, limit, slow_share
from models.demand import DemandMeter
from models.domain.load import Load, ReplicaGauge
from models.window import Window
from tests.models.fleets import load_of

BEGIN = 1_700_000_000  # A multiple of 10.


def load(second: int, latencies_s: list[float], *, dropped: int = 0, ready: int = 0) -> Load:
    counts: dict[int, int] = {}
    for value in latencies_s:
        bucket = sketch.bucket(round(value * 1e6))
        counts[bucket] = counts.get(bucket, 0) + 1
    gauge = ReplicaGauge(at_us=second * 1_000_000, desired=ready, ready=ready, starting=0)
    return load_of(
        second,
        len(latencies_s) + dropped,
        dropped=dropped,
        latency_count=len(latencies_s),
        latency_us=round(sum(latencies_s) * 1e6),
        latency=counts,
        replicas={"default": gauge} if ready else {},
    )


latencies = st.lists(st.floats(0.001, 100.0), max_size=40)


@given(values=latencies, slo_s=st.floats(0.01, 50.0), packed=st.booleans())
def test_slow_requests_of_a_slot_are_counted_packed_or_not(
    *, values: list[float], slo_s: float, packed: bool
) -> None:
    window = Window()
    window.add(load(BEGIN, values), None)
    if packed:
        window.add(load(BEGIN + 10, [1.0]), None)
    bucket = limit(slo_s)
    slow = sum(sketch.bucket(round(value * 1e6)) > bucket for value in values)
    assert window.slower(BEGIN // 10, (bucket, -1)) == [slow, len(values)]
    assert window.slower(BEGIN // 10 + 7, (bucket,)) == [0]


def test_the_share_of_the_newest_slots() -> None:
    window = Window()
    assert slow_share(window, 15, limit(1.0)) == 0.0
    window.add(load(BEGIN, [5.0] * 90), None)  # 25 s before the newest: no longer looked at.
    window.add(load(BEGIN + 14, [5.0, 0.1]), None)
    window.add(load(BEGIN + 25, [0.1, 0.1]), None)
    assert slow_share(window, 15, limit(1.0)) == 0.25


def test_ready_of_a_span() -> None:
    ready, window = Ready(), Window()
    ready.look(window)
    assert ready.within(0, 100) is None  # Nobody has reported.
    for second, number in ((5, 4), (6, 4), (20, 7), (31, 5)):
        window.add(load(second, [], ready=number), None)
        ready.look(window)
    assert ready.seen == [(5, 4), (20, 7), (31, 5)]
    assert ready.within(0, 4) is None
    assert ready.within(0, 9) is None  # Before 5 it is not known.
    assert ready.within(5, 19) == (4, 4)
    assert ready.within(10, 20) == (4, 7)
    assert ready.within(10, 40) == (4, 7)
    assert ready.within(20, 40) == (5, 7)
    window.add(load(500, [], ready=6), None)
    ready.look(window)
    assert ready.seen == [(31, 5), (500, 6)]  # The past is let go, but for what held until then.


def seen(window: Window, ready: int = 2) -> Evidence | None:
    known = Ready()
    known.seen = [(BEGIN - 100, ready)]
    meters = [DemandMeter(window, "requests", patience_s=2.0)]
    return gather(window, BEGIN // 10, meters, (limit(2.0), limit(1.2)), known)


def test_a_slot_by_hand() -> None:
    window = Window()
    for second in range(BEGIN - 10, BEGIN + 10):
        window.add(load(second, [0.5, 0.5, 1.5, 3.0]), None)
    found = seen(window)
    assert found is not None
    assert found.demand == (4.0,)
    assert (found.fewest, found.most) == (2, 2)
    assert (found.count, found.slow, found.late) == (40, 10, 20)
    assert found.pace == pytest.approx(math.log(5.5 / 4))


def test_drops_are_slow_whether_they_tell_a_latency_or_not() -> None:
    silent, telling = Window(), Window()
    for second in range(BEGIN - 10, BEGIN + 10):
        silent.add(load(second, [0.5] * 8, dropped=2), None)
        told = load(second, [0.5] * 8 + [0.0] * 2)
        telling.add(
            Load(**{name: getattr(told, name) for name in told.__struct_fields__} | {"dropped": 2}),
            None,
        )
    for window in (silent, telling):
        found = seen(window)
        assert found is not None
        assert (found.count, found.slow) == (100, 20)


def test_what_says_nothing() -> None:
    window = Window()
    assert seen(window) is None
    window.add(load(BEGIN - 10, [0.5]), None)
    window.add(load(BEGIN + 9, []), None)
    assert seen(window) is None  # Nothing finished in it.
    window.add(load(BEGIN + 5, [0.5]), None)
    assert seen(window) is not None
    assert seen(window, ready=0) is None
    window.add(load(BEGIN + 85, [0.5]), None)
    assert seen(window) is None  # It has left the window.


def test_drops_that_no_end_was_told_of_are_no_request() -> None:
    window, ready = Window(), Ready()
    for second in range(BEGIN - 10, BEGIN + 11):
        told = load(second, [], dropped=1, ready=2)
        window.add(msgspec.structs.replace(told, finished=0), None)
        ready.look(window)
    meters = [DemandMeter(window, "requests")]
    assert gather(window, BEGIN // 10, meters, (limit(1.0), limit(0.6)), ready) is None

"""Evidence: what one slot of 10 s says of load per ready replica and of latency.

Rule: a slot whose seconds have left the window, or in which nothing finished, says nothing.  Where
replicas came or went in it, or in the slot before (one that became ready is cold, one that left was
still serving), load lay between demand over the most and over the fewest that were ready: fine, it
is evidence of the lower load, slow, of the higher one, which errs on neither side.
Flow: Window -> Evidence -> Learner.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence

from msgspec import Struct

from models import sketch
from models.demand import DemandMeter
from models.grid import STEP_S
from models.window import Window

LATE = 0.6
"""A request is late that takes longer than this share of the SLO.  Where the tail is exponential a
0.95 quantile at 0.65 of the SLO is a 0.99 quantile at the SLO."""


Lost = Callable[[int, int], int | None]


class Evidence(Struct, frozen=True, gc=False):
    """One slot.  ``demand`` in the unit of each meter; counts are requests.

    ``fewest`` to ``most`` replicas were ready in it and in the slot before.  ``slow`` took longer
    than the SLO or were dropped, ``late`` longer than ``LATE`` of it; ``pace`` is ln of the mean
    latency in seconds.
    """

    demand: tuple[float, ...]
    fewest: int
    most: int
    count: int
    slow: int
    late: int
    pace: float


class Ready:
    """Ready replicas over the last minute, from the newest reports."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        """Nobody has reported."""
        self.seen: list[tuple[int, int]] = []
        """(second, replicas) where it changed, in order."""

    def look(self, window: Window) -> None:
        """Take in what is reported now."""
        at = ready = 0
        for gauge in window.replicas.values():
            ready += gauge.ready
            at = max(at, gauge.at_us)
        seen = self.seen
        if not window.replicas or (seen and seen[-1][1] == ready):
            return
        second = at // 1_000_000
        seen.append((second, ready))
        while len(seen) > 1 and seen[1][0] <= second - 6 * STEP_S:
            seen.pop(0)

    def within(self, begin: int, end: int) -> tuple[int, int] | None:
        """The fewest and the most ready in seconds ``begin`` to ``end``; None: unknown."""
        fewest, most = sys.maxsize, 0
        for at, ready in reversed(self.seen):
            if at > end:
                continue
            fewest, most = min(fewest, ready), max(most, ready)
            if at <= begin:
                return fewest, most
        return None


def gather(
    window: Window,
    slot: int,
    meters: Sequence[DemandMeter],
    limits: Sequence[int],
    ready: Ready,
    lost: Lost | None = None,
) -> Evidence | None:
    """What slot number ``slot`` (of 10 s since 1970) says; None: nothing.

    ``limits``: the buckets above which a request is slow, and late.  ``lost`` says how many more
    were dropped in some seconds, or None: nothing is known of them.
    """
    begin, end = slot * STEP_S, slot * STEP_S + STEP_S - 1
    serving = ready.within(begin - STEP_S, end)
    if serving is None or serving[0] == 0 or not window.holds(begin):
        return None
    timed = window.total("latency_count", begin, end)
    dropped = window.total("dropped", begin, end)
    # Who drops may tell a latency with it, or none: one request either way.
    count = max(timed, min(window.total("finished", begin, end), timed + dropped))
    if count == 0:
        return None
    more = 0 if lost is None else lost(begin, end)
    if more is None:
        return None
    count, dropped = count + more, dropped + more
    demand = []
    for meter in meters:
        value = meter.step(slot)
        if value is None:
            return None
        demand.append(value)
    slow, late = window.slower(slot, limits)
    mean_us = window.total("latency_us", begin, end) / timed if timed else 1.0
    return Evidence(
        demand=tuple(demand),
        fewest=serving[0],
        most=serving[1],
        count=count,
        slow=min(slow + dropped, count),
        late=min(late + dropped, count),
        pace=math.log(max(mean_us, 1.0) / 1e6),
    )


def slow_share(window: Window, seconds: int, bucket: int) -> float:
    """Share of requests above ``bucket``, or dropped, in the slots of the newest ``seconds``."""
    newest = window.newest
    if newest is None:
        return 0.0
    slots = range((newest - seconds + 1) // STEP_S, newest // STEP_S + 1)
    dropped = window.total("dropped", slots[0] * STEP_S, newest)
    total = window.total("latency_count", slots[0] * STEP_S, newest) + dropped
    slow = sum([window.slower(slot, (bucket,))[0] for slot in slots]) + dropped
    return slow / total if total else 0.0


def limit(latency_s: float) -> int:
    """The bucket above which a latency is longer than ``latency_s``."""
    return sketch.bucket(round(latency_s * 1e6))

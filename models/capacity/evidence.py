"""Evidence: what one slot of 10 s says of load per ready replica and of latency.

Rule: a slot that cannot say what a replica carries is left out: nothing finished in it, its
seconds have left the window, or the ready replicas changed in it or in the slot before by more
than a twentieth (a replica that became ready is still cold, one that left was still serving).
Flow: Window -> Evidence -> Learner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from models import sketch
from models.demand import STEP_S, DemandMeter
from models.window import Window

STEADY = 0.05
"""Share of the ready replicas that may come or go in a slot that still counts."""


class Evidence(Struct, frozen=True, gc=False):
    """One slot.  ``loads`` per ready replica, one for each meter; counts are requests.

    ``slow`` took longer than the SLO or were dropped, ``late`` longer than half of it; ``pace`` is
    ln of the mean latency in seconds.
    """

    loads: tuple[float, ...]
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

    def steady(self, begin: int, end: int) -> int | None:
        """Ready in seconds ``begin`` to ``end``, if it hardly changed; None: it did, or is 0."""
        lowest, highest, known = math.inf, 0, False
        for at, ready in reversed(self.seen):
            if at > end:
                continue
            lowest, highest = min(lowest, ready), max(highest, ready)
            if at <= begin:
                known = True
                break
        if not known or lowest <= 0 or highest > lowest * (1 + STEADY):
            return None
        return highest


def gather(
    window: Window, slot: int, meters: Sequence[DemandMeter], slo_s: float, ready: Ready
) -> Evidence | None:
    """What slot number ``slot`` (of 10 s since 1970) says; None: nothing."""
    begin, end = slot * STEP_S, slot * STEP_S + STEP_S - 1
    replicas = ready.steady(begin - STEP_S, end)
    if replicas is None or not window.holds(begin):
        return None
    timed = window.total("latency_count", begin, end)
    dropped = window.total("dropped", begin, end)
    if timed + dropped == 0:
        return None
    loads = []
    for meter in meters:
        value = meter.step(slot)
        if value is None:
            return None
        loads.append(value / replicas)
    slow, late = window.slower(slot, (limit(slo_s), limit(slo_s / 2)))
    # Who drops may tell a latency with it, or none: one request either way.
    count = max(timed, min(window.total("finished", begin, end), timed + dropped))
    mean_us = window.total("latency_us", begin, end) / timed if timed else slo_s * 1e6
    return Evidence(
        tuple(loads),
        count,
        min(slow + dropped, count),
        min(late + dropped, count),
        math.log(max(mean_us, 1.0) / 1e6),
    )


def limit(latency_s: float) -> int:
    """The bucket above which a latency is longer than ``latency_s``."""
    return sketch.bucket(round(latency_s * 1e6))

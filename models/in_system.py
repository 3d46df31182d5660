"""In the system: requests that are worked on or wait, as pods tell in their gauges.

Rule: of a pod the newest gauge counts, for ``FRESH_S``; a second in which no pod told is unknown.
Flow: Window -> InSystem -> DemandMeter, victims of a scale-in.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping

from models.domain.load import PodGauge
from models.seconds import SPAN, between, packed, unpacked

FRESH_S = 15.0
"""A pod whose newest gauge is this much older than its workload's newest no longer counts."""


class InSystem:
    """Of one workload.  Who asks for a second knows that it is held."""

    __slots__ = ("_totals", "pods")

    def __init__(self, pods: Mapping[str, PodGauge] | None = None, totals: bytes = b"") -> None:
        """Both are as ``state`` gave them.  Raises ``ValueError``: of the wrong length."""
        self.pods: dict[str, PodGauge] = dict(pods or {})
        self._totals: array[float] | None = unpacked("d", totals) if totals else None
        """By second modulo ``SPAN``; NaN: nobody said.  None: nobody ever did."""

    def observe(self, pod: str, gauge: PodGauge) -> bool:
        """Take in a pod's gauges; False: newer ones of it are known."""
        pods = self.pods
        before = pods.get(pod)
        if before is not None and before.at_us >= gauge.at_us:
            return False
        pods[pod] = gauge
        if len(pods) > 1:
            oldest = gauge.at_us - FRESH_S * 1e6
            if any(held.at_us < oldest for held in pods.values()):
                pods = self.pods = {
                    name: held for name, held in pods.items() if held.at_us >= oldest
                }
        return True

    def total(self) -> float | None:
        """What all pods have now; None: none of them tells."""
        known, total = False, 0
        for held in self.pods.values():
            if held.in_flight is not None:
                known = True
                total += held.in_flight + (held.queue_depth or 0)
        return float(total) if known else None

    def put(self, second: int, total: float) -> None:
        """So many there were in ``second``."""
        if self._totals is None:
            self._totals = array("d", [math.nan] * SPAN)
        self._totals[second % SPAN] = total

    def clear(self, seconds: Iterable[int]) -> None:
        """These seconds are others now, in which nobody told yet."""
        if self._totals is not None:
            for second in seconds:
                self._totals[second % SPAN] = math.nan

    @property
    def told(self) -> bool:
        """Whether any pod ever told."""
        return self._totals is not None

    @property
    def telling(self) -> int:
        """Pods that tell now."""
        return sum(held.in_flight is not None for held in self.pods.values())

    @property
    def last(self) -> int | None:
        """The second of the newest gauge of one that tells; None: none does."""
        newest = [held.at_us for held in self.pods.values() if held.in_flight is not None]
        return max(newest) // 1_000_000 if self.told and newest else None

    def at(self, second: int) -> float | None:
        """What was told in ``second``; None: nobody did."""
        if self._totals is None:
            return None
        value = self._totals[second % SPAN]
        return value if value == value else None  # noqa: PLR0124 - NaN alone is not itself

    def between(self, begin: int, end: int) -> list[float] | None:
        """What was told in seconds ``begin`` to ``end``; None: one is unknown."""
        if self._totals is None:
            return None
        found = between(self._totals, begin, end)
        total = sum(found)
        return found if total == total else None  # noqa: PLR0124 - NaN alone is not itself

    def state(self) -> tuple[dict[str, PodGauge], bytes]:
        """What ``__init__`` takes: of gauges what is decided by, and nothing else."""
        totals = b"" if self._totals is None else packed(self._totals)
        return {pod: _decided_by(gauge) for pod, gauge in self.pods.items()}, totals


def _decided_by(gauge: PodGauge) -> PodGauge:
    """The part of a pod's gauges that anybody here asks for."""
    return PodGauge(
        at_us=gauge.at_us,
        in_flight=gauge.in_flight,
        queue_depth=gauge.queue_depth,
        sessions=gauge.sessions,
    )

"""Shares: which tenants' requests ended in the newest steps of the grid.

Rule: counts only grow by differences, so that the order of partials is no matter; a step that is
no longer held is not zero but unknown; names are bounded, whoever comes.
Flow: Window.add -> Shares -> DemandMeter.tenants -> Forecaster.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from sys import intern

from models.sums import MAX_TENANTS, OTHER_TENANTS

STEP_S = 10
"""The learner's grid (``models.demand.STEP_S``; a test says so)."""

KEPT = 3
"""Steps held: one that goes on, one that is asked for, and one more where a source is ahead."""

SharesState = dict[int, dict[str, int]]
"""By the second that a step begins with."""


def phase_of(workload: str) -> int:
    """Seconds after a multiple of ``STEP_S`` at which a workload's steps begin, of its name.

    So not all workloads end theirs in the same second.
    """
    return zlib.crc32(workload.encode()) % STEP_S


class Shares:
    """Ended requests of one workload: begin of a step -> tenant -> count."""

    __slots__ = ("_steps",)

    def __init__(self, state: SharesState | None = None) -> None:
        """``state`` is what ``state`` gave."""
        self._steps: SharesState = {
            begin: {intern(name): count for name, count in counts.items()}
            for begin, counts in (state or {}).items()
        }

    def state(self) -> SharesState:
        """What is held, by step; empty: no tenant was named."""
        return {begin: dict(self._steps[begin]) for begin in sorted(self._steps)}

    def add(self, begin: int, tenants: Mapping[str, int], past: Mapping[str, int]) -> None:
        """Count what ``tenants`` has more than ``past``, the counts of the partial it replaces.

        ``begin`` is the second that the step begins with.  Of a step the first ``MAX_TENANTS``
        have names, the rest are one.
        """
        steps = self._steps
        held = steps.get(begin)
        if held is None:
            if steps and begin <= max(steps) - KEPT * STEP_S:
                return
            held = steps[begin] = {}
            for old in [each for each in steps if each <= max(steps) - KEPT * STEP_S]:
                del steps[old]
        for name, count in tenants.items():
            more = count - past.get(name, 0)
            if more > 0:
                known = name in held or len(held) < MAX_TENANTS
                key = intern(name) if known else OTHER_TENANTS
                held[key] = held.get(key, 0) + more

    def of(self, begin: int) -> Mapping[str, int]:
        """Counts by tenant; empty: none is known."""
        return self._steps.get(begin, {})

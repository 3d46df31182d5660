"""Shares: which tenants' requests ended in the newest steps of the grid.

Rule: counts only grow by differences, so that the order of partials is no matter up to
``MAX_TENANTS`` names a step; of more those heard of first have one.  A step that is no longer
held, and who has no name in one with more, is not zero but unknown.
Flow: Window.add -> Shares -> DemandMeter.tenants -> Forecaster.
"""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern

from models.grid import STEP_S
from models.sums import MAX_TENANTS, OTHER_TENANTS

KEPT = 8
"""Steps held: as long as a window, because a source may be ahead of the step that is asked for."""

SharesState = dict[int, dict[str, int]]
"""By the second that a step begins with."""


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
                known = name in held or len(held) - (OTHER_TENANTS in held) < MAX_TENANTS
                key = intern(name) if known else OTHER_TENANTS
                held[key] = held.get(key, 0) + more

    def of(self, begin: int) -> Mapping[str, int]:
        """Counts by tenant; empty: none is known."""
        return self._steps.get(begin, {})

"""Drift: whether forecasts miss otherwise than they did (ADWIN), so that the past counts less.

Rule: promises in flight together tell the same, so ADWIN hears their mean once, not each of them.
Source: Bifet and Gavalda, *Learning from time-changing data with adaptive windowing*, SIAM 2007.
Wraps River.
"""

from __future__ import annotations

from typing import Any

from river import drift

DELTA = 0.002
"""River's own: the chance of a false alarm that ADWIN allows itself."""

WORST = 6.0
"""Scales that a miss is cut at; ADWIN's bound is for numbers from 0 to 1."""


class Drift:
    """Watches misses in scales."""

    __slots__ = ("_adwin", "_count", "_sum", "found")

    def __init__(self, state: tuple[bytes, float, int, int] = (b"", 0.0, 0, 0)) -> None:
        """``state`` is what ``state`` gave.  Raises ``ValueError``: ADWIN's part is not its own."""
        held, self._sum, self._count, self.found = state
        """``found``: drifts so far."""
        # Each mean is looked at, as there is one in as many steps as the horizon has.
        self._adwin: Any = drift.ADWIN(delta=DELTA, clock=1)
        if held:
            self._adwin._helper.__setstate__(held)

    def state(self) -> tuple[bytes, float, int, int]:
        """What ``__init__`` takes."""
        held = self._adwin._helper.__getstate__() if self._adwin.width else b""
        return held, self._sum, self._count, self.found

    def add(self, miss: float, overlap: float) -> bool:
        """A miss in scales, of a promise with ``overlap`` in flight; True: it is otherwise now.

        That misses became smaller is no drift: it needs no haste.
        """
        self._sum += min(abs(miss), WORST) / WORST
        self._count += 1
        if self._count < overlap:
            return False
        mean = self._sum / self._count
        self._sum, self._count = 0.0, 0
        before = self._adwin.estimation
        self._adwin.update(mean)
        if not self._adwin.drift_detected or self._adwin.estimation <= before:
            return False
        self.found += 1
        return True

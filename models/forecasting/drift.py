"""Drift: whether forecasts miss by more than they did (ADWIN), so that the past counts less.

Rule: promises in flight together tell the same, so ADWIN hears their mean once, not each of them;
what it heard is kept as single bytes, so that a snapshot has data and not River's own form, and
it is made again by hearing them again.
Source: Bifet and Gavalda, *Learning from time-changing data with adaptive windowing*, SIAM 2007.
Wraps River.
Flow: Forecaster: misses -> Drift -> the residuals' and the spread's past is cut down.
"""

from __future__ import annotations

from typing import Any

from river import drift

DELTA = 0.002
"""River's own: the chance of a false alarm that ADWIN allows itself."""

WORST = 6.0
"""Scales that a miss is cut at: ADWIN's bound is for numbers from 0 to 1, here 255ths of this."""

MOST = 512
"""Means held; then the older half is forgotten.  At a minute ahead that is 4 to 8 hours."""


class Drift:
    """Watches misses in scales."""

    __slots__ = ("_adwin", "_count", "_heard", "_sum", "found")

    def __init__(self, state: tuple[bytes, float, int, int] = (b"", 0.0, 0, 0)) -> None:
        """``state`` is what ``state`` gave."""
        heard, self._sum, self._count, self.found = state
        """``found``: drifts so far."""
        self._heard = bytearray()
        self._adwin: Any = None
        self._hear_again(heard)

    def state(self) -> tuple[bytes, float, int, int]:
        """What ``__init__`` takes."""
        return bytes(self._heard), self._sum, self._count, self.found

    def add(self, miss: float, overlap: float) -> bool:
        """A miss in scales, of a promise with ``overlap`` in flight; True: they are larger now.

        That misses became smaller is no reason for haste: it fades in by itself.
        """
        self._sum += min(abs(miss), WORST)
        self._count += 1
        if self._count < overlap:
            return False
        mean = round(255.0 * self._sum / (WORST * self._count))
        self._sum, self._count = 0.0, 0
        before = self._adwin.estimation
        self._heard.append(mean)
        self._adwin.update(mean / 255.0)
        changed = bool(self._adwin.drift_detected)
        larger = changed and self._adwin.estimation > before
        if changed:
            self._hear_again(self._heard[-int(self._adwin.width) :])
        elif len(self._heard) >= MOST:
            self._hear_again(self._heard[-MOST // 2 :])
        self.found += larger
        return larger

    def _hear_again(self, heard: bytes | bytearray) -> None:
        """Forget all but this."""
        # Each mean is looked at, as there is one in as many steps as the horizon has.
        make: Any = drift.ADWIN  # Untyped.
        self._adwin = make(delta=DELTA, clock=1)
        self._heard = bytearray(heard)
        for mean in self._heard:
            self._adwin.update(mean / 255.0)

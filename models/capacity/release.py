"""Release: notices that requests take longer, or shorter, than they did at the same load.

Rule: a cumulative sum of what latency is off from what was learned at that load; an alarm needs a
minute at least and a fifth of difference at least, so that noise and trifles give none.
Flow: Learner -> ReleaseTest -> the evidence of the old release is dropped.
"""

from __future__ import annotations

import math

from msgspec import Struct

SLACK = 0.75
ALARM = 8.0
"""Page's cumulative sum (Biometrika 41, 1954) of standardised residuals, in deviations.  Were they
independent and normal, it would take 2.8e5 steps (a month) in the mean to a false alarm
(Siegmund's approximation, (exp(2kb) - 2kb - 1) / 2k^2 with b = 8 + 1.166); they are neither, hence
the two conditions below."""

LEAST_STEPS = 6
LEAST_RATIO = 1.25

CLIP = 3.0
"""One step, however odd, counts for no more deviations than this."""

_PRIOR_SD, _LEAST_SD = 0.15, 0.05
_MEMORY = 1 / 60
"""Of the deviation: ten minutes of steps."""


class ReleaseState(Struct, frozen=True, array_like=True):
    """A test as a snapshot has it: a run is (sum, sum of residuals, steps)."""

    variance: float
    slower: tuple[float, float, int]
    faster: tuple[float, float, int]


class Change(Struct, frozen=True, array_like=True):
    """A change that was noticed in slot ``slot``: ratio of latency, capacity before and after."""

    slot: int
    ratio: float
    before: float | None
    after: float | None

    def words(self, now: float | None) -> str:
        """For a person; ``now`` is the capacity by now."""
        times = f"latency at the same load is {self.ratio:.1f} times what it was"
        if self.ratio < 1:
            return f"a new release is faster: {times}"
        after = self.after if now is None else now
        if self.before is None or after is None:
            return f"a new release is slower: {times}"
        return f"a new release is slower: {times}, capacity {self.before:.3g} -> {after:.3g}"


class ReleaseTest:
    """Fed a residual a step: ln(latency) less what was learned at that load."""

    __slots__ = ("_faster", "_slower", "_variance")

    def __init__(self) -> None:
        """Nothing seen."""
        self._variance = _PRIOR_SD**2
        self._slower = self._faster = (0.0, 0.0, 0)

    def add(self, residual: float) -> float | None:
        """The ratio of latency now to latency as learned, once it surely changed; else None.

        Ten steps at 1.5 times the latency, where the deviation was a tenth, say 1.5 at the sixth.
        """
        score = residual / max(math.sqrt(self._variance), _LEAST_SD)
        score = min(max(score, -CLIP), CLIP)
        self._slower = _run(self._slower, score, residual)
        self._faster = _run(self._faster, -score, residual)
        for total, residuals, steps in (self._slower, self._faster):
            if total < ALARM or steps < LEAST_STEPS:
                continue
            mean = residuals / steps
            if abs(mean) >= math.log(LEAST_RATIO):
                self._slower = self._faster = (0.0, 0.0, 0)
                return math.exp(mean)
        if abs(score) < CLIP:
            self._variance += (residual * residual - self._variance) * _MEMORY
        return None

    def state(self) -> ReleaseState:
        """All that is remembered."""
        return ReleaseState(variance=self._variance, slower=self._slower, faster=self._faster)

    @classmethod
    def restored(cls, state: ReleaseState) -> ReleaseTest:
        """The test of a state."""
        made = cls()
        made._variance = state.variance
        made._slower, made._faster = state.slower, state.faster
        return made


def _run(run: tuple[float, float, int], score: float, residual: float) -> tuple[float, float, int]:
    total = run[0] + score - SLACK
    return (total, run[1] + residual, run[2] + 1) if total > 0 else (0.0, 0.0, 0)

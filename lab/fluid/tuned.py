"""hpa-tuned: the best of many HPAs for this very trace, chosen after the fact.

Rule: each candidate is ``lab.policies.Hpa`` with its own target and window, only that all of them
are asked at once, as columns; a test holds a column equal to the controller, answer by answer.
It is the strongest reactive opponent, and nobody could have run it: who picks it knows the trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.fluid.run import METRIC_S, Progress, silent
from lab.fluid.schedule import Schedule, schedule
from lab.fluid.score import Score, score
from lab.fluid.trial import Ints, Observed, Trial
from lab.policies.hpa import PERIOD_S, TOLERANCE, UP_AT_LEAST, UP_FACTOR
from lab.policies.hpa_replicas import ROUNDING

TARGETS = tuple(percent / 100 for percent in range(20, 91, 2))
"""Targets as shares of a replica's whole capacity."""

WINDOWS_S = (0.0, 60.0, 300.0, 600.0)
"""Scale-down stabilisation windows."""

NO_WISH = -1
"""Lower than any wish: nothing was wished for."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """One HPA, and what it scored on the second half."""

    target: float
    window_s: float
    asked: Schedule
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frontier:
    """All candidates, and of them those that no other beats in both violation and cost."""

    candidates: Sequence[Candidate]

    def best(self, violations: float) -> Candidate | None:
        """The cheapest within ``violations`` (0 to 1); None: not reached by any."""
        kept = [c for c in self.candidates if c.score.violation <= violations]
        return min(kept, key=lambda c: (c.score.cost, c.score.violation), default=None)

    def points(self) -> list[tuple[float, float]]:
        """(violation, cost) of the unbeaten, violations rising and costs falling."""
        found: list[tuple[float, float]] = []
        for violation, cost in sorted((c.score.violation, c.score.cost) for c in self.candidates):
            if not found or cost < found[-1][1]:
                found.append((violation, cost))
        return found

    def cost_at(self, violation: float) -> float | None:
        """Cost at exactly this violation; None below the least that any candidate has.

        Between two unbeaten candidates it is the straight line: who follows one for a part of the
        time and the other for the rest has both in that proportion.  Beyond the last it is flat.
        """
        points = self.points()
        if not points or violation < points[0][0]:
            return None
        xs, ys = zip(*points, strict=True)
        return float(np.interp(violation, xs, ys))


def frontier(
    trial: Trial, observed: Observed, *, metric_s: float = METRIC_S, progress: Progress = silent
) -> Frontier:
    """Run and score every candidate.  About 2 s for a week of minutes."""
    targets = np.repeat(TARGETS, len(WINDOWS_S))
    windows = np.tile(WINDOWS_S, len(TARGETS))
    at, asked = run_all(trial, observed, targets, windows, metric_s=metric_s, progress=progress)
    found = []
    for number, (target, window_s) in enumerate(zip(targets, windows, strict=True)):
        wanted = schedule(at, asked[:, number].astype(np.int64))
        found.append(
            Candidate(
                target=float(target),
                window_s=float(window_s),
                asked=wanted,
                score=score(trial, wanted),
            )
        )
        progress(0.5 + 0.5 * (number + 1) / len(targets))
    return Frontier(candidates=found)


def run_all(
    trial: Trial,
    observed: Observed,
    targets: Floats,
    windows_s: Floats,
    *,
    metric_s: float = METRIC_S,
    progress: Progress = silent,
) -> tuple[Floats, NDArray[np.int32]]:
    """(moments, replicas asked for from then on by moment and candidate) of many HPAs.

    ``windows_s`` are multiples of HPA's period.  The first moment is 0, before anybody is asked.
    """
    syncs = int(np.ceil(trial.end_s / PERIOD_S)) - 1
    at = np.arange(syncs + 1, dtype=np.float64) * PERIOD_S
    demand = observed.rates(at, metric_s)
    columns = _Columns(trial, targets, windows_s, syncs)
    for sync in range(1, syncs + 1):
        columns.sync(sync, float(demand[sync]))
        if sync % 4000 == 0:
            progress(0.5 * sync / syncs)
    return at, columns.asked


class _Columns:
    """The arithmetic of ``lab.policies.hpa`` for all candidates side by side."""

    def __init__(self, trial: Trial, targets: Floats, windows_s: Floats, syncs: int) -> None:
        self._trial = trial
        self._percent = np.round(targets * 100)
        self.asked = np.empty((syncs + 1, len(targets)), np.int32)
        self.asked[0] = trial.initial()
        # Ready: the least asked for in the last start-up, what was in force at its begin included.
        self._back = max(int(np.ceil(trial.startup_s / PERIOD_S - 1e-9)), 1)
        # A wish exactly as old as the window still counts; without a window only the present one.
        self._windows: list[tuple[NDArray[np.intp], int]] = [
            (np.flatnonzero(windows_s == window), round(window / PERIOD_S) + 1)
            for window in np.unique(windows_s)
        ]
        longest = max(length for _, length in self._windows)
        self._wishes = np.full((longest, len(targets)), NO_WISH, np.int32)

    def sync(self, number: int, demand: float) -> None:
        """One sync of every candidate."""
        desired = self.asked[number - 1]
        standing = self.asked[max(number - self._back, 0) : number]
        ready = standing[0] if len(standing) == 1 else standing.min(axis=0)
        # Without a metric, or a ready pod, it holds, and nothing was wished for.
        known = (ready > 0) & ~np.isnan(demand)
        asked = np.minimum(self._recommend(demand, desired, ready), self._trial.most)
        wish = np.where(known, asked, NO_WISH)
        # The first sync remembers what was there as a wish too.
        self._wishes[number % len(self._wishes)] = (
            np.maximum(wish, desired) if number == 1 else wish
        )
        most = np.maximum(desired * UP_FACTOR, UP_AT_LEAST)
        limited = np.minimum(np.minimum(self._highest(number, wish), most), self._trial.most)
        limited = np.maximum(limited, self._trial.least)
        self.asked[number] = np.where(known, limited, desired)

    def _recommend(self, demand: float, desired: Ints, ready: Ints) -> Floats:
        """Replicas by the metric alone (``lab.policies.hpa_replicas.from_pods``)."""
        serving = np.maximum(ready, 1)
        total = np.nan_to_num(demand) / (serving * self._trial.capacity) * ready
        first = np.floor(total * 100 / serving + ROUNDING) / self._percent
        found = np.where(_within(first), desired, np.ceil(first * ready))
        rising = (desired > ready) & (first > 1.0)
        if rising.any():
            again = np.floor(total * 100 / np.maximum(desired, 1) + ROUNDING) / self._percent
            hold = (again < 1.0) | _within(again)
            found = np.where(rising, np.where(hold, desired, np.ceil(again * desired)), found)
        return found

    def _highest(self, number: int, wish: Floats) -> Floats:
        """The highest wish in each candidate's window, the present one included."""
        rows = len(self._wishes)
        highest = wish.copy()
        for columns, length in self._windows:
            if length > 1:
                places = np.arange(max(number - length + 1, 1), number + 1) % rows
                highest[columns] = self._wishes[places][:, columns].max(axis=0)
        return highest


def _within(ratio: Floats) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (ratio >= 1.0 - TOLERANCE) & (ratio <= 1.0 + TOLERANCE)
    return found

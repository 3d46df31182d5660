"""Schedules: how many replicas are asked for over time, and how many of them are ready.

Rule: a replica is ready once it has been wanted for the whole of its start-up.  On scale-in the
youngest go first, those that are still starting before those that serve, and at once.

So the replicas ready at t are min over s in [t - L, t] of those asked for at s, with L the
start-up: replica number n of a stack is ready exactly if the stack was never lower than n in
that time.  No other choice of victims has more ready, because whatever is ready at t has lived
through all of [t - L, t].
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.fluid.trial import Ints

Floats = NDArray[np.float64]

EPSILON_S = 1e-6
"""Times closer than this are the same: they are sums of floats."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Schedule:
    """``replicas[i]`` are asked for from ``at[i]`` seconds on, (k,); the first stand ready at 0."""

    at: Floats
    replicas: Ints

    def value(self, at: Floats) -> Ints:
        """Replicas asked for at some moments."""
        place = np.searchsorted(self.at, at + EPSILON_S, side="right") - 1
        found: Ints = self.replicas[np.maximum(place, 0)]
        return found


def schedule(at: Floats, replicas: Ints) -> Schedule:
    """The schedule of these numbers, without the moments in which nothing changes."""
    changed = np.concatenate([[True], replicas[1:] != replicas[:-1]])
    return Schedule(at=at[changed], replicas=replicas[changed])


def ready(asked: Schedule, startup_s: float) -> Schedule:
    """Replicas ready over time: the least asked for during the last ``startup_s``."""
    later = asked.at[1:] + startup_s
    points = np.unique(np.concatenate([asked.at, later]))
    low = np.searchsorted(asked.at, points - startup_s + EPSILON_S, side="right") - 1
    high = np.searchsorted(asked.at, points + EPSILON_S, side="right") - 1
    return schedule(points, range_least(asked.replicas, np.maximum(low, 0), high))


def range_least(values: Ints, low: Ints, high: Ints) -> Ints:
    """The least of ``values[low[i] .. high[i]]``, both included, for each i.

    By a table of the least of every run of 1, 2, 4, ... values, of which two cover any range:
    n log n for all ranges together.
    """
    lengths = high - low + 1
    level_of = np.floor(np.log2(lengths)).astype(np.int64)
    found = np.empty(len(low), np.int64)
    table = values
    for level in range(int(level_of.max(initial=0)) + 1):
        chosen = level_of == level
        first, last = low[chosen], high[chosen] - (1 << level) + 1
        found[chosen] = np.minimum(table[first], table[last])
        if len(table) > 1 << level:
            table = np.minimum(table[: -(1 << level)], table[1 << level :])
    return found


class Standing:
    """The same moment by moment, for a policy that is being asked.  ``ask`` in order of time."""

    __slots__ = ("_pieces", "_startup_s", "at", "replicas")

    def __init__(self, initial: int, startup_s: float) -> None:
        """``initial`` replicas stand ready."""
        self._startup_s = startup_s
        self.at: list[float] = [0.0]
        self.replicas: list[int] = [initial]
        self._pieces: deque[list[float]] = deque([[initial, math.inf]])
        """[replicas, until when], rising in both: what the least of a window can be."""

    @property
    def asked(self) -> int:
        """Replicas asked for now."""
        return self.replicas[-1]

    def ask(self, now: float, replicas: int) -> None:
        """From ``now`` on ``replicas`` are asked for."""
        if replicas == self.replicas[-1]:
            return
        self._pieces[-1][1] = now
        while self._pieces and self._pieces[-1][0] >= replicas:
            self._pieces.pop()
        self._pieces.append([replicas, math.inf])
        if self.at[-1] == now:  # The very begin.
            self.replicas[-1] = replicas
            return
        self.at.append(now)
        self.replicas.append(replicas)

    def ready(self, now: float) -> int:
        """Replicas that are ready at ``now``."""
        pieces, since = self._pieces, now - self._startup_s + EPSILON_S
        while pieces[0][1] <= since:
            pieces.popleft()
        return int(pieces[0][0])

    def schedule(self) -> Schedule:
        """All that was asked for."""
        return Schedule(at=np.array(self.at), replicas=np.array(self.replicas, np.int64))

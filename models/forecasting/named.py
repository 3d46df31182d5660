"""Named: which tenants are forecast by name; all others are the rest.

Rule: ``MOST`` names, whoever comes: first the largest of the first steps, then those that move
most; who has a name loses it only to one of the rest that moves far more; ties go by name.
Flow: Tenants.close -> Named -> Tenants.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from models.forecasting.grid import keep
from models.planes import lined, planes

MOST = 8
"""Names.  The 8 largest of ServeGen's 24 heaviest tenants carry 97 % of the variance of changes."""

SCORE_HALF_LIFE_S = 21_600.0
"""Of the scores: how far a tenant is from its average of the last minute, from zero on.  A quarter
of a day, so that who comes back each day need not begin again."""

TAKES_OVER = 2.0
"""One of the rest gets a name when its score is so many times the least of those with one: two
that are alike do not take turns."""

CANDIDATES = 4
"""Of the rest are watched."""

LOOKS_S = 3600.0
"""After which the candidate that moves least makes room for another."""

_NEAR_S = 60.0
"""Half-life of a candidate's average, as the shortest of ``Levels``."""


class Candidate(NamedTuple):
    """One of the rest that is watched: its average of the last minute, and its score."""

    name: str
    average: float
    score: float


class NamedState(Struct, frozen=True, array_like=True):
    """Names as a snapshot has them; ``scores`` by name, 32-bit floats as planes."""

    names: list[str]
    scores: bytes
    candidates: list[Candidate]
    looked_s: float


class Named:
    """Names of one workload's tenants, in the order of their places."""

    __slots__ = ("_candidates", "_looked_s", "_scores", "names")

    def __init__(self, state: NamedState | None = None) -> None:
        """``state`` is what ``state`` gave.  Raises ``ValueError``: it is not whole."""
        self.names: list[str] = list(state.names) if state else []
        self._scores = array("f", lined(state.scores, 4) if state else b"")
        self._candidates = list(state.candidates) if state else []
        self._looked_s = state.looked_s if state else 0.0
        """Since a candidate was found."""
        if len(self._scores) != len(self.names):
            raise ValueError(f"{len(self._scores)} scores of {len(self.names)} tenants")

    def state(self) -> NamedState:
        """Everything."""
        scores = planes(self._scores.tobytes(), 4)
        return NamedState(list(self.names), scores, list(self._candidates), self._looked_s)

    def join(self, values: Mapping[str, float]) -> int:
        """Name new tenants while there is room, the largest first; how many."""
        names = self.names
        if len(names) == MOST:
            return 0
        new = sorted((-value, name) for name, value in values.items() if name not in names)
        joined = [name for _, name in new[: MOST - len(names)]]
        names += joined
        self._scores.extend([0.0] * len(joined))
        return len(joined)

    def watch(
        self,
        values: Mapping[str, float],
        near: Sequence[float],
        elapsed_s: float,
        *,
        whole: bool,
    ) -> tuple[int, float] | None:
        """Keep the scores; the place that a candidate has taken, and its average of a minute.

        One that is not known now takes none: it may have left long ago.

        ``values`` is demand by tenant, of all with a name; who is not in it had none, or if it is
        not ``whole`` it is not known.  ``near`` are the averages of a minute by name, from before
        the step.
        """
        gain = 1.0 - keep(SCORE_HALF_LIFE_S, elapsed_s)
        scores = [
            score + gain * (abs(values.get(name, 0.0) - average) - score)
            for name, average, score in zip(self.names, near, self._scores, strict=True)
        ]
        self._scores = array("f", scores)
        if len(self.names) < MOST:
            return None
        self._follow(values, gain, elapsed_s, whole=whole)
        self._look_around(values)
        known = [each for each in self._candidates if whole or each.name in values]
        if not known:
            return None
        if max([each.score for each in known]) <= TAKES_OVER * min(self._scores):
            return None
        best = max(known, key=_score)
        least = min(range(MOST), key=lambda place: (self._scores[place], self.names[place]))
        leaves = Candidate(self.names[least], near[least], self._scores[least])
        self._candidates.remove(best)
        self._candidates.append(leaves)
        self.names[least], self._scores[least] = best.name, best.score
        return least, best.average

    def _follow(
        self, values: Mapping[str, float], gain: float, elapsed_s: float, *, whole: bool
    ) -> None:
        near = 1.0 - keep(_NEAR_S, elapsed_s)
        self._looked_s += elapsed_s
        for at, (name, average, score) in enumerate(self._candidates):
            if not whole and name not in values:
                continue
            away = values.get(name, 0.0) - average
            followed = Candidate(name, average + near * away, score + gain * (abs(away) - score))
            self._candidates[at] = followed

    def _look_around(self, values: Mapping[str, float]) -> None:
        """The largest of the rest becomes a candidate.

        Where there is room, or it is larger than all of them, or none was found in an hour.
        """
        candidates = self._candidates
        full = len(candidates) == CANDIDATES
        above = -math.inf
        if full and self._looked_s < LOOKS_S:
            above = max([candidate.average for candidate in candidates])
        larger = [(-value, name) for name, value in values.items() if value > above]
        held = {*self.names, *[candidate.name for candidate in candidates]}
        others = [each for each in larger if each[1] not in held]
        if not others:
            return
        value, name = min(others)
        if full:
            candidates.remove(min(candidates, key=_score))
        candidates.append(Candidate(name, -value, 0.0))
        self._looked_s = 0.0


def _score(candidate: Candidate) -> tuple[float, str]:
    return candidate.score, candidate.name

"""Units: which of concurrency, requests and tokens foretells slow requests best.

Rule: each slot is foretold by all before it is learned from; another unit takes over only when it
has been a tenth better for long, because a change makes the forecast begin anew.
Flow: Learner -> Choice -> Learner.unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

BETTER = 0.9
"""The loss of a unit that takes over is at most this share of the present one's."""

EVERY = 3
"""One slot of so many is foretold, which is as good and costs less."""

LONG = 30
"""Of these and of those that say anything, in a row, in which it must be: 15 minutes at least."""

_MEMORY = 1 / 60
"""Of the losses: half an hour of slots that say anything."""

_LEAST = 0.002
"""No share is foretold to be nearer to 0 or 1."""


class ChoiceState(Struct, frozen=True, array_like=True):
    """A choice as a snapshot has it."""

    best: int
    losses: list[float]
    better: int
    challenger: int


class Choice:
    """Of ``count`` units, by index; the first stands until it is beaten."""

    __slots__ = ("_better", "_challenger", "_losses", "best")

    def __init__(self, count: int) -> None:
        """No unit has foretold anything."""
        self.best = 0
        self._losses = [0.0] * count
        self._better = 0
        self._challenger = 0

    @property
    def wanted(self) -> bool:
        """Whether there is anything to choose."""
        return len(self._losses) > 1

    def add(self, shares: Sequence[float | None], slow: float, count: float) -> None:
        """``shares`` were foretold, ``slow`` of ``count`` came.

        The loss is the negative log-likelihood of a request.  Nothing is learned where one of the
        units had nothing to say, or all said that nothing would happen and nothing did.
        """
        known = [share for share in shares if share is not None]
        if len(known) < len(shares) or not (slow or any(known)):
            return
        for at, share in enumerate(known):
            chance = min(max(share, _LEAST), 1.0 - _LEAST)
            part = slow / count
            loss = -part * math.log(chance) - (1.0 - part) * math.log1p(-chance)
            self._losses[at] += (loss - self._losses[at]) * _MEMORY
        least = min(range(len(known)), key=self._losses.__getitem__)
        if self._losses[least] > BETTER * self._losses[self.best] or least != self._challenger:
            self._challenger, self._better = least, 0
        if self._losses[least] <= BETTER * self._losses[self.best]:
            self._better += 1
        if self._better >= LONG:
            self.best, self._better = least, 0

    def state(self) -> ChoiceState:
        """All that is remembered."""
        return ChoiceState(
            best=self.best,
            losses=self._losses,
            better=self._better,
            challenger=self._challenger,
        )

    @classmethod
    def restored(cls, state: ChoiceState) -> Choice:
        """The choice of a state."""
        made = cls(len(state.losses))
        made.best, made._losses = state.best, state.losses
        made._better, made._challenger = state.better, state.challenger
        return made

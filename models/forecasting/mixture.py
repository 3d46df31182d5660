"""The mixture: experts weighed by what they missed by (fixed share).

Rule: nobody's weight dies out, so that who was bad yesterday can be believed tomorrow; losses are
absolute errors in scales, because the centre is a median.  Who has nothing to say sleeps: its
change is NaN, it has no part in what the others say, and its weight is not judged.
Source: Herbster and Warmuth, *Tracking the best expert*, Machine Learning 32 (1998): after each
loss w_k <- w_k exp(-rate loss_k), normalised, and a share of all goes back to the prior.  Sleep:
Freund, Schapire, Singer and Warmuth, *Using and combining predictors that specialize* (1997):
those awake are normalised to the weight that they had together.
Flow: Forecaster: experts' changes -> Mixture -> centre; later the true change -> Mixture.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from math import exp, isnan

RATE = 0.3
"""Learning rate of one promise in flight.  Those in flight together overlap and tell much the
same, so with n of them it is ``RATE`` / sqrt(n)."""

SHARE_HALF_LIFE_S = 86_400.0
"""In which half of all weight goes back to the prior, if nothing is lost."""

WORST = 6.0
"""Scales that a loss is cut at: one burst does not end an expert."""


class Mixture:
    """Weights of experts; ``prior`` of them, which sums to one."""

    __slots__ = ("prior", "weights")

    def __init__(self, prior: Sequence[float], state: bytes = b"") -> None:
        """``state`` is what ``state`` gave."""
        self.prior = tuple(prior)
        self.weights = array("d", state) or array("d", prior)
        if len(self.weights) != len(self.prior):
            raise ValueError(f"{len(self.weights)} weights in place of {len(self.prior)}")

    def state(self) -> bytes:
        """Weights as 64-bit floats."""
        return self.weights.tobytes()

    def predict(self, changes: Sequence[float]) -> float:
        """The weighted mean of the changes (n,) of those awake; one must be, and NaN sleeps.

        Weights 0.75, 0.25 of 0, 4: 1; of 0, NaN: 0.
        """
        said = awake = 0.0
        for weight, change in zip(self.weights, changes, strict=True):
            if not isnan(change):
                said += weight * change
                awake += weight
        return said / awake

    def learn(
        self, changes: Sequence[float], actual: float, *, overlap: float, kept: float
    ) -> None:
        """The true change of what was promised as ``changes`` (n,), NaN: slept; all in scales.

        ``overlap`` is how many promises are in flight together, ``kept`` the weight that does not
        go back to the prior.
        """
        rate = RATE / math.sqrt(overlap)
        weights = self.weights
        awake = [place for place, change in enumerate(changes) if not isnan(change)]
        losses = [min(abs(changes[place] - actual), WORST) for place in awake]
        least = min(losses)
        before = [weights[place] for place in awake]
        held = [w * exp(rate * (least - loss)) for w, loss in zip(before, losses, strict=True)]
        scale = math.fsum(before) / math.fsum(held)
        for place, weight in zip(awake, held, strict=True):
            weights[place] = weight * scale
        back = 1.0 - kept
        self.weights = array(
            "d", [w * kept + back * p for w, p in zip(weights, self.prior, strict=True)]
        )

"""The mixture: experts weighed by what they missed by (fixed share).

Rule: nobody's weight dies out, so that who was bad yesterday can be believed tomorrow; losses are
absolute errors in scales, because the centre is a median.
Source: Herbster and Warmuth, *Tracking the best expert*, Machine Learning 32 (1998): after each
loss w_k <- w_k exp(-rate loss_k), normalised, and a share of all goes back to the prior.
Flow: Forecaster: experts' changes -> Mixture -> centre; later the true change -> Mixture.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from operator import mul

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
        """The weighted mean of the experts' changes (n,).  Weights 0.75, 0.25 of 0, 4: 1."""
        return float(sum(map(mul, self.weights, changes)))

    def learn(
        self, changes: Sequence[float], actual: float, *, overlap: float, kept: float
    ) -> None:
        """The true change of what was promised as ``changes`` (n,); all in scales.

        ``overlap`` is how many promises are in flight together, ``kept`` the weight that does not
        go back to the prior.
        """
        rate = RATE / math.sqrt(overlap)
        losses = [min(abs(change - actual), WORST) for change in changes]
        least = min(losses)
        exp = math.exp
        held = [
            weight * exp(rate * (least - loss))
            for weight, loss in zip(self.weights, losses, strict=True)
        ]
        scale = kept / math.fsum(held)
        back = 1.0 - kept
        self.weights = array(
            "d", [w * scale + back * p for w, p in zip(held, self.prior, strict=True)]
        )

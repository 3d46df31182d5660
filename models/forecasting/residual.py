"""The online expert: Bayesian linear regression on the change since the last value.

Rule: features and target are in units of what forecasts miss by, so that nothing here depends on
how large a workload is, and nothing needs another scaler.  Wraps River.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from operator import mul
from typing import Any

import numpy as np
from msgspec import Struct
from river import linear_model

from models.forecasting.grid import LEAST_KEPT

HALF_LIFE_S = 43_200.0
"""Of what was learned.  River's smoothing is 0.5 ** (step / half-life): 0.99984 a 10 s step."""

EVERY_S = 60.0
"""Of the pairs of so many seconds one is learned: those between tell much the same, and on the
live grid five sixths of the work are saved."""

PRIOR_PAIRS = 150.0
"""Pairs that the prior (no change) weighs as much as; River's ``alpha`` follows from it."""

FEATURES = (
    "minute",
    "minutes5",
    "minutes15",
    "hour",
    "season",
    "back",
    "starts",
    "sessions",
    "sin",
    "cos",
)
"""Distances to averages, change of the days before, of the last step; rise of request starts;
distance to what the sessions that open now amount to; time of day.  All but the rise of request
starts and the time of day in scales."""

LARGEST = 20.0
"""What a feature is cut at, and 10 what a target is: one burst does not turn the model over."""

LARGEST_TARGET = 10.0


class ModelState(Struct, frozen=True, array_like=True):
    """A model as a snapshot has it: 64-bit floats, nothing lost.

    ``precision`` is the upper triangle of the posterior's precision matrix, row by row,
    ``natural`` its natural mean.
    """

    learned: int
    precision: bytes
    natural: bytes


WIDTH = len(FEATURES)
_INDEX = {name: place for place, name in enumerate(FEATURES)}
"""River's order of features; it adds none, because there are no others."""

_UPPER = np.triu_indices(WIDTH)
_UPPER_FLAT = _UPPER[0] * WIDTH + _UPPER[1]
_LOWER_FLAT = _UPPER[1] * WIDTH + _UPPER[0]
_TRIANGLE = len(_UPPER[0])


FLOOR = 1e-3
"""Precision that a feature keeps if it never says anything; one that does has about 1."""

_DIAGONAL = np.diag_indices(WIDTH)


class ResidualModel:
    """Predicts ``(y(t + h) - y(t)) / scale`` from features at t.

    River's objects take 4 kB and a model's numbers 0.5: only these are kept, and River's objects
    are made of them again for each pair that is learned, as they were to the last bit.
    """

    __slots__ = ("_means", "_packed", "learned")

    def __init__(self) -> None:
        """Nothing learned."""
        self._packed = array("d")
        """Precision's upper triangle, natural mean."""
        self._means: array[float] | None = None
        """The posterior mean; None: not worked out."""
        self.learned = 0

    def predict(self, features: Sequence[float]) -> float:
        """The predicted change in scales; 0 before anything is learned, never NaN or infinite.

        ``features`` are the values of ``FEATURES``.
        """
        if self.learned == 0:
            return 0.0
        if self._means is None:
            # As ``learn_one`` with smoothing does.
            model = self._river(0.5)
            model._ss_inv_arr = np.asfortranarray(np.linalg.inv(model._ss_arr))
            self._means = array("d", (model._ss_inv_arr @ model._eta_arr).tobytes())
        predicted = sum(map(mul, self._means, cut(features)))
        return predicted if math.isfinite(predicted) else 0.0

    def learn(self, features: Sequence[float], target: float, smoothing: float) -> None:
        """Learn one pair, when its step is over.  ``smoothing`` is what is kept of the past.

        Not less than ``LEAST_KEPT`` is.
        """
        smoothing = max(smoothing, LEAST_KEPT)
        model = self._river(smoothing)
        if self.learned:
            # Smoothing takes of the prior too: a feature that is always 0 would leave none of it,
            # and a matrix that cannot be inverted.
            model._ss_arr[_DIAGONAL] += (1.0 - smoothing) * FLOOR
        named = dict(zip(FEATURES, cut(features), strict=True))
        model.learn_one(named, min(max(target, -LARGEST_TARGET), LARGEST_TARGET))
        model._ensure_m()
        self.learned += 1
        self._means = array("d", model._m_arr.tobytes())
        packed = array("d", model._ss_arr.ravel()[_UPPER_FLAT].tobytes())
        packed.frombytes(model._eta_arr.tobytes())
        self._packed = packed

    def state(self) -> ModelState:
        """All that was learned."""
        packed = self._packed
        return ModelState(self.learned, packed[:_TRIANGLE].tobytes(), packed[_TRIANGLE:].tobytes())

    @classmethod
    def restored(cls, state: ModelState) -> ResidualModel:
        """The model of a state: it predicts and learns as the one that the state was taken of.

        Raises ``ValueError`` when it is not of so many features.
        """
        made = cls()
        made.learned = state.learned
        if state.learned:
            made._packed = array("d", state.precision + state.natural)
            if len(made._packed) != _TRIANGLE + WIDTH:
                wanted = _TRIANGLE + WIDTH
                raise ValueError(f"{len(made._packed)} numbers in place of {wanted}")
        return made

    def _river(self, smoothing: float) -> Any:  # noqa: ANN401 - River's arrays are private
        """River's own object, of these numbers.  It rests on private parts of the pinned River."""
        model: Any = linear_model.BayesianLinearRegression(smoothing=smoothing)
        if not self.learned:
            model.alpha = 1.0 / (PRIOR_PAIRS * (1.0 - smoothing))
            model._ensure_features(FEATURES)
            return model
        whole = np.empty(WIDTH * WIDTH)
        whole[_UPPER_FLAT] = whole[_LOWER_FLAT] = self._packed[:_TRIANGLE]
        model._idx, model._cap = _INDEX, WIDTH
        model._ss_arr = whole.reshape(WIDTH, WIDTH)
        model._eta_arr = np.array(self._packed[_TRIANGLE:])
        return model


def cut(features: Sequence[float]) -> Sequence[float]:
    """Features cut at ``LARGEST``."""
    if max(features) <= LARGEST and min(features) >= -LARGEST:
        return features
    return [min(max(value, -LARGEST), LARGEST) for value in features]

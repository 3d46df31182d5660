"""The online expert: Bayesian linear regression on the change since the last value.

Rule: inputs are scaled, the target is in units of the workload's own recent change, so that
nothing here depends on how large a workload is.  Wraps River (its only importer).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from river import linear_model, preprocessing

SMOOTHING = 0.9995
"""Forgetting per learned step (River's own); on a 10 s grid a half-life of about 4 hours."""

VERSION = "bayes-lr/1"

FEATURES = ("back1", "back3", "back6", "back30", "fast", "slow", "starts", "sin", "cos")
"""Changes since so many steps ago, distances to two averages, rise of request starts, time of
day; all but the last three in scales."""


class ResidualModel:
    """Predicts ``(y(t + h) - y(t)) / scale`` from features at t."""

    __slots__ = ("_model", "_scale", "learned")

    def __init__(self) -> None:
        """Nothing learned."""
        self._scale = preprocessing.StandardScaler()
        self._model = linear_model.BayesianLinearRegression(smoothing=SMOOTHING)
        self.learned = 0

    def predict(self, features: Sequence[float]) -> float:
        """The predicted change in scales; 0 before anything is learned, never NaN or infinite.

        ``features`` are the values of ``FEATURES``.
        """
        if self.learned == 0:
            return 0.0
        scaled = self._scale.transform_one(dict(zip(FEATURES, features, strict=True)))
        predicted = float(self._model.predict_one(scaled))
        return predicted if math.isfinite(predicted) else 0.0

    def learn(self, features: Sequence[float], target: float) -> None:
        """Learn one pair, when its step is over.  Targets beyond 10 scales are cut there."""
        named = dict(zip(FEATURES, features, strict=True))
        self._scale.learn_one(named)
        scaled = self._scale.transform_one(named)
        self._model.learn_one(scaled, min(max(target, -10.0), 10.0))
        self.learned += 1

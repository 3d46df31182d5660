"""The online expert: Bayesian linear regression on the change since the last value.

Rule: inputs are scaled, the target is in units of the workload's own recent change, so that
nothing here depends on how large a workload is.  Wraps River (its only importer).
"""

from __future__ import annotations

import math

from river import linear_model, preprocessing

SMOOTHING = 0.9995
"""Forgetting per learned step (River's own); on a 10 s grid a half-life of about 4 hours."""

VERSION = "bayes-lr/1"


class ResidualModel:
    """Predicts ``(y(t + h) - y(t)) / scale`` from features at t."""

    def __init__(self) -> None:
        """Nothing learned."""
        self._scale = preprocessing.StandardScaler()
        self._model = linear_model.BayesianLinearRegression(smoothing=SMOOTHING)
        self.learned = 0

    def predict(self, features: dict[str, float]) -> float:
        """The predicted change in scales; 0 before anything is learned, never NaN or infinite."""
        if self.learned == 0:
            return 0.0
        scaled = self._scale.transform_one(features)
        predicted = float(self._model.predict_one(scaled))
        return predicted if math.isfinite(predicted) else 0.0

    def learn(self, features: dict[str, float], target: float) -> None:
        """Learn one pair, when its step is over.  Targets beyond 10 scales are cut there."""
        self._scale.learn_one(features)
        scaled = self._scale.transform_one(features)
        self._model.learn_one(scaled, min(max(target, -10.0), 10.0))
        self.learned += 1

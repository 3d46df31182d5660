"""The online expert: Bayesian linear regression on the change since the last value.

Rule: inputs are scaled, the target is in units of the workload's own recent change, so that
nothing here depends on how large a workload is.  Wraps River (its only importer).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from river import linear_model, preprocessing

SMOOTHING = 0.9995
"""Forgetting per learned step (River's own); on a 10 s grid a half-life of about 4 hours."""

VERSION = "bayes-lr/1"

FEATURES = ("back1", "back3", "back6", "back30", "fast", "slow", "starts", "sin", "cos")
"""Changes since so many steps ago, distances to two averages, rise of request starts, time of
day; all but the last three in scales."""


class ModelState(Struct, frozen=True, array_like=True):
    """A model as a snapshot has it: 64-bit floats, row by row, nothing lost.

    ``precision`` is the upper triangle of the posterior's precision matrix, ``natural`` its
    natural mean; ``means`` and ``variances`` are the scaler's, by ``FEATURES``.
    """

    learned: int
    means: bytes
    variances: bytes
    precision: bytes
    natural: bytes


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

    def state(self) -> ModelState:
        """All that was learned.  It rests on private parts of the pinned River."""
        model, scale = self._model, self._scale
        if self.learned == 0:
            return ModelState(0, b"", b"", b"", b"")
        upper = model._ss_arr[np.triu_indices(len(FEATURES))]  # noqa: SLF001
        return ModelState(
            learned=self.learned,
            means=array("d", [scale.means[name] for name in FEATURES]).tobytes(),
            variances=array("d", [scale.vars[name] for name in FEATURES]).tobytes(),
            precision=upper.tobytes(),
            natural=model._eta_arr.tobytes(),  # noqa: SLF001
        )

    @classmethod
    def restored(cls, state: ModelState) -> ResidualModel:
        """The model of a state: it predicts and learns as the one that the state was taken of."""
        made = cls()
        if state.learned == 0:
            return made
        made.learned = state.learned
        scale, model = made._scale, made._model
        means, variances = (np.frombuffer(part) for part in (state.means, state.variances))
        for place, name in enumerate(FEATURES):
            scale.counts[name] = state.learned
            scale.means[name] = float(means[place])
            scale.vars[name] = float(variances[place])
        model._ensure_features(FEATURES)  # noqa: SLF001
        precision = np.zeros((len(FEATURES), len(FEATURES)))
        precision[np.triu_indices(len(FEATURES))] = np.frombuffer(state.precision)
        precision += np.triu(precision, 1).T
        model._ss_arr = precision  # noqa: SLF001
        # As ``learn_one`` with smoothing makes it, each time anew.
        model._ss_inv_arr = np.asfortranarray(np.linalg.inv(precision))  # noqa: SLF001
        model._eta_arr = np.frombuffer(state.natural).copy()  # noqa: SLF001
        model._m_dirty = True  # noqa: SLF001
        return made

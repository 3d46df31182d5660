"""The online expert: Bayesian linear regression on the change since the last value.

Rule: inputs are scaled, the target is in units of the workload's own recent change, so that
nothing here depends on how large a workload is.  Wraps River (its only importer).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any

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


WIDTH = len(FEATURES)
_INDEX = {name: place for place, name in enumerate(FEATURES)}
"""River's order of features; it adds none, because there are no others."""

_UPPER = np.triu_indices(WIDTH)
_UPPER_FLAT = _UPPER[0] * WIDTH + _UPPER[1]
_LOWER_FLAT = _UPPER[1] * WIDTH + _UPPER[0]
_PARTS = (WIDTH, 2 * WIDTH, 2 * WIDTH + len(_UPPER[0]), 3 * WIDTH + len(_UPPER[0]))
"""Where means, variances, precision and natural mean end in a packed model."""


class ResidualModel:
    """Predicts ``(y(t + h) - y(t)) / scale`` from features at t.

    River's objects take 4 kB and a model's numbers 0.6: between two steps only these are kept
    (``rest``), and the objects are made of them again, as they were to the last bit.
    """

    __slots__ = ("_awake", "_packed", "learned")

    def __init__(self) -> None:
        """Nothing learned."""
        self._awake: _River | None = None
        self._packed = array("d")
        self.learned = 0

    def predict(self, features: Sequence[float]) -> float:
        """The predicted change in scales; 0 before anything is learned, never NaN or infinite.

        ``features`` are the values of ``FEATURES``.
        """
        if self.learned == 0:
            return 0.0
        predicted = self._river().predict(dict(zip(FEATURES, features, strict=True)))
        return predicted if math.isfinite(predicted) else 0.0

    def learn(self, features: Sequence[float], target: float) -> None:
        """Learn one pair, when its step is over.  Targets beyond 10 scales are cut there."""
        named = dict(zip(FEATURES, features, strict=True))
        self._river().learn(named, min(max(target, -10.0), 10.0))
        self.learned += 1
        self._packed = array("d")

    def rest(self) -> None:
        """Keep the numbers alone until the next step."""
        if self.learned and not self._packed and self._awake is not None:
            self._packed = self._awake.pack()
        self._awake = None

    def state(self) -> ModelState:
        """All that was learned."""
        if self.learned == 0:
            return ModelState(0, b"", b"", b"", b"")
        if not self._packed and self._awake is not None:
            self._packed = self._awake.pack()
        packed, begin, parts = self._packed, 0, []
        for end in _PARTS:
            parts.append(packed[begin:end].tobytes())
            begin = end
        means, variances, precision, natural = parts
        return ModelState(self.learned, means, variances, precision, natural)

    @classmethod
    def restored(cls, state: ModelState) -> ResidualModel:
        """The model of a state: it predicts and learns as the one that the state was taken of.

        Raises ``ValueError`` when it is not of so many features.
        """
        made = cls()
        made.learned = state.learned
        if state.learned:
            parts = state.means, state.variances, state.precision, state.natural
            made._packed = array("d", b"".join(parts))
            if len(made._packed) != _PARTS[-1]:
                raise ValueError(f"{len(made._packed)} numbers in place of {_PARTS[-1]}")
        return made

    def _river(self) -> _River:
        if self._awake is None:
            self._awake = _River(self.learned, self._packed)
        return self._awake


class _River:
    """River's own objects, of a packed model.  It rests on private parts of the pinned River."""

    __slots__ = ("_stale", "model", "scale")

    def __init__(self, learned: int, packed: array[float]) -> None:
        scale: Any = preprocessing.StandardScaler()
        model: Any = linear_model.BayesianLinearRegression(smoothing=SMOOTHING)
        self.scale, self.model = scale, model
        self._stale = learned > 0
        """Whether the inverse of the precision is not there: ``learn_one`` makes it anew."""
        if not learned:
            model._ensure_features(FEATURES)
            return
        means, variances, precision, _ = _PARTS
        scale.counts = dict.fromkeys(FEATURES, learned)
        scale.means = dict(zip(FEATURES, packed[:means], strict=True))
        scale.vars = dict(zip(FEATURES, packed[means:variances], strict=True))
        whole = np.empty(WIDTH * WIDTH)
        whole[_UPPER_FLAT] = whole[_LOWER_FLAT] = packed[variances:precision]
        model._idx, model._cap = _INDEX, WIDTH
        model._ss_arr = whole.reshape(WIDTH, WIDTH)
        model._eta_arr = np.array(packed[precision:])

    def learn(self, named: dict[str, float], target: float) -> None:
        self.scale.learn_one(named)
        self.model.learn_one(self.scale.transform_one(named), target)
        self._stale = False

    def predict(self, named: dict[str, float]) -> float:
        if self._stale:
            # As ``learn_one`` with smoothing does.
            self.model._ss_inv_arr = np.asfortranarray(np.linalg.inv(self.model._ss_arr))
            self.model._m_dirty = True
            self._stale = False
        return float(self.model.predict_one(self.scale.transform_one(named)))

    def pack(self) -> array[float]:
        """Its numbers."""
        model = self.model
        packed = array("d", map(self.scale.means.__getitem__, FEATURES))
        packed.extend(map(self.scale.vars.__getitem__, FEATURES))
        packed.frombytes(model._ss_arr.ravel()[_UPPER_FLAT].tobytes())
        packed.frombytes(model._eta_arr.tobytes())
        return packed

"""River's own checks of estimators, on our online expert in River's clothes.

Those of ``river.checks`` that are about learning; the others are about parameters and their
representation, which it has none of.  ``yield_checks`` itself needs scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from river import base, datasets
from river.checks import common

from models.forecasting.residual import FEATURES, ResidualModel


class OnlineExpert(base.Regressor):  # type: ignore[misc]
    """``ResidualModel`` as a River regressor; features beyond ``FEATURES`` are not looked at."""

    def __init__(self, smoothing: float = 0.999) -> None:
        """``smoothing`` is what is kept of the past."""
        self.smoothing = smoothing
        self.model = ResidualModel()

    def learn_one(self, x: dict[Any, float], y: float) -> None:
        """Learn one pair."""
        self.model.learn(_features(x), y, self.smoothing)

    def predict_one(self, x: dict[Any, float]) -> float:
        """The predicted target."""
        return self.model.predict(_features(x))


def _features(x: dict[Any, float]) -> list[float]:
    values = [float(x[name]) for name in sorted(x, key=str)][: len(FEATURES)]
    return values + [0.0] * (len(FEATURES) - len(values))


@pytest.mark.parametrize(
    "check",
    [
        common.check_learn_one,
        common.check_predict_one_pure,
        common.check_predict_one_before_any_learn,
        common.check_no_state_aliasing_with_input,
        common.check_shuffle_features_no_impact,
        common.check_emerging_features,
        common.check_disappearing_features,
        common.check_radically_disappearing_features,
        common.check_clone_is_independent,
        common.check_pickling,
        common.check_bounded_memory_growth,
    ],
    ids=lambda check: str(check.__name__),
)
def test_river_s_check_holds(check: Callable[..., None]) -> None:
    check(OnlineExpert(), dataset=list(datasets.TrumpApproval().take(500)))

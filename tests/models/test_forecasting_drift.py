"""What the forecaster does about a drift: the past counts less, so that bands hold again soon."""

from __future__ import annotations

import numpy as np

from models.forecasting.forecaster import Forecaster
from models.forecasting.leads import Leads

HORIZON = 6
LEVEL = 0.95
CALM, AFTER = 1500, 250
"""Steps before noise is ten times as large, and after."""


def covered(seed: int) -> list[bool]:
    """Whether demand was within the band, of each step after the change."""
    noise = np.random.default_rng(seed).normal(0.0, 1.0, CALM + AFTER)
    forecaster, found = Forecaster(), []
    told: dict[int, float] = {}
    for step, each in enumerate(noise):
        value = 200.0 + float(each) * (2.0 if step < CALM else 20.0)
        band = told.pop(step, None)
        if band is not None and step >= CALM:
            found.append(value <= band)
        forecaster.close(step, value, Leads(), HORIZON)
        told[step + HORIZON] = forecaster.quantile(LEVEL) or 0.0
    return found


def test_bands_hold_again_soon_after_noise_has_grown() -> None:
    """Drift is found within 23 min; from 25 to 42 min 95 % are covered, without it 80 %."""
    found = np.array([covered(seed) for seed in range(8)])
    assert found[:, :100].mean() < 0.8  # Nobody could know.
    assert found[:, 150:].mean() >= 0.92


def width(seed: int) -> float:
    """How far the band is above the centre, of 50 to 83 min after the change, in amplitudes."""
    rng, forecaster, found = np.random.default_rng(seed), Forecaster(), []
    for step in range(CALM + 500):
        if step < CALM:
            value = 200.0 + rng.uniform(-2.0, 2.0) + (10.0 if rng.random() < 0.06 else 0.0)
        else:
            value = 200.0 + rng.uniform(-40.0, 40.0)
        forecaster.close(step, value, Leads(), HORIZON)
        outlook, band = forecaster.outlook, forecaster.quantile(LEVEL)
        assert outlook is not None
        assert band is not None
        if step >= CALM + 300:
            found.append((band - outlook.centre) / 40.0)
    return float(np.mean(found))


def test_the_tails_of_before_a_drift_are_soon_forgotten() -> None:
    """Rare bursts of five times the noise, then larger noise and none: 0.9 would be enough.

    It is 0.9 to 1.1; where old residuals do not fade it is 1.4 to 1.8.
    """
    assert np.mean([width(seed) for seed in range(4)]) < 1.3

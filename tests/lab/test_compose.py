"""Compositions: the same from the same seed, and harder in the ways they say."""

from __future__ import annotations

import numpy as np
import pytest

from lab.traces import Series, TraceError, compose
from tests.lab.fluids import made


def base(steps: int = 1000) -> Series:
    rng = np.random.default_rng(5)
    return made(rng.poisson(400 + 200 * np.sin(np.arange(steps) / 50)).astype(float).tolist())


def test_the_same_seed_gives_the_same_composition() -> None:
    one, again, other = compose(base(), "7"), compose(base(), "7"), compose(base(), "8")
    np.testing.assert_array_equal(one.series.values, again.series.values)
    assert one.told == again.told
    assert (one.series.values != other.series.values).any()


@pytest.mark.parametrize("seed", range(1, 21))
def test_a_composition_has_tenants_an_outage_crowds_and_silence(seed: int) -> None:
    found = compose(base(), str(seed))
    series = found.series
    assert 3 <= len(series.tenants) <= 8
    np.testing.assert_array_equal(series.values, np.sum(list(series.tenants.values()), axis=0))
    assert series.whole
    assert series.silent is not None
    assert 2 <= series.silent.sum() < 60
    assert (series.values == 0).sum() >= 4
    assert "flash crowd" in found.told[1]
    assert found.stepped_s is None


def test_tenants_are_steps_of_the_series_as_they_were() -> None:
    series = base()
    first = next(iter(compose(series, "3").series.tenants.values()))
    calm = first[:20]
    scales = [value for value in np.unique(series.values) if value]
    # One scale explains every step: each is a step of the series, times it, rounded.
    ratios = [calm[0] / s for s in scales]
    fits = [all(np.abs(np.round(series.values * r) - v).min() <= 1 for v in calm) for r in ratios]
    assert any(fits)


def test_step10x() -> None:
    found = compose(base(), "step10x")
    values = found.series.values
    assert len(values) == 1000
    assert found.stepped_s == 750 * 60
    assert values[750:].mean() == pytest.approx(10 * values[:750].mean(), rel=0.02)
    assert len(compose(base(5000), "step10x").series.values) == 1440


def test_what_is_no_composition_is_refused() -> None:
    with pytest.raises(TraceError, match="step10x, or a whole number"):
        compose(base(), "harder")
    with pytest.raises(TraceError, match="no demand to step from"):
        compose(made([0.0] * 10), "step10x")

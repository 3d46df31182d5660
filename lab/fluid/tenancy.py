"""Tenancy: whose requests a second's arrivals were, where a series knows its tenants.

Rule: each request of a second is drawn from the tenants of its step in proportion, from the
trial's seed, so that a policy hears the noise that it would live with; nothing of later steps.
Flow: Trial, arrivals -> Tenancy -> Load.tenants (lab.fluid.foretide).
"""

from __future__ import annotations

import numpy as np

from lab.fluid.trial import Trial


class Tenancy:
    """Of one trial; asked second by second."""

    def __init__(self, trial: Trial) -> None:
        """Nothing is drawn yet."""
        series = trial.series
        self._names = list(series.tenants)
        self._parts = np.array([series.tenants[name] for name in self._names])
        self._step_s = series.step_s
        self._rng = np.random.default_rng((trial.seed, 2))

    def of(self, second: int, arrived: int) -> dict[str, int]:
        """``arrived`` requests of ``second`` by tenant; empty: whose they were is not known."""
        if not self._names or not arrived:
            return {}
        parts = np.nan_to_num(self._parts[:, second // self._step_s])
        total = float(parts.sum())
        if total <= 0.0:
            return {}
        drawn = self._rng.multinomial(arrived, parts / total).tolist()
        return {name: count for name, count in zip(self._names, drawn, strict=True) if count}

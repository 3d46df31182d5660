"""Trial: a series, what one replica serves of it, and how long one takes to start.

Rule: the same trial for every policy.  Capacity and rates are in the series' own unit per second.

What is assumed, and why:

- Demand within a step is the step's mean rate, because nothing finer was measured; whether a
  moment is a violation is judged by that rate and the replicas ready at that moment, in continuous
  time.  So no score depends on a tick, and start-up may take any number of seconds.
- What a policy sees is not that rate but arrivals by the second, spread over the step from a seed
  (a fair draw of each request's second).  It must find the rate in the noise, as it would live; at
  the begin of a step nothing tells what the step will be.
- A series that is no count (utilisation, say) is spread evenly.
- Where each second was recorded, it is what a policy sees, and nothing is spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from lab.traces import Series, TraceError

MEAN_REPLICAS = 20.0
MEAN_USE = 0.7
"""Where capacity is not given: the first half's mean demand is 20 replicas at 0.7."""

USABLE = 0.9
"""Share of ready capacity above which demand violates the SLO."""

MOST = 100_000
"""Replicas, where nobody limits them: the most a spec can say."""

MOST_SERVED, MOST_NEEDED = 1e15, 1_000_000_000
"""What a replica may serve a second, and replicas that demand may need: beyond both it is a slip
of the unit, and sums are no numbers any more."""

FINE_PER_S = 1000.0
"""Series that are no counts are multiplied until a mean second has so many units: telemetry has
whole numbers."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """``capacity`` of one replica is per second; ``violations`` the budget, 0 to 1."""

    series: Series
    capacity: float
    startup_s: float
    least: int = 1
    most: int = MOST
    violations: float = 0.01
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        if not 0 < self.capacity <= MOST_SERVED:
            raise ValueError(
                f"capacity per replica is {self.capacity:g} a second; it must be above 0, and at "
                f"most {MOST_SERVED:g}"
            )
        peak = float(np.nan_to_num(self.rates, nan=0.0).max(initial=0.0))
        if peak > MOST_NEEDED * self.capacity:
            raise ValueError(
                f"demand of up to {peak:g} a second at {self.capacity:g} per replica and second is "
                f"more than {MOST_NEEDED:,} replicas: give the capacity in the trace's own unit"
            )
        if not 0 < self.violations < 1:
            raise ValueError(f"violations are {self.violations}; a share above 0 and below 1")
        if not 0 <= self.startup_s < math.inf:
            raise ValueError(f"start-up is {self.startup_s} s; it must be at least 0")
        if not 0 <= self.least <= self.most:
            raise ValueError(f"replicas from {self.least} to {self.most}: not a range")

    @property
    def rates(self) -> NDArray[np.float64]:
        """Demand per second by step, (n,); NaN: not measured."""
        return self.series.values / self.series.step_s

    @property
    def begin_s(self) -> float:
        """Where scoring begins."""
        return float(self.series.half * self.series.step_s)

    @property
    def end_s(self) -> float:
        """Where it ends."""
        return float(self.series.length_s)

    def initial(self) -> int:
        """Replicas that stand ready when the series begins, the same for every policy.

        What the first known step needs at a use of ``MEAN_USE``: warm-up forgets it.
        """
        known = self.rates[~np.isnan(self.rates)]
        first = float(known[0]) if len(known) else 0.0
        need = math.ceil(first / self.capacity / MEAN_USE - 1e-9)
        return min(max(need, self.least, 1), self.most)

    @property
    def most_too_few(self) -> bool:
        """Whether scored demand violates with ``most`` replicas as well."""
        return bool(self.above_most.any())

    @property
    def above_most(self) -> NDArray[np.bool_]:
        """By scored step, (n - half,): whether its demand violates with ``most`` replicas."""
        scored = np.nan_to_num(self.rates[self.series.half :], nan=0.0)
        above: NDArray[np.bool_] = scored > USABLE * self.capacity * self.most * (1 + 1e-9)
        return above

    def needed(self) -> Ints:
        """Fewest replicas by step that no demand violates, (n,); ``least`` where it is unknown.

        ``most`` where even that is too few.
        """
        rates = np.nan_to_num(self.rates, nan=0.0)
        need = np.ceil(rates / (USABLE * self.capacity) - 1e-9).astype(np.int64)
        clipped: Ints = np.clip(need, self.least, self.most)
        return clipped


def allowed(budget: float) -> str:
    """A budget in words, as exact as it was given: 1.00%, 0.50%, 0.005%."""
    exact = Decimal(repr(budget)).scaleb(2)
    whole, _, digits = f"{exact:f}".partition(".")
    return f"{whole}.{digits.ljust(2, '0')}%"


def default_capacity(series: Series) -> float:
    """Capacity per replica and second such that the first half's mean is 20 replicas at 0.7.

    A mean of 840 requests a minute is 14 a second, and 14 / (20 · 0.7) = 1.  Raises
    ``TraceError`` when the first half has no demand.
    """
    first = series.values[: series.half]
    mean = float(np.nanmean(first)) if not np.isnan(first).all() else 0.0
    if mean <= 0:
        raise TraceError(
            f"{series.name}: the first half has no demand, so that capacity per replica cannot be "
            "told from it; give --capacity-per-replica"
        )
    return mean / series.step_s / (MEAN_REPLICAS * MEAN_USE)


class Observed:
    """Arrivals by second, as telemetry tells them: whole numbers, ``factor`` to one unit."""

    def __init__(self, trial: Trial) -> None:
        """Spread the series over its seconds, from the trial's seed."""
        series = trial.series
        values, step_s = np.nan_to_num(series.values, nan=0.0), series.step_s
        told = ~np.isnan(series.values)
        if series.silent is not None:
            told &= ~series.silent
        mean = float(values.mean()) / step_s
        self.factor = 1.0
        if series.seconds is None and series.whole:
            rng = np.random.default_rng((trial.seed, 1))
            spread = rng.multinomial(values.astype(np.int64), np.full(step_s, 1.0 / step_s))
            self.counts = spread.reshape(-1).astype(np.int64)
        else:
            rates = np.repeat(values / step_s, step_s)
            if series.seconds is not None:
                rates = np.nan_to_num(series.seconds, nan=0.0)
            if 0 < mean < FINE_PER_S and (rates != np.round(rates)).any():
                self.factor = 10.0 ** math.ceil(math.log10(FINE_PER_S / mean))
            rising = np.cumsum(rates) * self.factor
            self.counts = np.diff(np.round(rising), prepend=0.0).astype(np.int64)
        self._told = np.repeat(told, step_s)
        self._sums = np.concatenate([[0], np.cumsum(np.where(self._told, self.counts, 0))])
        self._seconds = np.concatenate([[0], np.cumsum(self._told)])

    def arrived(self, second: int) -> int | None:
        """Arrivals in one second; None: telemetry did not say."""
        return int(self.counts[second]) if self._told[second] else None

    def rate(self, now: float, window_s: float) -> float | None:
        """Mean arrivals per second over the last ``window_s``, in the series' unit.

        None where the newest whole second was not told: a pipeline then has no metric.
        """
        found = float(self.rates(np.array([now]), window_s)[0])
        return None if math.isnan(found) else found

    def rates(self, at: NDArray[np.float64], window_s: float) -> NDArray[np.float64]:
        """``rate`` at many moments; NaN for None."""
        end = np.minimum(np.floor(at + 1e-9).astype(np.int64), len(self.counts))
        begin = np.maximum(end - max(int(window_s), 1), 0)
        seconds = self._seconds[end] - self._seconds[begin]
        known = (end > 0) & self._told[np.maximum(end - 1, 0)]
        sums = self._sums[end] - self._sums[begin]
        rates: NDArray[np.float64] = np.where(
            known, sums / np.maximum(seconds, 1) / self.factor, math.nan
        )
        return rates

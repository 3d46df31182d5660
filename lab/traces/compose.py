"""Composition: a series made harder, from a seed.

Rule: the same series and seed give the same composition; it says what it did.  What is silent is
demand that went on while telemetry did not.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from lab.traces.arrival import TraceError
from lab.traces.series import Bools, Floats, Series

STEP_FACTOR = 10.0
STEP_LENGTH = 1440
"""Steps of ``step10x``: as many as a day has minutes."""

TENANTS = 3, 8
WARP = 0.5, 2.0
"""How fast a tenant's time goes."""

SCALE_SIGMA = 0.8
"""Spread of tenants' rates, of a log-normal: the 84th percentile has 2.2 times the median's."""

HOUR_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """The composition, and what was done; ``stepped_s`` is when ``step10x`` steps, else None."""

    series: Series
    told: tuple[str, ...]
    stepped_s: float | None = None


def compose(series: Series, recipe: str) -> Composed:
    """``step10x``, or a seed.  Raises ``TraceError`` for anything else."""
    if recipe == "step10x":
        return step10x(series)
    if not recipe.isdecimal():
        raise TraceError(f"{recipe!r} is no composition; give step10x, or a whole number as seed")
    return harder(series, int(recipe))


def step10x(series: Series) -> Composed:
    """Idle at a tenth of the first half's mean, then in one step ten times as much.

    The step is in the middle of the scored half, and stays.  Both levels are flat, so that when
    there is enough for the second is a plain question; within a step arrivals are still spread.
    """
    steps = min(len(series.values), STEP_LENGTH)
    at = steps - max(steps // 4, 1)
    first = series.values[: series.half]
    mean = 0.0 if np.isnan(first).all() else float(np.nanmean(first))
    if mean <= 0:
        raise TraceError(f"{series.name}: the first half has no demand to step from")
    level = np.full(steps, mean / STEP_FACTOR)
    level[at:] *= STEP_FACTOR
    values = np.round(level) if series.whole else level
    made = Series(name=f"{series.name}+step10x", step_s=series.step_s, values=values)
    stepped_s = float(at * series.step_s)
    return Composed(
        series=made,
        told=(f"from {mean / STEP_FACTOR:.4g} to {mean:.4g} a step at {stepped_s:g} s",),
        stepped_s=stepped_s,
    )


def harder(series: Series, seed: int) -> Composed:
    """Many tenants, then two flash crowds, an outage with its rebound, and silent telemetry.

    A tenant is the series from another moment on, at another pace and another scale.  Steps are
    taken as they are, never interpolated.
    """
    rng = np.random.default_rng((seed, 2))
    steps, whole = len(series.values), series.whole
    count = int(rng.integers(TENANTS[0], TENANTS[1] + 1))
    tenants: dict[str, Floats] = {}
    for number in range(count):
        pace = float(np.exp(rng.uniform(*np.log(WARP))))
        begin = int(rng.integers(steps))
        scale = float(rng.lognormal(0.0, SCALE_SIGMA)) / count
        places = (begin + np.floor(np.arange(steps) * pace).astype(np.int64)) % steps
        tenants[f"tenant-{number}"] = series.values[places] * scale
    told = [f"{count} tenants, each the series from another moment, pace and scale"]
    factor, events = _events(steps, series.step_s, rng)
    told += events
    tenants = {
        name: np.round(values * factor) if whole else values * factor
        for name, values in tenants.items()
    }
    silent, gaps = _silent(steps, series.step_s, rng)
    told.append(gaps)
    made = dataclasses.replace(
        series,
        name=f"{series.name}+{seed}",
        values=np.sum(list(tenants.values()), axis=0),
        tenants=tenants,
        silent=silent,
        seconds=None,
    )
    return Composed(series=made, told=tuple(told))


def _events(steps: int, step_s: int, rng: np.random.Generator) -> tuple[Floats, list[str]]:
    """What demand is multiplied by, and what that is."""
    at = np.arange(steps) * float(step_s)
    length = steps * step_s
    factor, told = np.ones(steps), []
    for _ in range(2):
        begin, peak = rng.uniform(0, length), rng.uniform(2.0, 6.0)
        rise, fall = rng.uniform(60, 600), rng.uniform(600, HOUR_S)
        since = at - begin
        shape = np.where(since < rise, since / rise, np.exp(-(since - rise) / fall))
        factor += np.where(since >= 0, (peak - 1.0) * shape, 0.0)
        told.append(f"a flash crowd of {peak:.1f} times at {begin:.0f} s")
    begin, lasts = rng.uniform(0, length), rng.uniform(300, 1800)
    out = (at >= begin) & (at < begin + lasts)
    rebound = (at >= begin + lasts) & (at < begin + lasts + 600)
    factor = np.where(out, 0.0, np.where(rebound, factor * 1.5, factor))
    told.append(f"an outage of {lasts:.0f} s at {begin:.0f} s, and 1.5 times for 600 s after it")
    return factor, told


def _silent(steps: int, step_s: int, rng: np.random.Generator) -> tuple[Bools, str]:
    """Steps without telemetry: one to three gaps of 2 to 10 minutes, and one step in 200."""
    silent = rng.random(steps) < 1 / 200
    gaps = int(rng.integers(1, 4))
    for _ in range(gaps):
        begin = int(rng.integers(steps))
        silent[begin : begin + max(int(rng.uniform(120, 600) / step_s), 1)] = True
    return silent, f"telemetry silent in {int(silent.sum())} of {steps} steps"

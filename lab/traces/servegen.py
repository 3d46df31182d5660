"""ServeGen: the rate and burstiness of each client in windows of 10 minutes, made into minutes.

Rule: a minute is drawn from its own window alone, by a chance of that window's and client's own.
Nothing is interpolated between windows: that would tell a forecaster of the next one.  And two
files that differ from a window on have one past.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from lab.traces.arrival import TraceError
from lab.traces.reading import as_number
from lab.traces.series import Floats, Series

WINDOW_S = 600
STEP_S = 60

_Window = tuple[float, float]


def servegen(rows: Iterable[tuple[int, list[str]]], title: str, *, where: str, seed: int) -> Series:
    """Requests per minute, in all and by client; ``rows`` are (line, fields).

    A window that a client has no row for, between its first and its last, is missing, and with it
    the total.  Raises ``TraceError``.
    """
    windows: dict[str, dict[int, _Window]] = {}
    for line, fields in rows:
        client, (start, rate, cv) = fields[0], _numbers(fields[1:], f"{where}:{line}")
        if start % WINDOW_S:
            raise TraceError(
                f"{where}:{line}: start_s is {start:g}; windows of {WINDOW_S} s begin at its "
                "multiples"
            )
        held = windows.setdefault(client, {})
        number = int(start) // WINDOW_S
        if number in held:
            raise TraceError(f"{where}:{line}: client {client} has start_s {start:g} twice")
        held[number] = rate, cv
    if not windows:
        raise TraceError(f"{where}: no rows after the first line")
    first = min(min(held) for held in windows.values())
    count = max(max(held) for held in windows.values()) - first + 1
    tenants = {
        client: _minutes(client, windows[client], first, count, seed) for client in sorted(windows)
    }
    total = np.sum(list(tenants.values()), axis=0)
    return Series(name=title, step_s=STEP_S, values=total, tenants=tenants)


def _minutes(client: str, held: dict[int, _Window], first: int, count: int, seed: int) -> Floats:
    """Requests of one client by minute."""
    each, name = WINDOW_S // STEP_S, int.from_bytes(client.encode())
    found = np.zeros(count * each)
    found[(min(held) - first) * each : (max(held) - first + 1) * each] = math.nan
    for number, (rate, cv) in held.items():
        begin = (number - first) * each
        rng = np.random.default_rng((seed, number, name))
        found[begin : begin + each] = counts(rate * STEP_S, cv, each, rng)
    return found


def counts(mean: float, cv: float, steps: int, rng: np.random.Generator) -> Floats:
    """Requests of ``steps`` that expect ``mean`` each, at gaps of coefficient ``cv``; (steps,).

    Of a renewal process with gaps of coefficient of variation c the count of a long time has
    variance c² times its mean (Cox, *Renewal Theory*, 1962, 3.3).  With c above 1 it is drawn as
    negative binomial of that mean and variance, else as Poisson for c = 1 or a rounded normal
    below it.  Mean 100 and c = 2: variance 400.
    """
    if mean == 0:
        return np.zeros(steps)
    if cv > 1.001:  # noqa: PLR2004 - at 1 it is Poisson
        excess = cv**2 - 1.0
        return rng.poisson(rng.gamma(mean / excess, excess, steps)).astype(np.float64)
    if cv < 0.999:  # noqa: PLR2004 - at 1 it is Poisson
        return np.maximum(np.round(rng.normal(mean, cv * math.sqrt(mean), steps)), 0.0)
    return rng.poisson(mean, steps).astype(np.float64)


def _numbers(fields: list[str], where: str) -> tuple[float, float, float]:
    try:
        start, rate, cv = (as_number(field) for field in fields)
    except ValueError:
        raise TraceError(
            f"{where}: start_s, rate_per_s, iat_cv are {','.join(fields)}; numbers were expected"
        ) from None
    if not all(0 <= value < math.inf for value in (start, rate, cv)):
        raise TraceError(f"{where}: start_s, rate_per_s and iat_cv are at least 0 and finite")
    return start, rate, cv

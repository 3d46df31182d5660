"""Scoring a schedule against demand: violations, what was left unserved, and cost.

Rule: exact in continuous time; every policy's schedule, the clairvoyant's included, goes through
this one function.  Steps nobody measured count neither as demand nor as cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.fluid.schedule import EPSILON_S, Schedule, ready
from lab.fluid.trial import USABLE, Trial

HOUR_S = 3600.0

LEAST_OF_TENANT = 1000.0
"""Requests of a tenant below which its share of violations says nothing at a budget of 1 %."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Of one part of a trial.

    ``violation``: share of requests that arrive while demand exceeds 0.9 of ready capacity;
    ``worst_hour`` and ``worst_tenant``: the same of the worst hour since the begin, and of the
    worst tenant of at least ``LEAST_OF_TENANT`` requests (None: tenants are not known).
    ``unserved``: requests that wait at the end of a step, summed over steps, as a share of all:
    what exceeds the whole ready capacity is carried to the next step, and a request that waits
    for n ends of steps counts n times.  It may exceed 1.
    ``cost``: replica-seconds, starting replicas included.  ``actions_per_hour``: changes of the
    number asked for.
    """

    violation: float
    worst_hour: float
    worst_tenant: float | None
    unserved: float
    cost: float
    actions_per_hour: float


def score(
    trial: Trial,
    asked: Schedule,
    *,
    begin_s: float | None = None,
    standing: Schedule | None = None,
    alive: Schedule | None = None,
) -> Score:
    """Score ``asked`` from ``begin_s`` (the trial's second half) to the end.

    ``standing`` are those that were ready, where that is known; None: by the trial's start-up.
    ``alive`` are those that cost; None: all that were asked for.
    """
    begin = trial.begin_s if begin_s is None else begin_s
    end, step_s = trial.end_s, float(trial.series.step_s)
    standing = ready(asked, trial.startup_s) if standing is None else standing
    alive = asked if alive is None else alive
    hours = np.arange(begin, end, HOUR_S)
    steps = np.arange(len(trial.series.values)) * step_s
    moments = np.concatenate([[begin, end], steps, hours, asked.at, standing.at, alive.at])
    edges = np.unique(moments[(moments >= begin) & (moments <= end)])
    lengths, at = np.diff(edges), edges[:-1]
    step = np.minimum((at + EPSILON_S) // step_s, len(steps) - 1).astype(np.int64)
    rate = trial.rates[step]
    known = ~np.isnan(rate)
    rate = np.where(known, rate, 0.0)
    capacity = standing.value(at) * trial.capacity
    requests = rate * lengths
    over = known & (rate > USABLE * capacity * (1 + 1e-9))
    total = float(requests.sum())
    hour = ((at - begin + EPSILON_S) // HOUR_S).astype(np.int64)
    backlog = _backlog(np.where(known, (rate - capacity) * lengths, 0.0))
    last_of_step = np.concatenate([step[1:] != step[:-1], [True]])
    changes = int(((asked.at > begin + EPSILON_S) & (asked.at < end - EPSILON_S)).sum())
    return Score(
        violation=_share(float(requests[over].sum()), total),
        worst_hour=_worst_hour(requests, over, hour),
        worst_tenant=_worst_tenant(trial, step, lengths, over),
        unserved=_share(float(backlog[last_of_step].sum()), total),
        cost=float((alive.value(at) * lengths)[known].sum()),
        actions_per_hour=changes / ((end - begin) / HOUR_S),
    )


def _backlog(more: Floats) -> Floats:
    """max(backlog + more, 0), step by step from 0: the running sum less its running least.

    +3, -5, +2, +1 gives 3, 0, 2, 3.
    """
    sums = np.cumsum(more)
    found: Floats = sums - np.minimum(np.minimum.accumulate(sums), 0.0)
    return found


def _worst_hour(requests: Floats, over: NDArray[np.bool_], hour: NDArray[np.int64]) -> float:
    all_of = np.bincount(hour, requests)
    missed = np.bincount(hour, np.where(over, requests, 0.0))
    return float(np.max(missed / np.where(all_of > 0, all_of, 1.0), initial=0.0))


def _worst_tenant(
    trial: Trial, step: NDArray[np.int64], lengths: Floats, over: NDArray[np.bool_]
) -> float | None:
    if not trial.series.tenants:
        return None
    n, step_s = len(trial.series.values), trial.series.step_s
    seconds = np.bincount(step, lengths, minlength=n)
    missed = np.bincount(step, np.where(over, lengths, 0.0), minlength=n)
    worst = None
    for values in trial.series.tenants.values():
        each = np.nan_to_num(values, nan=0.0) / step_s
        total = float((each * seconds).sum())
        if total >= LEAST_OF_TENANT:
            worst = max(worst or 0.0, float((each * missed).sum()) / total)
    return worst


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0

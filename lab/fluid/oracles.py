"""Schedules that know the trace: the clairvoyant, and the best constant number.

Rule: they say what is possible, not what anybody could have done.
"""

from __future__ import annotations

import numpy as np

from lab.fluid.schedule import EPSILON_S, Schedule, range_least, schedule
from lab.fluid.score import score
from lab.fluid.trial import Trial


def clairvoyant(trial: Trial) -> Schedule:
    """The cheapest schedule without a violation, by knowing the trace and the start-up.

    Let need(t) be the replicas that demand at t asks for, L the start-up, and cost the integral
    of a(t), the replicas that live at t, starting ones included.  It is

        a*(s) = max over u in [s, s + L] of need(u).

    *No schedule may have less.*  Whatever is ready at u has lived through [u - L, u], for any
    choice of victims; so need(u) <= ready(u) <= a(s) for every s in that interval, which is to
    say that a(s) >= need(u) for every u in [s, s + L].
    *It suffices.*  With the youngest going first (``lab.fluid.schedule``), ready(t) = min of
    a*(s) over s in [t - L, t], and each of these a*(s) has t in its interval, so is at least
    need(t).
    Hence a* is least at every moment at once, and the cheapest for any cost that grows with the
    replicas alive.  It needs no search because scale-in is free and instant and a start costs
    only its time; ``tests/lab/test_oracles.py`` holds it against brute force over all schedules.

    Where ``trial.most`` is below the need it is what most allows, and not free of violations.
    """
    step_s, need = float(trial.series.step_s), trial.needed()
    starts = np.arange(len(need)) * step_s
    points = np.unique(np.concatenate([starts, starts - trial.startup_s]))
    points = points[points >= 0]
    last = len(need) - 1
    low = np.minimum((points + EPSILON_S) // step_s, last).astype(np.int64)
    high = np.minimum((points + trial.startup_s + EPSILON_S) // step_s, last).astype(np.int64)
    return schedule(points, -range_least(-need, low, high))


def static_peak(trial: Trial, budget: float | None = None) -> Schedule:
    """The fewest constant replicas that keep the budget on the scored half, known afterwards.

    ``budget`` of violations, 0 to 1; None: the trial's.
    """
    allowed = trial.violations if budget is None else budget
    low, high = trial.least, max(int(trial.needed()[trial.series.half :].max()), trial.least)
    while low < high:
        middle = (low + high) // 2
        if score(trial, constant(middle)).violation <= allowed:
            high = middle
        else:
            low = middle + 1
    return constant(low)


def constant(replicas: int) -> Schedule:
    """So many, always."""
    return Schedule(at=np.zeros(1), replicas=np.array([replicas], np.int64))

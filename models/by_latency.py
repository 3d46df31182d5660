"""By latency: what slow requests and growing queues ask for, where capacity is not known or wrong.

Rule: upwards only, one step at a time, and after a step its effect is waited for, or the same slow
requests would ask again.
Flow: Window, Learner -> Wish.
"""

from __future__ import annotations

import math

from models import sketch
from models.capacity import Learner
from models.domain.decision import Reason
from models.latencies import LATENCY_S
from models.window import Window
from models.wish import Wish

SLO_LEVEL = 0.95
"""Quantile of latency that is held against the SLO where latency alone decides."""

STEP_SHARE = 0.25
STEP_S = 15
"""A quarter more, at most every 15 s, HPA's period."""

PILING_SHARE, PILING_LEAST = 0.3, 5
"""More requests started than ended within 15 s, of those that started, and at least: piling up."""


def level(learner: Learner | None) -> float:
    """``SLO_LEVEL``, or less where many requests are slow at any load."""
    return SLO_LEVEL if learner is None else 1.0 - learner.tolerated(1.0 - SLO_LEVEL)


def latency_s(window: Window, learner: Learner | None, seconds: int = LATENCY_S) -> float | None:
    """The SLO's quantile of latency over the last ``seconds``; None: nothing finished."""
    return sketch.quantile(window.latencies(seconds), level(learner))


def piling_up(window: Window) -> bool:
    """Whether much more has started lately than ended: a queue grows."""
    if window.newest is None or not window.has_starts:
        return False
    begin = window.newest - STEP_S
    started = window.total("started", begin, window.newest - 1)
    ended = window.total("finished", begin, window.newest - 1)
    return started - ended > max(PILING_SHARE * started, PILING_LEAST)


def upwards(window: Window, learner: Learner | None, current: int, since_s: float) -> Wish:
    """What to wish for while capacity is not known; the last change was ``since_s`` ago.

    Of 10 replicas over the SLO it is 13, and 10 again within 15 s.
    """
    missed = learner is not None and learner.missed(STEP_S, 1.0 - SLO_LEVEL)
    if learner is None or not (missed or piling_up(window)):
        return Wish(current, Reason.CAPACITY_LEARNING, "unknown")
    if since_s <= STEP_S:
        return Wish(current, Reason.CAPACITY_LEARNING, "waiting")
    more = current + max(1, math.ceil(current * STEP_SHARE))
    if not missed:
        return Wish(more, Reason.CAPACITY_LEARNING, "growing")
    return Wish(more, Reason.SLO_MISSED, "slow", latency_s(window, learner, STEP_S) or 0.0)


def held(
    wished: Wish, window: Window, learner: Learner, current: int, starting: int, since_s: float
) -> Wish:
    """What was learned may be wrong: over the SLO more, if nothing is on its way already.

    While latency is over it, or requests pile up, never fewer than there are.
    """
    missed = learner.missed(STEP_S, 1.0 - SLO_LEVEL)
    if missed:
        slow = upwards(window, learner, current, since_s)
        if slow.reason is Reason.SLO_MISSED and slow.replicas > wished.replicas and not starting:
            return slow
    if wished.replicas < current and (missed or piling_up(window)):
        return Wish(current, Reason.CAPACITY_LEARNING, "piling")
    return wished

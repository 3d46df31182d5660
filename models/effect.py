"""Effect: whether the last change of replicas helped or did harm, and what follows from it.

Rule: only what shows in the share of slow requests, beyond chance, at demand that is no higher
than before, counts; a harmful scale-in is undone and scale-in frozen, a scale-out that changed
nothing twice running stops scale-out; five minutes at first, then twice as long each time.
Flow: Scaler.accept -> begin; each closed step -> step; Frozen -> Context -> the guard ``effect``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from models import sketch
from models.latencies import LATENCY_S, SLOT_S
from models.window import Window

FREEZE_S = 300.0
FREEZE_MOST_S = 3600.0
"""The first freeze, HPA's own patience with scale-in, and the longest."""

EARLY_S = 20
"""Sooner after a scale-in nothing is said: requests under way end as they began."""

WATCH_S = 60
"""For so long a scale-in is watched; what is compared is at most the minute before it."""

WATCH_OUT_S = 30
"""For so long, or twice the SLO's latency, a scale-out is watched once its replicas are ready."""

GIVE_UP_S = 600.0
"""A change is forgotten when replicas were not ready, or nothing was heard, for so long."""

SIGMAS = 3.0
"""By so many standard errors the share of slow requests must have risen."""

LEAST_MORE = 5.0
"""And by so many requests: of a few, two slow ones are already three standard errors."""

STRIKES = 2
"""Two verdicts running: one burst of slow requests is in one of them."""

SERIES_S = 300.0
"""A change that follows sooner belongs to the one that is watched; later it is another."""

LEAST_OUT = 100
"""Requests, before and after, without which nothing is said of a scale-out."""

HELPED = 0.9
"""A scale-out helped if it left less than this of the share of slow requests."""

MORE = 1.1
"""Demand, or what is served, is higher than before if it is a tenth higher."""

ENOUGH = 1.25
"""A scale-out by less is too small to show; and demand up by so much ends a freeze of it."""


class Sample(Struct, frozen=True, array_like=True, gc=False):
    """Requests of a time: how many ended, how many of them slow; arrived and ended per second.

    ``spread``: how much more the share of slow ones differs from slot to slot than it would by
    chance (chi-square by degrees of freedom); 1 at least, and where one slot is all there is.
    """

    ended: int
    slow: int
    arrived_per_s: float
    ended_per_s: float
    spread: float = 1.0


class Trial(Struct, frozen=True, array_like=True, gc=False):
    """A change that is watched: when, from and to how many replicas, and how it was before."""

    at: float
    before: int
    after: int
    sample: Sample
    since: float | None = None
    """When it was done: the last of some scale-ins; of a scale-out, when all were ready."""
    strikes: int = 0


class Frozen(Struct, frozen=True, array_like=True, gc=False):
    """Until ``until`` no fewer (``in``) or no more (``out``) replicas than ``replicas``."""

    direction: Literal["in", "out"]
    until: float
    replicas: int
    arrived_per_s: float


class EffectState(Struct, frozen=True, array_like=True):
    """As a snapshot has it; see ``Effect`` for the fields."""

    trial: Trial | None
    frozen: Frozen | None
    harmful: int
    useless: int
    doubled: int


class Effect:
    """One workload.  Bounded: one change that is watched, one freeze, three counts."""

    __slots__ = ("doubled", "frozen", "harmful", "trial", "useless")

    def __init__(self) -> None:
        """Nothing is watched."""
        self.trial: Trial | None = None
        self.frozen: Frozen | None = None
        self.harmful = 0
        """Harmful scale-ins since the last harmless one."""
        self.useless = 0
        """Scale-outs without effect, running."""
        self.doubled = 0
        """Freezes of scale-out since the last that helped."""

    def begin(self, at: float, before: int, after: int, window: Window, limit_s: float) -> None:
        """A change was ordered; another in the same direction belongs to it."""
        held = self.trial
        same = held is not None and (held.after < held.before) == (after < before)
        if held is not None and same and at - held.at <= SERIES_S:
            if after < before:
                self.trial = Trial(held.at, held.before, after, held.sample, at, held.strikes)
            return
        if after > before and after < ENOUGH * before:
            self.trial = None
            return
        found = sample(window, LATENCY_S, limit_s)
        self.trial = None
        if found is not None:
            self.trial = Trial(at, before, after, found, at if after < before else None)

    def step(self, now: float, ready: int, window: Window, limit_s: float, budget: float) -> None:
        """A step of ten seconds is over.  About 30 us while a change is watched, else nothing."""
        self._thaw(now, window)
        trial = self.trial
        if trial is None:
            return
        if now - (trial.since or trial.at) > GIVE_UP_S:
            self.trial = None
        elif trial.after < trial.before:
            self._scaled_in(trial, now, window, limit_s, budget)
        elif trial.since is None:
            if ready >= trial.after:
                self.trial = Trial(trial.at, trial.before, trial.after, trial.sample, now)
        else:
            watch_s = min(max(WATCH_OUT_S, math.ceil(2 * limit_s)), WATCH_S)
            if now - trial.since >= watch_s:
                self.trial = None
                self._scaled_out(trial, now, ready, sample(window, watch_s, limit_s), budget)

    def _scaled_in(
        self, trial: Trial, now: float, window: Window, limit_s: float, budget: float
    ) -> None:
        passed_s = now - trial.at
        if passed_s < EARLY_S:
            return
        found = sample(window, min(int(passed_s), LATENCY_S), limit_s)
        if found is not None and harmed(trial.sample, found, budget):
            if trial.strikes + 1 < STRIKES:
                self.trial = Trial(
                    trial.at,
                    trial.before,
                    trial.after,
                    trial.sample,
                    trial.since,
                    trial.strikes + 1,
                )
                return
            until = now + min(FREEZE_S * 2**self.harmful, FREEZE_MOST_S)
            self.frozen = Frozen("in", until, trial.before, found.arrived_per_s)
            self.harmful += 1
            self.trial = None
        elif now - (trial.since or trial.at) >= WATCH_S:
            self.trial = None
            self.harmful = 0
        else:
            self.trial = Trial(trial.at, trial.before, trial.after, trial.sample, trial.since)

    def _scaled_out(
        self, trial: Trial, now: float, ready: int, found: Sample | None, budget: float
    ) -> None:
        if found is None or not useless(trial.sample, found, budget):
            self.useless = self.doubled = 0
            return
        self.useless += 1
        if self.useless >= STRIKES:
            until = now + min(FREEZE_S * 2**self.doubled, FREEZE_MOST_S)
            self.frozen = Frozen("out", until, max(ready, trial.after), found.arrived_per_s)
            self.doubled += 1

    def _thaw(self, now: float, window: Window) -> None:
        frozen = self.frozen
        if frozen is None:
            return
        over = now >= frozen.until
        if not over:
            # Other traffic, another answer: more for those that brought nothing, less for those
            # without which it was slow.
            arrived_per_s = _per_s(window, _arrivals(window), WATCH_S)
            over = (
                arrived_per_s > ENOUGH * frozen.arrived_per_s
                if frozen.direction == "out"
                else arrived_per_s * ENOUGH < frozen.arrived_per_s
            )
        if over:
            self.frozen = None

    def state(self) -> EffectState:
        """All that is remembered."""
        return EffectState(self.trial, self.frozen, self.harmful, self.useless, self.doubled)

    @classmethod
    def restored(cls, state: EffectState) -> Effect:
        """The same again."""
        made = cls()
        made.trial, made.frozen = state.trial, state.frozen
        made.harmful, made.useless, made.doubled = state.harmful, state.useless, state.doubled
        return made


def sample(window: Window, seconds: int, limit_s: float) -> Sample | None:
    """The newest whole slots within ``seconds``; None: nothing was heard in a whole one."""
    newest = window.newest
    if newest is None or seconds < SLOT_S:
        return None
    slots = [
        (sum(counts.values()) + dropped, sketch.slower(counts, limit_s) + dropped)
        for counts, dropped in window.by_slot(seconds - (SLOT_S - 1))
    ]
    return Sample(
        sum(ended for ended, _ in slots),
        sum(slow for _, slow in slots),
        _per_s(window, _arrivals(window), seconds),
        _per_s(window, "finished", seconds),
        spread(slots),
    )


def spread(slots: Sequence[tuple[int, int]]) -> float:
    """How far slots of (ended, slow) differ beyond chance; 1 is chance.

    Of 100 requests in each of two slots 4 and 16 are slow: 10 % in all, 9 expected squared
    errors, (36 + 36) / 9 = 8 for one degree of freedom.
    """
    ended, slow = sum(count for count, _ in slots), sum(count for _, count in slots)
    share = slow / ended if ended else 0.0
    if share in {0.0, 1.0} or len(slots) <= 1:
        return 1.0
    chi = sum((bad - all_ * share) ** 2 / all_ for all_, bad in slots if all_)
    return max(chi / (share * (1 - share)) / (len(slots) - 1), 1.0)


def harmed(before: Sample, after: Sample, budget: float) -> bool:
    """Whether slow requests have become more than the budget, and than before, beyond chance.

    Of 600 requests 3 were slow, and then 24 of 600: 4 % is above 1 %, 21 more, and 4.1 standard
    errors (two proportions, pooled).  Where slow requests come in spells an error is larger, by
    the square root of ``spread`` (quasi-likelihood).  Demand a tenth higher is another reason.
    """
    if not before.ended or not after.ended or after.arrived_per_s > MORE * before.arrived_per_s:
        return False
    was, is_ = before.slow / before.ended, after.slow / after.ended
    if is_ <= budget or after.slow - was * after.ended < LEAST_MORE:
        return False
    pooled = (before.slow + after.slow) / (before.ended + after.ended)
    chance = pooled * (1 - pooled) * (1 / before.ended + 1 / after.ended)
    error = math.sqrt(chance * max(before.spread, after.spread))
    return is_ - was > SIGMAS * error


def useless(before: Sample, after: Sample, budget: float) -> bool:
    """Whether more replicas left it as it was: as many slow requests, and no more that ended.

    An overload that is being worked off ends more than before; higher demand does as well.
    """
    if min(before.ended, after.ended) < LEAST_OUT:
        return False
    was, is_ = before.slow / before.ended, after.slow / after.ended
    return (
        min(was, is_) > budget
        and is_ > HELPED * was
        and after.ended_per_s <= MORE * before.ended_per_s
    )


def _arrivals(window: Window) -> str:
    return "started" if window.has_starts else "finished"


def _per_s(window: Window, column: str, seconds: int) -> float:
    newest, first = window.newest, window.first
    if newest is None or first is None:
        return 0.0
    known_s = min(seconds, newest - first + 1)
    return window.total(column, newest - known_s + 1, newest) / known_s

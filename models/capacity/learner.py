"""Learner: from slots of evidence to the capacity of one ready replica, with what it rests on.

Rule: it goes up by proof, or by one small step where latency is far under the SLO; down at once.
A release that is slower at the same load makes the past void.
Flow: Scaler.close -> Learner -> Scaler.capacity, and the words of a decision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from models.capacity.backlog import Backlog
from models.capacity.evidence import LATE, Evidence, Lost, Ready, gather, limit, slow_share
from models.capacity.exploring import EXPLORE, Explorer, ExplorerState
from models.capacity.isotonic import lower
from models.capacity.loads import Loads, LoadsState
from models.capacity.relation import Judged, Relation, RelationState
from models.capacity.release import Change, ReleaseState, ReleaseTest
from models.capacity.units import EVERY, Choice, ChoiceState
from models.demand import DemandMeter, Unit
from models.domain.spec import Slo
from models.grid import STEP_S
from models.window import Window

HALF_LIFE_S = 6 * 3600
"""After so long evidence counts half: a quiet night does not forget the day's peak."""

STEP_WEIGHT = 50.0
"""Requests that one slot counts for at most: those of a slot share a queue, and are no
independent witnesses.  None slow of 268 prove 1 %, so it takes six slots, a minute."""

ENOUGH = 60
"""Slots with evidence before a capacity is believed: ten minutes, when a forecast is no longer cold
either."""

TOLD_S = 3600
"""How long a change of release is told of."""

_NOUN = {"concurrency": "concurrent", "requests": "requests/s", "tokens": "tokens/s"}

_FADE_SLOTS = 6
_FADE = 0.5 ** (_FADE_SLOTS * STEP_S / HALF_LIFE_S)
_MOST_RATIO = 2.0
"""The first guess after a slower release: half of the capacity, at the least."""


class LearnerState(Struct, frozen=True, array_like=True):
    """A learner as a snapshot has it, without its window and spec."""

    slo_s: float
    units: tuple[Unit, ...]
    relations: list[RelationState]
    choice: ChoiceState
    release: ReleaseState
    explorer: ExplorerState
    backlog: tuple[int, list[float]]
    judged: Judged
    ready: list[tuple[int, int]]
    loads: LoadsState
    next_slot: int | None
    steps: int
    assumed: float | None
    value: float | None
    change: Change | None


class Learner:
    """Capacity of one workload, in one unit or in the best of several; or of one variant of it."""

    __slots__ = (
        "_assumed",
        "_backlog",
        "_budget",
        "_change",
        "_choice",
        "_explorer",
        "_judged",
        "_limits",
        "_loads",
        "_meters",
        "_next",
        "_ready",
        "_relations",
        "_release",
        "_slo_s",
        "_steps",
        "units",
        "value",
        "window",
    )

    def __init__(
        self, window: Window, slo: Slo, units: Sequence[Unit], *, moves: bool = False
    ) -> None:
        """``units``: to learn in; the first is taken until another predicts better.

        ``moves`` is as ``Loads`` has it.
        """
        self.units = tuple(units)
        self.window = window
        self._slo_s = slo.latency_seconds
        self._budget = slo.violations
        self._meters = [DemandMeter(window, unit, patience_s=self._slo_s) for unit in self.units]
        self._limits = limit(self._slo_s), limit(self._slo_s * LATE)
        self._choice = Choice(len(self.units))
        self._next: int | None = None
        self._ready = Ready()
        self._change: Change | None = None
        self._loads = Loads(len(self.units), moves=moves)
        self._begin()

    def _begin(self) -> None:
        """Nothing is known of latency at any load."""
        self._relations = [Relation() for _ in self.units]
        self._loads.missing()
        self._loads.newest = []
        self._steps = 0
        self._backlog = Backlog()
        self._anew()

    def _anew(self) -> None:
        """Nothing is known of the capacity, whatever is of latencies."""
        self._release = ReleaseTest()
        self._explorer = Explorer()
        self._judged = Judged(None, None, 0.0)
        self._assumed: float | None = None
        self.value: float | None = None
        """Demand in ``unit`` that a ready replica serves within the SLO; None: not enough seen."""

    @property
    def unit(self) -> Unit:
        """The unit that capacity is said in."""
        return self.units[self._choice.best]

    @property
    def meter(self) -> DemandMeter:
        """What demand is measured by, in ``unit``."""
        return self._meters[self._choice.best]

    @property
    def loads(self) -> dict[Unit, float]:
        """Demand per ready replica of about the last minute, by unit; empty: not known."""
        return dict(zip(self.units, self._loads.newest, strict=False))

    @property
    def steps(self) -> int:
        """Slots with evidence so far."""
        return self._steps

    def words(self) -> str:
        """The capacity and what it rests on, or how far learning is."""
        steps, slo_s = self._steps, self._slo_s
        note = f"; {told}" if (told := self._note()) else ""
        if self.value is None:
            return (
                f"capacity per replica is being learned at {slo_s:g} s: {steps} steps seen, "
                f"{ENOUGH} and proof are needed{note}"
            )
        share = self._relations[self._choice.best].share(self.value) or 0.0
        if self._judged.fine is not None and self.value > EXPLORE * self._judged.fine:
            note = f"; {self._judged.fine:.3g} are proven, more is being tried{note}"
        if self._judged.floor:
            note = (
                f"; {self._judged.floor:.1%} are at any load, which more replicas do not help{note}"
            )
        return (
            f"learned: {self.value:.3g} {_NOUN[self.unit]} a replica at {slo_s:g} s "
            f"({steps} steps, {share:.1%} over{note})"
        )

    def tolerated(self, least: float) -> float:
        """The share of slow requests (0 to 1) that is no miss yet: ``least``, more at a floor."""
        floor = self._judged.floor
        return max(least, 3.0 * (floor + self._budget)) if floor else least

    def missed(self, seconds: int, least: float) -> bool:
        """Whether more than ``tolerated`` of about the newest ``seconds`` were slow."""
        return slow_share(self.window, seconds, self._limits[0]) > self.tolerated(least)

    def respec(self, other: Learner) -> bool:
        """Take over what a learner of a new spec is asked for; False: it is of something else.

        Another budget at the same latency only judges anew what was seen.
        """
        if (self._slo_s, self.units) != (other._slo_s, other.units):
            return False
        self._budget = other._budget
        self._settle()
        return True

    def close(
        self, through: int, *, due: bool, lost: Lost | None = None, tries: bool = True
    ) -> bool:
        """Every second up to ``through`` is complete; ``due``: look at the slots that are over.

        ``lost`` is as ``evidence.gather`` has it; ``tries``: more than is known may be tried.  True
        when another unit was chosen.
        """
        self._ready.look(self.window)
        if not due:
            return False
        last = (through + 1) // STEP_S - 1
        first = last if self._next is None else max(self._next, last - 6)
        before = self._choice.best
        for slot in range(first, last + 1):
            if slot % _FADE_SLOTS == 0:
                for relation in self._relations:
                    relation.fade(_FADE)
            seen = gather(self.window, slot, self._meters, self._limits, self._ready, lost)
            if seen is None:
                self._loads.missing()
            else:
                self._learn(slot, seen, tries=tries)
        self._next = max(last + 1, first)
        return self._choice.best != before

    def _learn(self, slot: int, seen: Evidence, *, tries: bool) -> None:
        """Take in one slot."""
        self._loads.hear(seen)
        bad = lower(seen.slow, seen.count) > self._budget + self._judged.floor
        loads = self._loads.over(seen, bad=bad)
        stale = self._backlog.stale(self.units, loads, bad=bad)
        steady = seen.fewest == seen.most and not stale[self._choice.best]
        if steady and self._released(slot, seen):
            return
        weight = min(1.0, STEP_WEIGHT / seen.count)
        count, slow = seen.count * weight, seen.slow * weight
        known = self._steps >= ENOUGH and self._assumed is None
        if known and self._choice.wanted and slot % EVERY == 0 and not any(stale):
            self._choose(count, slow)
        for relation, load, left_out in zip(self._relations, loads, stale, strict=True):
            if not left_out:
                relation.add(load, count, slow, seen.pace)
        self._steps += 1
        self._settle()
        load, fine = loads[self._choice.best], self._judged.fine
        if not stale[self._choice.best]:
            late, floor = seen.late / seen.count, self._judged.floor > 0
            self._explorer.feel(slot, late, load, fine, floor=floor)
        if (
            tries
            and fine is not None
            and self.value is not None
            and self._explorer.step(slot, load, fine, self.value)
        ):
            self._settle()

    def _choose(self, count: float, slow: float) -> None:
        """Foretell the slot in each unit, and take another if it has long been better."""
        shares = [
            relation.share(load) if slow or relation.spoiled(load) else 0.0
            for relation, load in zip(self._relations, self._loads.newest, strict=True)
        ]
        before = self._choice.best
        self._choice.add(shares, slow, count)
        if self._choice.best != before:
            self._anew()

    def _released(self, slot: int, seen: Evidence) -> bool:
        """Whether this slot shows that requests now take longer at the same load."""
        at, before = self._choice.best, self.value
        load = self._loads.newest[at]
        expected = self._relations[at].reference(load)
        if expected is None or load > (self._judged.fine or math.inf):
            return False  # Above what is fine, latency is a queue's, whose length is chance.
        ratio = self._release.add(seen.pace - expected)
        if ratio is None:
            return False
        if ratio < 1.0:
            # What was fine still is; what was too much may no longer be.
            for relation, highest in zip(self._relations, self._loads.newest, strict=True):
                fine = relation.proven(self._budget + self._judged.floor)
                relation.forget_above(max(fine or highest, highest))
                relation.quicken(math.log(ratio))
            self._change = Change(slot, ratio, before, before)
            return False
        # Slow requests may have lowered it already, before it was clear why.
        known = None if before is None else max(before, self._judged.fine or 0.0)
        self._begin()
        if before is not None and known is not None:
            self._assumed = self.value = min(before, known / min(ratio, _MOST_RATIO))
        before = known
        self._change = Change(slot, ratio, before, self.value)
        return True

    def _settle(self) -> None:
        """What the evidence says."""
        judged = self._judged = self._relations[self._choice.best].judged(self._budget)
        if judged.fine is not None and judged.broken is not None:
            self._assumed = None
        assumed = self._assumed
        if judged.fine is None:
            most = math.inf if judged.broken is None else judged.broken / EXPLORE
            self.value = None if assumed is None else min(assumed, most)
        elif self._steps < ENOUGH and assumed is None:
            self.value = None
        else:
            self.value = self._explorer.bounded(judged.fine, judged.broken, assumed)

    def _note(self) -> str:
        """What there is to say of a release."""
        change = self._change
        if change is None or self._next is None or (self._next - change.slot) * STEP_S > TOLD_S:
            return ""
        return change.words(self.value)

    def state(self) -> LearnerState:
        """All that is remembered."""
        return LearnerState(
            slo_s=self._slo_s,
            units=self.units,
            relations=[relation.state() for relation in self._relations],
            choice=self._choice.state(),
            release=self._release.state(),
            explorer=self._explorer.state(),
            backlog=(self._backlog.slots, self._backlog.loads),
            judged=self._judged,
            ready=self._ready.seen,
            loads=self._loads.state(),
            next_slot=self._next,
            steps=self._steps,
            assumed=self._assumed,
            value=self.value,
            change=self._change,
        )

    @classmethod
    def restored(cls, window: Window, slo: Slo, state: LearnerState) -> Learner:
        """The learner of a state.  Raises ``ValueError`` where it cannot be one."""
        made = cls(window, slo, state.units)
        made._loads = Loads.restored(state.loads)
        made._relations = [Relation.restored(held) for held in state.relations]
        made._choice = Choice.restored(state.choice)
        if not len(made._relations) == len(state.units) == len(state.choice.losses):
            raise ValueError(f"{len(made._relations)} relations of {len(state.units)} units")
        made._release = ReleaseTest.restored(state.release)
        made._explorer = Explorer.restored(state.explorer)
        made._backlog = Backlog(*state.backlog)
        made._judged, made._ready.seen = state.judged, state.ready
        made._next = state.next_slot
        made._steps, made._assumed = state.steps, state.assumed
        made.value, made._change = state.value, state.change
        return made

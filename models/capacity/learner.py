"""Learner: from slots of evidence to the capacity of one ready replica, with what it rests on.

Rule: it goes up by proof, or by one small step where latency is far under the SLO; down at once.
A release that is slower at the same load makes the past void.
Flow: Scaler.close -> Learner -> Scaler.capacity, and the words of a decision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from models.capacity.evidence import Evidence, Ready, gather
from models.capacity.isotonic import lower
from models.capacity.relation import Relation, RelationState
from models.capacity.release import ReleaseState, ReleaseTest
from models.capacity.units import Choice, ChoiceState
from models.demand import STEP_S, DemandMeter, Unit
from models.domain.spec import Slo
from models.window import Window

HALF_LIFE_S = 6 * 3600
"""After so long evidence counts half: a quiet night does not forget the day's peak."""

STEP_WEIGHT = 50.0
"""Requests that one slot counts for at most: those of a slot share a queue, and are no
independent witnesses.  None slow of 268 prove 1 %, so it takes six slots, a minute."""

ENOUGH = 60
"""Slots with evidence before a capacity is believed: ten minutes, when a forecast is no longer cold
either."""

EXPLORE = 1.1
"""How much more is tried at a time where latency is far under the SLO: of ten replicas one fewer."""

PATIENCE = 30
"""Slots between two such steps: five minutes, as long as HPA holds a scale-in."""

MOST_TRIED = 2.0
"""What is tried is at most so many times what was proven.  It is more than once because replicas
are sized for a high quantile of demand, so that the load seen stays below what is sized for."""

LOAD_S = 60
"""Demand is averaged over this time constant: slow requests of now are the fault of the queue that
the last minute built.  Against the slot's own demand the capacity of M/M/20 came out up to twice
as high as the load that it can carry for long (docs/capacity.md)."""

CALM, STRAINED = 0.03, 0.08
"""Shares of requests over half of the SLO between which exploring stays as it was (hysteresis); at
0.05 the 0.95 quantile is half of the SLO."""

NEAR = 0.7
"""Latency says something of the load that was proven when load is at least this share of it."""

RECOVERY = 6
"""Slots after an overload in which a flow's latency is the backlog's, not the load's."""

TOLD_S = 3600
"""How long a change of release is told of."""

UNITS: tuple[Unit, ...] = ("concurrency", "requests", "tokens")
"""What is learned in where the user does not say; the first stands until another is better."""

_NOUN = {"concurrency": "concurrent", "requests": "requests/s", "tokens": "tokens/s"}

_FADE_SLOTS = 6
_FADE = 0.5 ** (_FADE_SLOTS * STEP_S / HALF_LIFE_S)
_UNCROWDED = 0.85
"""Latency is held against what was learned up to this share of the capacity: above, it is the
queue's, and the queue's length is chance."""

_STRAIN_MEMORY = 1 / 12
_LOAD_PART = 1.0 - math.exp(-STEP_S / LOAD_S)
_MOST_RATIO = 2.0
"""The first guess after a slower release: half of the capacity, at the least."""


class Change(Struct, frozen=True, array_like=True):
    """A release that was noticed in slot ``slot``: latency ratio, capacity before and after."""

    slot: int
    ratio: float
    before: float | None
    after: float | None


class LearnerState(Struct, frozen=True, array_like=True):
    """A learner as a snapshot has it, without its window and spec."""

    slo_s: float
    units: tuple[Unit, ...]
    relations: list[RelationState]
    choice: ChoiceState
    release: ReleaseState
    ready: list[tuple[int, int]]
    demand: list[float]
    loads: list[float]
    next_slot: int | None
    steps: int
    strain: float
    calm: bool
    fine: float | None
    tried: float
    explored: int
    bad: tuple[int, list[float]]
    assumed: float | None
    value: float | None
    change: Change | None


class Learner:
    """Capacity of one workload, in one unit or in the best of several."""

    __slots__ = (
        "_assumed",
        "_bad",
        "_budget",
        "_calm",
        "_change",
        "_choice",
        "_demand",
        "_explored",
        "_fine",
        "_loads",
        "_meters",
        "_next",
        "_ready",
        "_relations",
        "_release",
        "_slo_s",
        "_steps",
        "_strain",
        "_tried",
        "_value",
        "_window",
        "units",
    )

    def __init__(self, window: Window, slo: Slo, units: Sequence[Unit]) -> None:
        """``units``: to learn in; the first is taken until another predicts better."""
        self.units = tuple(units)
        self._window = window
        self._slo_s = slo.latency_seconds
        self._budget = slo.violations
        self._meters = [DemandMeter(window, unit, patience_s=self._slo_s) for unit in self.units]
        self._choice = Choice(len(self.units))
        self._next: int | None = None
        self._ready = Ready()
        self._change: Change | None = None
        self._begin()

    def _begin(self) -> None:
        """Nothing is known of latency at any load."""
        self._relations = [Relation() for _ in self.units]
        self._release = ReleaseTest()
        self._demand: list[float] = []
        self._loads: list[float] = []
        self._steps = 0
        self._strain = STRAINED * 2
        self._calm = False
        self._fine: float | None = None
        self._tried = 0.0
        self._explored = 0
        self._bad: tuple[int, list[float]] = (0, [])
        self._assumed: float | None = None
        self._value: float | None = None

    @property
    def unit(self) -> Unit:
        """The unit that capacity is said in."""
        return self.units[self._choice.best]

    @property
    def value(self) -> float | None:
        """Demand in ``unit`` that a ready replica serves within the SLO; None: not enough seen."""
        return self._value

    @property
    def steps(self) -> int:
        """Slots with evidence so far."""
        return self._steps

    def words(self) -> str:
        """The capacity and what it rests on, or how far learning is."""
        steps, slo_s = self._steps, self._slo_s
        note = f"; {told}" if (told := self._note()) else ""
        if self._value is None:
            return (
                f"capacity per replica is being learned at {slo_s:g} s: {steps} steps seen, "
                f"{ENOUGH} and proof are needed{note}"
            )
        share = self._relations[self._choice.best].share(self._value) or 0.0
        return (
            f"learned: {self._value:.3g} {_NOUN[self.unit]} a replica at {slo_s:g} s "
            f"({steps} steps, {share:.1%} over{note})"
        )

    def respec(self, other: Learner) -> bool:
        """Take over what a learner of a new spec is asked for; False: it is of something else.

        Another budget at the same latency only judges anew what was seen.
        """
        if (self._slo_s, self.units) != (other._slo_s, other.units):  # noqa: SLF001 - its own kind
            return False
        self._budget = other._budget  # noqa: SLF001 - as above
        self._settle()
        return True

    def close(self, through: int, *, due: bool) -> bool:
        """Every second up to ``through`` is complete; ``due``: look at the slots that are over.

        True when another unit was chosen.
        """
        self._ready.look(self._window)
        if not due:
            return False
        last = (through + 1) // STEP_S - 1
        first = last if self._next is None else max(self._next, last - 6)
        before = self._choice.best
        for slot in range(first, last + 1):
            if slot % _FADE_SLOTS == 0:
                for relation in self._relations:
                    relation.fade(_FADE)
            seen = gather(self._window, slot, self._meters, self._slo_s, self._ready)
            if seen is None:
                self._demand = []
            else:
                self._learn(slot, seen)
        self._next = max(last + 1, first)
        return self._choice.best != before

    def _learn(self, slot: int, seen: Evidence) -> None:
        """Take in one slot."""
        held = self._demand
        self._demand = [
            held[at] + (demand - held[at]) * _LOAD_PART if held else demand
            for at, demand in enumerate(seen.demand)
        ]
        if not seen.steady:
            return
        loads = self._loads = [demand / seen.ready for demand in self._demand]
        weight = min(1.0, STEP_WEIGHT / seen.count)
        count, slow = seen.count * weight, seen.slow * weight
        bad = lower(seen.slow, seen.count) > self._budget
        backlog = self._backlog(bad=bad)
        if self._released(slot, seen, backlog=backlog):
            return
        shares = self._choice.wanted and [
            relation.share(load) if slow or relation.spoiled(load) else 0.0
            for relation, load in zip(self._relations, loads, strict=True)
        ]
        if shares and not any(backlog):
            self._choice.add(shares, slow, count)
        for relation, load, stale in zip(self._relations, loads, backlog, strict=True):
            if not stale:
                relation.add(load, count, slow, seen.pace)
        self._steps += 1
        self._settle()
        self._feel(seen)
        self._explore(slot)

    def _backlog(self, *, bad: bool) -> list[bool]:
        """For each unit whether latency is that of an overload that is over, not of this load.

        Concurrency counts the backlog itself; requests and tokens do not.
        """
        slots, loads = self._bad
        if not bad:
            self._bad = 0, []
            return [False] * len(self.units)
        if not loads:
            self._bad = 1, self._loads
            return [False] * len(self.units)
        stale = [
            slots <= RECOVERY and unit != "concurrency" and load < before
            for unit, load, before in zip(self.units, self._loads, loads, strict=True)
        ]
        highest = [max(pair) for pair in zip(self._loads, loads, strict=True)]
        self._bad = slots + 1, highest
        return stale

    def _released(self, slot: int, seen: Evidence, *, backlog: Sequence[bool]) -> bool:
        """Whether this slot shows that requests now take longer at the same load."""
        at = self._choice.best
        load = self._loads[at]
        expected = self._relations[at].reference(load)
        if expected is None or backlog[at] or load > _UNCROWDED * (self._fine or math.inf):
            return False
        ratio = self._release.add(seen.pace - expected)
        if ratio is None:
            return False
        before = self._value
        if ratio < 1.0:
            for relation, highest in zip(self._relations, self._loads, strict=True):
                relation.forget_above(max(relation.proven(self._budget) or highest, highest))
                relation.quicken(math.log(ratio))
            self._change = Change(slot, ratio, before, before)
            return False
        self._begin()
        if before is not None:
            self._assumed = self._value = before / min(ratio, _MOST_RATIO)
        self._change = Change(slot, ratio, before, self._value)
        return True

    def _feel(self, seen: Evidence) -> None:
        """Whether latency is far under the SLO at loads near what was proven."""
        if self._fine is not None and self._loads[self._choice.best] < NEAR * self._fine:
            return
        self._strain += (seen.late / seen.count - self._strain) * _STRAIN_MEMORY
        self._calm = self._strain < (STRAINED if self._calm else CALM)

    def _settle(self) -> None:
        """What the evidence says."""
        relation = self._relations[self._choice.best]
        fine, broken = relation.proven(self._budget), relation.broken(self._budget)
        most = math.inf if broken is None else broken / EXPLORE
        assumed = self._assumed
        self._fine = fine
        if fine is None:
            value = None if assumed is None else min(assumed, most)
        elif self._steps < ENOUGH and assumed is None:
            value = None
        else:
            if broken is not None:
                self._assumed = assumed = None
            self._tried = max(min(max(self._tried, assumed or 0.0), MOST_TRIED * fine, most), fine)
            value = self._tried if broken is None else min(self._tried, broken)
        self._value = value

    def _explore(self, slot: int) -> None:
        """One small step more, where latency allows it and the load of now is proven."""
        fine, load = self._fine, self._loads[self._choice.best]
        if self._value is None or fine is None or not self._calm:
            return
        if slot < self._explored + PATIENCE or not NEAR * fine <= load <= EXPLORE * fine:
            return
        self._explored = slot
        self._tried = self._value * EXPLORE
        self._settle()

    def _note(self) -> str:
        """What there is to say of a release."""
        change = self._change
        if change is None or self._next is None or (self._next - change.slot) * STEP_S > TOLD_S:
            return ""
        times = f"latency at the same load is {change.ratio:.1f} times what it was"
        if change.ratio < 1:
            return f"a new release is faster: {times}"
        if change.before is None or change.after is None:
            return f"a new release is slower: {times}"
        now = change.after if self._value is None else self._value
        return f"a new release is slower: {times}, capacity {change.before:.3g} -> {now:.3g}"

    def state(self) -> LearnerState:
        """All that is remembered."""
        return LearnerState(
            slo_s=self._slo_s,
            units=self.units,
            relations=[relation.state() for relation in self._relations],
            choice=self._choice.state(),
            release=self._release.state(),
            ready=self._ready.seen,
            demand=self._demand,
            loads=self._loads,
            next_slot=self._next,
            steps=self._steps,
            strain=self._strain,
            calm=self._calm,
            fine=self._fine,
            tried=self._tried,
            explored=self._explored,
            bad=self._bad,
            assumed=self._assumed,
            value=self._value,
            change=self._change,
        )

    @classmethod
    def restored(cls, window: Window, slo: Slo, state: LearnerState) -> Learner:
        """The learner of a state.  Raises ``ValueError`` where it cannot be one."""
        made = cls(window, slo, state.units)
        made._relations = [Relation.restored(held) for held in state.relations]
        made._choice = Choice.restored(state.choice)
        if not len(made._relations) == len(state.units) == len(state.choice.losses):
            raise ValueError(f"{len(made._relations)} relations of {len(state.units)} units")
        made._release = ReleaseTest.restored(state.release)
        made._ready.seen = state.ready
        made._demand, made._loads, made._next = state.demand, state.loads, state.next_slot
        made._steps, made._strain, made._calm = state.steps, state.strain, state.calm
        made._fine, made._tried, made._explored = state.fine, state.tried, state.explored
        made._bad, made._assumed = state.bad, state.assumed
        made._value, made._change = state.value, state.change
        return made

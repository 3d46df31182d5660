"""Mix: what a replica serves, of a workload as a whole and of each of its variants.

Rule: what is given is used as it is.  Variants count as they were learned once all that are ready
are known; until then all replicas count as the workload's own relation says.  Traffic goes where it
goes: the variant that comes to its capacity first says what the others may count for.
Flow: Window, Parts -> Learners -> Mix -> Serves -> Scaler.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

from msgspec import Struct

from models.capacity.asked import learner_for
from models.capacity.learner import Learner, LearnerState
from models.capacity.traffic import Traffic, TrafficState
from models.demand import DemandMeter, Unit
from models.domain.spec import ScalerSpec
from models.parts import Parts
from models.serves import Serves
from models.window import Window


class MixState(Struct, frozen=True, array_like=True):
    """A mix as a snapshot has it, without its window and spec."""

    whole: LearnerState | None
    apart: dict[str, LearnerState]
    traffic: TrafficState


class Mix:
    """Of one workload.  Capacities are in ``unit``."""

    __slots__ = ("_apart", "_spec", "_traffic", "_window", "whole")

    def __init__(self, window: Window, spec: ScalerSpec) -> None:
        """Knows what is given."""
        self._window = window
        self._spec = spec
        self.whole = learner_for(window, spec)
        """Of all replicas together; None: what they serve is given, or there is no SLO."""
        self._apart: dict[str, Learner] = {}
        self._traffic = Traffic()

    @property
    def unit(self) -> Unit:
        """The unit that capacity is said in."""
        return self._spec.demand.unit if self.whole is None else self.whole.unit

    def respec(self, spec: ScalerSpec) -> None:
        """A new spec: what was learned stays, unless it is of something else."""
        learner = learner_for(self._window, spec)
        if learner is None or self.whole is None or not self.whole.respec(learner):
            self.whole = learner
        self._spec = spec
        for name, held in list(self._apart.items()):
            fresh = self._learner(held.window)
            if fresh is None or not held.respec(fresh):
                del self._apart[name]

    def _learner(self, window: Window) -> Learner | None:
        """Who learns of one variant; None: nothing is to be learned."""
        slo = self._spec.slo
        return (
            None
            if self.whole is None or slo is None
            else Learner(window, slo, (self.unit,), moves=True)
        )

    def close(self, through: int, *, due: bool) -> bool:
        """Every second up to ``through`` is complete; ``due``: look at the slots that are over.

        True when another unit was chosen.
        """
        changed = self.whole is not None and self.whole.close(through, due=due)
        parts = self._window.parts
        if parts is None or len(self._spec.variants) <= 1 or self._unknown():
            if self._apart or self._traffic.known:
                self._apart, self._traffic = {}, Traffic()
            return changed
        self._tell_apart(parts)
        first = self._traffic.first(self.capacities(), self._ready())
        for name, learner in self._apart.items():
            lost = partial(parts.lost, self._window, name)
            learner.close(through, due=due, lost=lost, tries=name in first)
        if due:
            self._traffic.close(self._window, parts, self._meter(), through)
        return changed

    def _unknown(self) -> bool:
        """Whether nothing is known of variants, nor ever will be: not given, and nobody learns."""
        return self.whole is None and len(self._given()) < len(self._spec.variants)

    def _meter(self) -> DemandMeter:
        """What the workload's demand is measured by."""
        if self.whole is not None:
            return self.whole.meter
        slo = self._spec.slo
        patience_s = None if slo is None else slo.latency_seconds
        return DemandMeter(self._window, self.unit, patience_s=patience_s)

    def _tell_apart(self, parts: Parts) -> None:
        """Have a learner for each variant that is told of and not given, in the unit of now."""
        given = self._given()
        for name, window in parts.windows.items():
            held = self._apart.get(name)
            if held is None or held.window is not window or held.unit != self.unit:
                fresh = None if name in given else self._learner(window)
                if fresh is not None:
                    self._apart[name] = fresh
        for name in [name for name in self._apart if name in given or name not in parts.windows]:
            del self._apart[name]
        self._traffic.of(self.unit, parts.windows)

    def _given(self) -> dict[str, float]:
        """What a replica of a variant is said to serve."""
        spec = self._spec
        said = {each.name: each.per_replica or spec.demand.per_replica for each in spec.variants}
        return {name: value for name, value in said.items() if value is not None}

    def capacities(self) -> dict[str, float]:
        """What a replica serves within the SLO, by variant: given or learned, where it is known."""
        learned = {name: held.value for name, held in self._apart.items() if held.value is not None}
        return learned | self._given()

    def serves(self) -> Serves | None:
        """What replicas serve; None: it is not known."""
        spec = self._spec
        given, variants = spec.demand.per_replica, spec.variants
        if variants:
            said = self._given()
            if len(variants) == 1:
                given = said.get(variants[0].name)
            else:
                counted = self._counted(said)
                if counted is not None:
                    return self._mixed(counted)
        if given is not None:
            return Serves(given)
        learned = None if self.whole is None else self.whole.value
        return None if learned is None else Serves(learned)

    def _mixed(self, counted: dict[str, float]) -> Serves:
        """Of several variants, by what one of each counts for."""
        reported, variants = self._window.replicas, self._spec.variants
        desired = {name: reported[name].desired for name in counted if name in reported}
        total = sum(desired.values())
        sums = math.fsum(counted[name] * number for name, number in desired.items())
        each = sums / total if total else counted[variants[0].name]
        return Serves(each, counted, variants, reported)

    def _counted(self, given: Mapping[str, float]) -> dict[str, float] | None:
        """What a replica of each variant counts for; None: not all that are ready are known."""
        names = [variant.name for variant in self._spec.variants]
        given_all = len(given) == len(names)
        if not self._apart and not given_all:
            return None
        ready = self._ready() & set(names)
        counts = self._traffic.counted(names, self.capacities(), ready)
        return dict(given) if counts is None and given_all else counts

    def _ready(self) -> set[str]:
        """Variants that have replicas that serve."""
        return {name for name, gauge in self._window.replicas.items() if gauge.ready}

    def words(self) -> str:
        """What a replica serves and what that rests on, or how far learning is."""
        serves = self.serves()
        if serves is None or not serves.counted:
            given = None if serves is None or self._learns else serves.each
            if given is not None:
                return f"{given:g} a replica"
            return "capacity per replica is not given" if self.whole is None else self.whole.words()
        known = self.capacities()
        return "; ".join(self._of(name, serves.counted[name], known) for name in serves.counted)

    @property
    def _learns(self) -> bool:
        """Whether the workload's capacity is learned: nobody gave it."""
        spec = self._spec
        only = spec.variants[0].per_replica if len(spec.variants) == 1 else None
        return only is None and spec.demand.per_replica is None

    def _of(self, name: str, counted: float, known: Mapping[str, float]) -> str:
        """The words of one variant."""
        learner, serves = self._apart.get(name), known.get(name)
        if serves is None:
            return f"{name}: not known, counted with {counted:.3g} as the others"
        told = f"{serves:g} a replica" if learner is None else learner.words()
        less = counted < NEARLY * serves
        return f"{name}: {told}" + (
            f", and counts for {counted:.3g} as traffic is shared now" if less else ""
        )

    def state(self) -> MixState:
        """All that is remembered."""
        return MixState(
            whole=None if self.whole is None else self.whole.state(),
            apart={name: held.state() for name, held in self._apart.items()},
            traffic=self._traffic.state(),
        )

    def restore(self, state: MixState) -> None:
        """Take up what was remembered.  Raises ``ValueError`` where it cannot be of this."""
        slo, parts = self._spec.slo, self._window.parts
        self._traffic = Traffic(state.traffic)
        if slo is None or state.whole is None:
            return
        self.whole = Learner.restored(self._window, slo, state.whole)
        for name, held in state.apart.items():
            if parts is not None and name in parts.windows:
                self._apart[name] = Learner.restored(parts.windows[name], slo, held)


NEARLY = 0.95
"""What a variant counts for is told beside what it serves where it is less than this share."""

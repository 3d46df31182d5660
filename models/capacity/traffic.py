"""Traffic: how a workload's demand is shared among replicas of its variants.

Rule: by what ended in the last ten minutes or so, per ready replica; a slot in which too few of the
requests name their variant says nothing, and after ten minutes of such slots nothing is known.
Flow: Parts -> Traffic -> Mix.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from models.capacity.exploring import EXPLORE
from models.demand import DemandMeter, Unit
from models.grid import STEP_S
from models.parts import Parts
from models.variants import counted
from models.window import Window

MEMORY_S = 600
"""Shares are averaged over as long, exponentially: of 5 requests/s, to about 2 %."""

IDLE = 0.1
"""A replica of a variant that gets no traffic counts for so much of the others' mean: it serves
nobody now, and more of them would not help, until traffic goes there."""

STEADY = 2
"""Looks that replicas must have been the same for: the slot began up to two of them before."""

_NONE = 0.01
"""Of the mean replica's load: less is no traffic."""

_MEMORY = MEMORY_S // STEP_S


class TrafficState(Struct, frozen=True, array_like=True):
    """Traffic as a snapshot has it."""

    unit: Unit | None = None
    loads: dict[str, float] = {}
    seen: dict[str, int] = {}
    ready: dict[str, int] = {}
    steady: int = 0
    surplus: float = 1.0
    untold: int = 0


class Traffic:
    """By variant.  Loads are relative: a replica's demand over that of the mean replica."""

    __slots__ = ("_loads", "_ready", "_seen", "_steady", "_surplus", "_unit", "_untold")

    def __init__(self, state: TrafficState | None = None) -> None:
        """``state`` is what ``state`` gave."""
        held = state or TrafficState()
        self._unit, self._loads, self._surplus = held.unit, dict(held.loads), held.surplus
        self._seen = dict(held.seen)
        """Slots that a load is the mean of, ``_MEMORY`` at most."""
        self._ready = dict(held.ready)
        """Replicas when the last slot was looked at."""
        self._steady = held.steady
        """Looks since these were others."""
        # The demands of variants sum up to a little more than the whole's: each is the highest mean
        # within a slot, and theirs need not come together.
        self._untold = held.untold
        """Slots with demand, the newest, in which nobody told whose it was."""

    def of(self, unit: Unit, variants: Iterable[str]) -> None:
        """From now on in ``unit``, of ``variants``."""
        kept = set(variants)
        if unit != self._unit:
            self._unit, self._loads, self._seen = unit, {}, {}
        elif not self._loads.keys() <= kept:
            self._loads = {name: load for name, load in self._loads.items() if name in kept}
            self._seen = {name: number for name, number in self._seen.items() if name in kept}

    @property
    def known(self) -> bool:
        """Whether anything is remembered."""
        return self._unit is not None

    def close(self, whole: Window, parts: Parts, meter: DemandMeter, through: int) -> None:
        """Learn from the last slot that is over with second ``through``.

        ``meter`` is of the ``whole``.
        """
        slot = (through + 1) // STEP_S - 1
        demand = meter.step(slot)
        ready = {name: counted(window.replicas).ready for name, window in parts.windows.items()}
        self._steady = self._steady + 1 if ready == self._ready else 0
        self._ready = ready
        if not demand or not whole.total("finished", slot * STEP_S, slot * STEP_S + STEP_S - 1):
            return
        found = self._told(whole, parts, meter, slot)
        self._untold = 0 if found else self._untold + 1
        if not found:
            if self._untold * STEP_S >= MEMORY_S:
                self._loads, self._seen = {}, {}
            return
        if self._steady < STEADY:
            return  # Where replicas came or went, nobody knows how many there were in the mean.
        mean = demand / sum(ready.values())
        for name, load in found.items():
            number = self._seen[name] = min(self._seen.get(name, 0) + 1, _MEMORY)
            held = self._loads.get(name, 0.0)
            self._loads[name] = held + (load / mean - held) / number
        surplus = math.fsum(found[name] * ready[name] for name in found) / demand
        self._surplus += (surplus - self._surplus) / _MEMORY

    def _told(self, whole: Window, parts: Parts, meter: DemandMeter, slot: int) -> dict[str, float]:
        """Demand per ready replica in a slot by variant, of those ready; empty: not told."""
        begin, end = slot * STEP_S, slot * STEP_S + STEP_S - 1
        found: dict[str, float] = {}
        for name, window in parts.windows.items():
            serving = self._ready[name]
            if not serving:
                continue
            own = DemandMeter(window, meter.unit, patience_s=meter.window_s).step(slot)
            if own is None or parts.lost(whole, name, begin, end) is None:
                return {}
            found[name] = own / serving
        return found

    def counted(
        self, names: Sequence[str], known: Mapping[str, float], ready: Collection[str]
    ) -> dict[str, float] | None:
        """What a replica of each of ``names`` counts for, of those ``known`` by what they serve.

        All of them together count for the demand at which the first is at its capacity, with
        traffic shared as it is now.  ``a`` serves 8 and ``b`` 4: where ``a`` gets twice as much
        traffic, that is what they count for; where both get the same, 4 each.  None counts for more
        than it serves.  None: one that is ``ready`` is not known, or none is.
        """
        loads = {name: load for name, load in self._loads.items() if name in known}
        if not loads or any(name not in loads for name in ready):
            return None
        busy = {
            name: load
            for name, load in loads.items()
            if load > _NONE and (name in ready or not ready)
        }
        if not busy:
            return None
        scale = min(known[name] / load for name, load in busy.items()) / self._surplus
        mean = math.fsum(scale * load for load in busy.values()) / len(busy)
        counts = {
            name: max(scale * loads[name], IDLE * mean) if name in loads else mean for name in names
        }
        return {name: min(value, known.get(name, value)) for name, value in counts.items()}

    def first(self, known: Mapping[str, float], ready: Collection[str]) -> Collection[str]:
        """Those ``ready`` that come to their capacity first, or nearly so, or are not known.

        More than is known of others need not be tried: nothing is sized by it.
        """
        room = {
            name: known[name] / load
            for name, load in self._loads.items()
            if name in ready and name in known and load > _NONE
        }
        least = min(room.values(), default=0.0)
        return {name for name in ready if room.get(name, 0.0) <= EXPLORE * least}

    def state(self) -> TrafficState:
        """All that is remembered."""
        return TrafficState(
            unit=self._unit,
            loads=self._loads,
            seen=self._seen,
            ready=self._ready,
            steady=self._steady,
            surplus=self._surplus,
            untold=self._untold,
        )

"""Tenants: a forecast for each tenant that counts, summed where tenants carry the variance.

Rule: a few tenants by name and the rest as one; each is a weighted mean of its last value and its
averages, and learns of which in its own scale, from a few promises; the order of names is no
matter, and who is not told of in a step that names all had no demand in it.
Source: Kivinen and Warmuth, *Exponentiated gradient versus gradient descent for linear
predictors*, Information and Computation 132 (1997), here of the absolute error; a share of all
weight goes back to the prior, as in ``mixture.py``.
Flow: Forecaster.close -> Tenants -> the expert "tenants".
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from operator import add, mul
from struct import Struct as Packing

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.forecasting.grid import gain, keep
from models.forecasting.levels import HALF_LIVES_S
from models.forecasting.named import Named, NamedState
from models.planes import lined, planes
from models.sums import OTHER_TENANTS

IN_FLIGHT = 2
"""Promises in flight: more tell hardly more, and each is 120 bytes of a snapshot."""

APART_S = 60.0
"""Promises are made no closer than this: those between tell much the same."""

RATE = 0.1
"""Learning rate of one promise."""

HALF_LIFE_S = 86_400.0
"""Of the mean change that is a tenant's scale, and in which half of its weight goes back."""

FURTHEST = 6.0
"""Scales that a distance is cut at when it is learned from: one burst does not end an average."""

LARGEST = 1e30
"""Demand beyond which nothing is said: 32 bits hold up to 3e38."""

SMALL = 0.01
"""Of all demand: who had less of it in the last minute, and is not known now, had none."""

GONE_S = 600.0
"""After so long without a step that told of all who were larger, so is who is not in the next: the
first of a step have names, and who is large is hardly ever late so often."""

_COUNT = len(HALF_LIVES_S)
_HOUR = _COUNT - 1
_WHOLE = 65_535
"""A weight of one, in 16 bits."""

_STEP = RATE * FURTHEST

_PRIOR = [_WHOLE // (2 * _COUNT)] * _COUNT
"""Of the averages; the last value has the other half."""


class TenantsState(Struct, frozen=True, array_like=True):
    """Tenants as a snapshot has them; numbers of the rest first, then by name, as planes."""

    named: NamedState
    averages: bytes
    scales: bytes
    weights: bytes
    promises: bytes
    age_s: float
    learned: tuple[int, int, int]
    """(newest step, labels, step of the newest label)"""


def several(values: Mapping[str, float], total: float) -> bool:
    """Whether ``total`` is of two tenants or more; those who are not named are one."""
    named = [value for value in values.values() if value > 0.0]
    return len(named) > 1 or 0.0 < math.fsum(named) < total * (1.0 - 1e-9)


class Tenants:
    """Of one workload.  Memory: the rest and ``named.MOST`` tenants, ``IN_FLIGHT`` promises."""

    __slots__ = (
        "_age_s",
        "_averages",
        "_labelled",
        "_labels",
        "_named",
        "_promises",
        "_scales",
        "_step",
        "_weights",
    )

    def __init__(self, state: TenantsState | None = None) -> None:
        """``state`` is what ``state`` gave.  Raises ``ValueError``: it is not whole."""
        self._named = Named(state.named if state else None)
        self._averages = array("f", lined(state.averages, 4) if state else bytes(4 * _COUNT))
        """By part and half-life; the first part is the rest."""
        self._scales = array("f", lined(state.scales, 4) if state else bytes(4))
        """Mean change until the horizon by part, in demand; 0: nothing learned."""
        self._weights = array("H", lined(state.weights, 2) if state else array("H", _PRIOR))
        """Of the averages by part, of ``_WHOLE``; the last value has what is left."""
        parts = len(self._named.names) + 1
        counts = (len(self._averages), len(self._scales), len(self._weights))
        if counts != (parts * _COUNT, parts, parts * _COUNT):
            raise ValueError(f"{counts} numbers are not those of {parts} parts")
        self._promises = bytearray(lined(state.promises, _packing(parts).size) if state else b"")
        self._age_s = state.age_s if state else 0.0
        self._step, self._labels, self._labelled = state.learned if state else (-1, 0, -1)

    def state(self) -> TenantsState:
        """All that was learned and promised."""
        return TenantsState(
            named=self._named.state(),
            averages=planes(self._averages.tobytes(), 4),
            scales=planes(self._scales.tobytes(), 4),
            weights=planes(self._weights.tobytes(), 2),
            promises=planes(self._promises, _packing(len(self._scales)).size),
            age_s=self._age_s,
            learned=(self._step, self._labels, self._labelled),
        )

    def close(
        self, step: int, values: Mapping[str, float], total: float, ahead: int, step_s: int
    ) -> float:
        """The change until ``ahead`` steps later, in demand; NaN: there are fewer than two.

        ``values`` is demand by tenant in step ``step``, of which ``total`` is the whole: what they
        lack is the rest's.  Where ``OTHER_TENANTS`` has a part of it, who is not in it is not known
        to have had none, unless it is ``SMALL`` or ``GONE_S`` have passed.  A step that is left
        out is a gap.
        """
        whole = OTHER_TENANTS not in values
        gone = step_s * (step - self._step) >= GONE_S
        known = whole or gone or self._unknown(values) <= SMALL * total
        if not known or not total <= LARGEST:
            return math.nan
        values = {name: value for name, value in values.items() if 0.0 < value <= total}
        values.pop(OTHER_TENANTS, None)
        elapsed_s = float(step_s * max(step - self._step, 1) if self._age_s else step_s)
        self._step = step
        self._join(values)
        parts = self._parts(values, total)
        self._learn(step, parts, step_s)
        near = self._averages[_COUNT::_COUNT]
        taken = self._named.watch(values, near, elapsed_s, whole=whole)
        if taken is not None:
            self._hand_over(*taken)
            parts = self._parts(values, total)
        away = self._average(parts, elapsed_s)
        apart = max(-(-ahead // IN_FLIGHT), min(round(APART_S / step_s), ahead), 1)
        if step % apart == 0:
            self._promise(step + ahead, parts, away)
        if len(parts) - (self._averages[_HOUR] == 0.0) < 2:  # noqa: PLR2004 - a sum is of two
            return math.nan
        return float(sum(map(mul, self._weights, away)) / _WHOLE)

    def _unknown(self, values: Mapping[str, float]) -> float:
        """Demand of the last minute of those with a name who are not in ``values``."""
        near = self._averages[_COUNT::_COUNT]
        return math.fsum(
            average
            for name, average in zip(self._named.names, near, strict=True)
            if name not in values
        )

    def _parts(self, values: Mapping[str, float], total: float) -> list[float]:
        """Demand by part: the rest first."""
        named = [values.get(name, 0.0) for name in self._named.names]
        return [max(total - math.fsum(named), 0.0), *named]

    def _join(self, values: Mapping[str, float]) -> None:
        """Those who are new and get a name had no demand until now."""
        joined = self._named.join(values)
        if joined:
            self._averages.extend([0.0] * (_COUNT * joined))
            self._weights.extend(_PRIOR * joined)
            self._scales.extend([0.0] * joined)
            self._promises.clear()

    def _hand_over(self, place: int, average: float) -> None:
        """The name at ``place`` is another's, who was of the rest and had ``average``."""
        averages, weights = self._averages, self._weights
        at = (place + 1) * _COUNT
        for rest in range(_COUNT):
            averages[rest] = max(averages[rest] + averages[at + rest] - average, 0.0)
            averages[at + rest] = average
            weights[at + rest] = weights[rest]
        self._scales[place + 1] = 0.0
        self._promises.clear()

    def _average(self, parts: list[float], elapsed_s: float) -> list[float]:
        """Take values into the averages; how far they are from them now.

        As ``Levels`` does, but that no other level is looked for: one tenant's is noise more often.
        """
        self._age_s = age_s = self._age_s + elapsed_s
        past = [1.0 - gain(half_life_s, elapsed_s, age_s) for half_life_s in HALF_LIVES_S]
        spread = [value for value in parts for _ in past]
        away = [
            (average - value) * kept
            for average, value, kept in zip(self._averages, spread, past * len(parts), strict=True)
        ]
        self._averages = array("f", map(add, spread, away))
        return away

    def _promise(self, due: int, parts: list[float], away: list[float]) -> None:
        """One; those due later are withdrawn, as in ``Promises.add``."""
        packing, promises = _packing(len(parts)), self._promises
        size = packing.size
        while promises and int.from_bytes(promises[-size : 8 - size], "little", signed=True) > due:
            del promises[-size:]
        if len(promises) >= IN_FLIGHT * size:
            return
        unit = max(*away, -min(away), 1.0 / LARGEST)
        promises += packing.pack(due, unit, *parts, *[each / unit for each in away])

    def _learn(self, step: int, parts: list[float], step_s: int) -> None:
        """Settle the promise of this step; those of steps before it were of gaps."""
        promises, size = self._promises, _packing(len(parts)).size
        while promises and (due := int.from_bytes(promises[:8], "little", signed=True)) <= step:
            if due == step:
                self._settle(step, parts, bytes(promises[8:size]), step_s)
            del promises[:size]

    def _settle(self, step: int, values: list[float], promise: bytes, step_s: int) -> None:
        """Learn of ``values`` by part, of which ``promise`` was made.

        All weights go down the gradient of the absolute error, and back to the prior.
        """
        parts = len(values)
        unit, *last = np.frombuffer(promise, "<f4", parts + 1).tolist()
        packed = np.frombuffer(promise, "<f2", parts * _COUNT, 4 + 4 * parts)
        distances = packed.astype(float) * unit
        elapsed_s = float(step_s * (step - self._labelled) if self._labels else step_s)
        self._labels += 1
        self._labelled = step
        kept = keep(HALF_LIFE_S, elapsed_s)
        share = max(1.0 - kept, 1.0 / self._labels)
        weights = np.array(self._weights, dtype=float)
        said = _by_part(weights * distances).tolist()
        changes = [value - before for value, before in zip(values, last, strict=True)]
        scales = [
            scale + share * (abs(change) - scale) if scale > 0.0 else abs(change)
            for scale, change in zip(self._scales, changes, strict=True)
        ]
        self._scales = array("f", scales)
        rates = [
            RATE * _sign(change - each / _WHOLE) / scale if scale > 0.0 else 0.0
            for scale, change, each in zip(scales, changes, said, strict=True)
        ]
        steps = distances * np.array(rates).repeat(_COUNT)
        held = weights * np.exp(np.minimum(np.maximum(steps, -_STEP), _STEP))
        whole = _by_part(held) + _WHOLE - _by_part(weights)
        held *= (kept * _WHOLE / whole).repeat(_COUNT)
        held += (1.0 - kept) * _PRIOR[0]
        self._weights = array("H", np.rint(held).astype(np.uint16).tobytes())


def _by_part(each: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over the averages of each part."""
    sums: NDArray[np.float64] = np.add.reduce(each.reshape(-1, _COUNT), 1)
    return sums


def _sign(value: float) -> int:
    return (value > 0.0) - (value < 0.0)


_PACKINGS: dict[int, Packing] = {}


def _packing(parts: int) -> Packing:
    """Of a promise: when it is due, a unit, values by part, distances of the averages in units."""
    if parts not in _PACKINGS:
        _PACKINGS[parts] = Packing(f"<qf{parts}f{parts * _COUNT}e")
    return _PACKINGS[parts]

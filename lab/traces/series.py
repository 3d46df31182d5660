"""A series: demand in equal steps, where single requests are not known.

Rule: a step nobody measured is missing (NaN), never zero; values keep the unit of their file.
Flow: file -> Series -> compose -> the fluid plant.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lab.traces.arrival import Arrival, TraceError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MOST_PER_S = 1e9
"""Demand of one service in a second that is taken for an odd value: telemetry counts to 4e9."""

LEAST_STEPS = 4
"""Two to learn from and two to be scored on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """Demand by step.

    ``values`` (n,) is what each step counted, NaN where nobody did; ``step_s`` whole seconds.
    ``tenants``, where known, are parts of it by name, each (n,).  ``silent`` (n,) marks steps in
    which demand went on but telemetry did not (None: in none).  ``seconds`` (n · step_s,) is what
    each second of the steps counted, where that is known.  ``form`` is the format of the file that
    it was read from; None: from none.  ``replaced`` counts rows of that file for which a later
    one of the same step stands, ``begun`` requests in a last step that was not over.
    """

    name: str
    step_s: int
    values: Floats
    tenants: Mapping[str, Floats] = field(default_factory=dict)
    silent: Bools | None = None
    seconds: Floats | None = None
    form: str | None = None
    replaced: int = 0
    begun: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be demand."""
        if self.step_s < 1:
            raise TraceError(f"{self.name}: a step of {self.step_s} s; at least 1 s is needed")
        if len(self.values) < LEAST_STEPS:
            raise TraceError(
                f"{self.name}: {len(self.values)} steps of {self.step_s} s; at least {LEAST_STEPS} "
                "are needed: one half is learned from, the other is scored"
            )
        if np.isinf(self.values).any() or (self.values < 0).any():
            raise TraceError(f"{self.name}: a value is negative or infinite; demand is neither")
        largest = np.fmax.reduce(self.values)  # NaN where nobody measured anything.
        if largest > MOST_PER_S * self.step_s:
            raise TraceError(
                f"{self.name}: a value of {largest:g} in {self.step_s} s is more than "
                f"{MOST_PER_S:g} a second, which is no demand; is it in another unit?"
            )
        parts = [*self.tenants.values(), *([] if self.silent is None else [self.silent])]
        if any(len(part) != len(self.values) for part in parts):
            raise TraceError(f"{self.name}: a part has another number of steps than the whole")
        if self.seconds is not None and len(self.seconds) != len(self.values) * self.step_s:
            raise TraceError(f"{self.name}: its seconds are not those of its steps")

    @property
    def length_s(self) -> int:
        """All steps together, seconds."""
        return len(self.values) * self.step_s

    @property
    def half(self) -> int:
        """The first step that is scored; those before it are warm-up."""
        return len(self.values) // 2

    @property
    def whole(self) -> bool:
        """Whether every value is a whole number: a count, which can be spread as arrivals."""
        known = self.values[~np.isnan(self.values)]
        return bool((known == np.round(known)).all())

    def first(self, hours: float) -> Series:
        """Its first ``hours``, all of it if it is shorter."""
        steps = int(hours * 3600 // self.step_s)
        return dataclasses.replace(
            self,
            values=self.values[:steps],
            tenants={name: values[:steps] for name, values in self.tenants.items()},
            silent=None if self.silent is None else self.silent[:steps],
            seconds=None if self.seconds is None else self.seconds[: steps * self.step_s],
        )


def series_of(arrivals: Sequence[Arrival], *, step_s: int, name: str) -> Series:
    """Requests counted by step; the last step is left out unless it is over.

    Arrivals at 0, 30, 61 and 119.5 s by steps of 60 s are one step, of 2.
    """
    times = np.array([arrival.at_s for arrival in arrivals])
    steps = max(math.floor(float(times.max(initial=0.0)) / step_s), 0)
    counts = np.bincount((times // step_s).astype(np.int64), minlength=steps)
    values, begun = counts[:steps].astype(np.float64), int(counts[steps:].sum())
    return Series(name=name, step_s=step_s, values=values, begun=begun)

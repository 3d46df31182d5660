"""Telemetry on its way: some of it lost, late, twice, or held up by an outage.

Rule: the service is not touched, only what is heard of it; all chance comes from a seed.
Flow: Plant.advance -> Delivery.send -> Delivery.receive -> controller.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass

from lab.plant.events import PlantEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """From ``at`` (the events' clock) for ``length_s`` nothing is heard.

    ``lost``: never; else all of it at the end, in the order it was sent.
    """

    at: float
    length_s: float
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryFaults:
    """Shares are 0 to 1 of events, each drawn for itself; a duplicate is late for itself too.

    A late event comes after an exponential time with mean ``late_s``, so order is lost.
    """

    lost: float = 0.0
    late: float = 0.0
    late_s: float = 5.0
    duplicated: float = 0.0
    outages: tuple[Outage, ...] = ()

    def __post_init__(self) -> None:
        for name in ("lost", "late", "duplicated"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}, 0 to 1 was expected")
        if not 0 < self.late_s < math.inf:
            raise ValueError(f"late_s is {self.late_s!r}, a finite time above 0 was expected")


class Delivery:
    """The path.  ``lost``, ``late`` and ``duplicated`` count what it did, copies each.

    Late are those with a delay of their own, not those held up by an outage.
    """

    def __init__(self, faults: TelemetryFaults, *, seed: int) -> None:
        self.lost = 0
        self.late = 0
        self.duplicated = 0
        self._faults = faults
        self._chance = random.Random(f"{seed} telemetry")  # noqa: S311 - seeded chance
        self._order = itertools.count()
        self._under_way: list[tuple[float, int, PlantEvent]] = []

    def send(self, events: Iterable[PlantEvent]) -> None:
        """Events as they happened, in order."""
        faults, chance = self._faults, self._chance
        for event in events:
            # Always the same draws, so that one more fault does not change the others.
            lost, twice = chance.random() < faults.lost, chance.random() < faults.duplicated
            delays = [self._delay_s(), self._delay_s()]
            if lost:
                self.lost += 1
                continue
            self.duplicated += twice
            for delay_s in delays[: 1 + twice]:
                self.late += delay_s > 0
                self._put(event, event.at + delay_s)

    def receive(self, now: float) -> list[PlantEvent]:
        """What is heard up to ``now`` and was not before, in the order in which it is heard."""
        heard = []
        while self._under_way and self._under_way[0][0] <= now:
            heard.append(heapq.heappop(self._under_way)[2])
        return heard

    def _delay_s(self) -> float:
        late, share = self._chance.random() < self._faults.late, self._chance.random()
        return -self._faults.late_s * math.log(1.0 - share) if late else 0.0

    def _put(self, event: PlantEvent, at: float) -> None:
        for outage in self._faults.outages:
            if outage.at <= at < outage.at + outage.length_s:
                if outage.lost:
                    self.lost += 1
                    return
                at = outage.at + outage.length_s
        heapq.heappush(self._under_way, (at, next(self._order), event))

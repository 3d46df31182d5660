"""The plant's mechanics: arrivals, a gateway queue, replicas with slots, start-ups, draining.

Rule: events in order of time, then of making; ``advance`` may be called as often as one likes
without changing what happens.
Flow: arrivals -> Plant.advance -> PlantEvents; Plant.scale <- controller.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lab.kubeapi.cluster import PodView
from lab.plant.account import Account
from lab.plant.parameters import PlantParameters
from lab.traces import Arrival


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A request arrived at the gateway; its prompt is known, its completion is not."""

    at: float
    tokens_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A request ended.  ``latency_s`` counts from its arrival; ``pod`` None: it was dropped."""

    at: float
    latency_s: float
    tokens_in: int
    tokens_out: int
    pod: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """What one ready pod reports of itself; ``queue_depth`` is its share of the gateway's queue."""

    at: float
    pod: str
    in_flight: int
    queue_depth: int
    busy_ratio: float


PlantEvent = Started | Finished | Gauge


@dataclass(slots=True)
class _Replica:
    name: str
    uid: str
    created_at: float
    ready_at: float
    ready: bool = False
    draining: bool = False
    busy: int = 0


@dataclass(frozen=True, slots=True)
class _Request:
    arrived_at: float
    arrival: Arrival


class Plant:
    """One service.  ``begin`` is Unix seconds of the trace's first arrival."""

    def __init__(
        self,
        arrivals: Sequence[Arrival],
        parameters: PlantParameters,
        *,
        seed: int,
        begin: float,
        name: str = "replica",
    ) -> None:
        """``initial_replicas`` are ready at once."""
        self.parameters = parameters
        self.account = Account(slo_s=parameters.slo_s)
        self.begin = begin
        self.now = begin
        self.changes = 0
        """Rises with every change of replicas, for whoever mirrors them."""
        self._name = name
        self._chance = random.Random(seed)  # noqa: S311 - a simulation's seeded chance
        self._numbers = itertools.count(1)
        self._order = itertools.count()
        self._future: list[tuple[float, int, Callable[[float], None]]] = []
        self._arrivals = iter(arrivals)
        self._next: Arrival | None = next(self._arrivals, None)
        self._queue: deque[_Request] = deque()
        self._replicas: list[_Replica] = []
        self._events: list[PlantEvent] = []
        self._desired = parameters.initial_replicas
        for _ in range(parameters.initial_replicas):
            # As pods they look like any other: they took the median start-up, before the trace.
            self._create(begin, startup_s=0.0, age_s=parameters.startup_p50_s)
        self._schedule(begin + parameters.gauge_every_s, self._gauge)

    @property
    def desired(self) -> int:
        """Replicas asked for."""
        return self._desired

    @property
    def ready(self) -> int:
        """Replicas that serve."""
        return sum(replica.ready and not replica.draining for replica in self._replicas)

    @property
    def starting(self) -> int:
        """Replicas that cost and do not serve yet."""
        return sum(not replica.ready for replica in self._replicas)

    @property
    def in_system(self) -> int:
        """Requests waiting or being served."""
        return len(self._queue) + sum(replica.busy for replica in self._replicas)

    @property
    def drained(self) -> bool:
        """All arrivals have come, and nothing is waiting or being served."""
        return self._next is None and self.in_system == 0

    def pods(self) -> list[PodView]:
        """Replicas as Kubernetes would show them."""
        return [
            PodView(
                name=replica.name,
                uid=replica.uid,
                created_at=replica.created_at,
                ready_at=replica.ready_at if replica.ready else None,
                deleting=replica.draining,
            )
            for replica in self._replicas
        ]

    def scale(self, replicas: int, now: float) -> None:
        """Ask for ``replicas`` from ``now`` on (never earlier than what has been advanced to)."""
        now = max(now, self.now)
        if replicas == self._desired:
            return
        self._desired = replicas
        self.account.actions += 1
        kept = [replica for replica in self._replicas if not replica.draining]
        for _ in range(replicas - len(kept)):
            self._create(now, startup_s=self.parameters.startup_s(self._chance))
        # Victims: who does not serve yet, newest first; then who has least to lose.
        victims = sorted(kept, key=lambda r: (r.ready, r.busy, -r.created_at))
        for replica in victims[: max(len(kept) - replicas, 0)]:
            replica.draining = True
            self._retire(replica, now)
        self.changes += 1

    def advance(self, now: float) -> list[PlantEvent]:
        """Let everything up to ``now`` happen; returns it in order."""
        begin = self.begin
        while True:
            arrival = self._next
            due = self._future[0][0] if self._future else float("inf")
            if arrival is not None and begin + arrival.at_s <= min(due, now):
                self.now = max(begin + arrival.at_s, self.now)
                self._next = next(self._arrivals, None)
                self._arrive(self.now, arrival)
            elif due <= now:
                at, _, happen = heapq.heappop(self._future)
                self.now = max(at, self.now)
                happen(self.now)
            else:
                break
        self.now = max(now, self.now)
        happened, self._events = self._events, []
        return happened

    def close(self) -> None:
        """The run is over: settle the account."""
        self.account.alive(self.now, 0)

    def _schedule(self, at: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._future, (at, next(self._order), happen))

    def _create(self, now: float, *, startup_s: float, age_s: float = 0.0) -> None:
        number = next(self._numbers)
        replica = _Replica(
            name=f"{self._name}-{number:04d}",
            uid=f"00000000-0000-4000-8000-{number:012d}",
            created_at=now - age_s,
            ready_at=now + startup_s,
        )
        self._replicas.append(replica)
        self.account.alive(now, len(self._replicas))
        if startup_s <= 0:
            replica.ready = True
            self.changes += 1
        else:
            self._schedule(replica.ready_at, lambda at: self._ready(replica, at))

    def _ready(self, replica: _Replica, at: float) -> None:
        if replica not in self._replicas:
            return  # Given up while starting.
        replica.ready = True
        self.changes += 1
        self._dispatch(at)

    def _retire(self, replica: _Replica, at: float) -> None:
        if replica.busy == 0 and replica in self._replicas:
            self._replicas.remove(replica)
            self.account.alive(at, len(self._replicas))
            self.changes += 1

    def _arrive(self, at: float, arrival: Arrival) -> None:
        self._events.append(Started(at=at, tokens_in=arrival.tokens_in))
        if len(self._queue) >= self.parameters.queue_limit:
            self.account.drop()
            self._events.append(
                Finished(at=at, latency_s=0.0, tokens_in=arrival.tokens_in, tokens_out=0, pod=None)
            )
            return
        self._queue.append(_Request(at, arrival))
        self._dispatch(at)

    def _dispatch(self, at: float) -> None:
        while self._queue:
            free = [
                replica
                for replica in self._replicas
                if replica.ready and not replica.draining and replica.busy < self.parameters.slots
            ]
            if not free:
                return
            replica = min(free, key=lambda r: (r.busy, r.name))
            request = self._queue.popleft()
            replica.busy += 1
            arrival = request.arrival
            done = at + self.parameters.service_s(arrival.tokens_in, arrival.tokens_out)
            self._schedule(done, partial(self._finish, replica, request))

    def _finish(self, replica: _Replica, request: _Request, at: float) -> None:
        replica.busy -= 1
        latency_s = at - request.arrived_at
        self.account.finished(at, latency_s)
        self._events.append(
            Finished(
                at=at,
                latency_s=latency_s,
                tokens_in=request.arrival.tokens_in,
                tokens_out=request.arrival.tokens_out,
                pod=replica.name,
            )
        )
        if replica.draining:
            self._retire(replica, at)
        self._dispatch(at)

    def _gauge(self, at: float) -> None:
        serving = [r for r in self._replicas if r.ready]
        share, left = divmod(len(self._queue), max(len(serving), 1))
        for number, replica in enumerate(serving):
            self._events.append(
                Gauge(
                    at=at,
                    pod=replica.name,
                    in_flight=replica.busy,
                    queue_depth=share + (number < left),
                    busy_ratio=replica.busy / self.parameters.slots,
                )
            )
        self.account.series.append(
            (at, self.in_system, self._desired, self.ready, len(self._replicas))
        )
        self._schedule(at + self.parameters.gauge_every_s, self._gauge)

"""The plant's mechanics: arrivals, a gateway queue, replicas, start-ups, failures, draining.

Rule: events in order of time, then of making; ``advance`` may be called as often as one likes
without changing what happens.
Flow: arrivals, sessions -> Plant.advance -> PlantEvents; Plant.scale <- controller.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from lab.kubeapi.cluster import PodView
from lab.plant.account import Account
from lab.plant.coming import following, requests
from lab.plant.events import PlantEvent
from lab.plant.gateway import Choices, Turns
from lab.plant.parameters import PlantParameters, Variant
from lab.plant.replica import Replica, Request
from lab.plant.telling import Telling
from lab.traces.arrival import Arrival
from lab.traces.session import Session


class Plant:
    """One service.  ``begin`` is Unix seconds of the trace's first arrival.

    Chance: start-ups, failures (and the start-ups after them) have streams of their own, so the
    n-th replica takes as long to start under one policy as under another.
    """

    def __init__(
        self,
        arrivals: Sequence[Arrival],
        parameters: PlantParameters,
        *,
        seed: int,
        begin: float,
        name: str = "replica",
        sessions: Sequence[Session] = (),
        tell: bool = True,
    ) -> None:
        """``initial_replicas`` are ready at once.  ``arrivals`` are in order of time.

        ``sessions`` are a closed loop: each call arrives a pause after the call before it ended
        (however it ended).  ``tell`` False: no ``Started`` and ``Finished`` are made; the account
        has what they would have said.
        """
        self.parameters = parameters
        self.account = Account(slo_s=parameters.slo_s)
        self.begin = begin
        self.now = begin
        self.changes = 0
        """Rises with every change of replicas, for whoever mirrors them."""
        self._name = name
        self._chance = random.Random(seed)  # noqa: S311 - a simulation's seeded chance
        self._fates = random.Random(f"{seed} failures")  # noqa: S311 - as above
        self._numbers = itertools.count(1)
        self._order = itertools.count()
        self._future: list[tuple[float, int, Callable[[float], None]]] = []
        self._coming = requests(arrivals, sessions, begin)
        self._next: Request | None = next(self._coming, None)
        self._pausing = 0
        self._queue: deque[Request] = deque()
        self._replicas: list[Replica] = []
        self._in_turn = parameters.routing == "even"
        self._choices = Turns() if self._in_turn else Choices()
        self._telling = Telling(requests_too=tell)
        fleet = parameters.fleet()
        self._variants = {variant.name: variant for variant in fleet}
        self._desired = {variant.name: variant.initial_replicas for variant in fleet}
        for variant in fleet:
            for _ in range(variant.initial_replicas):
                # As pods they look like any other: they took the median start-up, before the trace.
                self._create(begin, variant, startup_s=0.0, age_s=parameters.startup_p50_s)
        self._schedule(begin + parameters.gauge_every_s, self._gauge)

    @property
    def desired(self) -> int:
        """Replicas asked for, of all variants."""
        return sum(self._desired.values())

    @property
    def ready(self) -> int:
        """Replicas that serve."""
        return sum(replica.serves for replica in self._replicas)

    @property
    def starting(self) -> int:
        """Replicas that cost and do not serve yet."""
        return sum(not replica.ready for replica in self._replicas)

    @property
    def in_system(self) -> int:
        """Requests waiting or being served."""
        return len(self._queue) + sum(replica.held_requests for replica in self._replicas)

    @property
    def drained(self) -> bool:
        """All arrivals have come, no session pauses, and nothing is waiting or being served."""
        return self._next is None and self._pausing == 0 and self.in_system == 0

    def pods(self, variant: str | None = None) -> list[PodView]:
        """Replicas as Kubernetes would show them; of all variants, or of one."""
        return [
            replica.view()
            for replica in self._replicas
            if variant is None or replica.variant.name == variant
        ]

    def scale(self, replicas: int, now: float, variant: str | None = None) -> None:
        """Ask for ``replicas`` from ``now`` on (never earlier than what has been advanced to).

        ``variant`` None: of the first.  Raises ``KeyError`` for one that there is not.
        """
        now = max(now, self.now)
        wanted = self._variants[variant] if variant else next(iter(self._variants.values()))
        if replicas == self._desired[wanted.name]:
            return
        self._desired[wanted.name] = replicas
        self.account.actions += 1
        kept = [r for r in self._replicas if not r.draining and r.variant is wanted]
        for _ in range(replicas - len(kept)):
            self._create(now, wanted, startup_s=wanted.startup.draw(self._chance))
        # Victims: who does not serve yet, newest first; then who has least to lose.
        victims = sorted(kept, key=lambda r: (r.ready, r.held_requests, -r.created_at))
        for replica in victims[: max(len(kept) - replicas, 0)]:
            replica.draining = True
            self._retire(replica, now)
            if not replica.gone and self.parameters.grace_s < math.inf:
                self._schedule(now + self.parameters.grace_s, partial(self._end, replica))
        self.changes += 1

    def advance(self, now: float) -> list[PlantEvent]:
        """Let everything up to ``now`` happen; returns it in order."""
        future = self._future
        while True:
            arrival = self._next
            due = future[0][0] if future else math.inf
            if arrival is not None and arrival.arrived_at <= min(due, now):
                self.now = max(arrival.arrived_at, self.now)
                self._next = next(self._coming, None)
                self._arrive(arrival, self.now)
            elif due <= now:
                at, _, happen = heapq.heappop(future)
                self.now = max(at, self.now)
                happen(self.now)
            else:
                break
        self.now = max(now, self.now)
        return self._telling.take()

    def close(self) -> None:
        """The run is over: settle the account.  Raises ``AccountError`` if it does not balance."""
        inside = [request.arrived_at for request in self._queue]
        inside += [request.arrived_at for r in self._replicas for request in r.requests()]
        self.account.settle(self.now, inside)

    def _schedule(self, at: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._future, (at, next(self._order), happen))

    def _count(self, at: float) -> None:
        cost = sum(replica.variant.cost for replica in self._replicas)
        self.account.alive(at, len(self._replicas), cost)
        self.changes += 1

    def _create(
        self, now: float, variant: Variant, *, startup_s: float, age_s: float = 0.0
    ) -> None:
        number = next(self._numbers)
        of = self._name if len(self._variants) == 1 else f"{self._name}-{variant.name}"
        replica = Replica(f"{of}-{number:04d}", number, variant, now - age_s, now + startup_s)
        self._replicas.append(replica)
        self._count(now)
        self._start(replica, now)

    def _start(self, replica: Replica, now: float) -> None:
        if replica.ready_at <= now:
            self._ready(replica, replica.life, now)
        else:
            self._schedule(replica.ready_at, partial(self._ready, replica, replica.life))

    def _ready(self, replica: Replica, life: int, at: float) -> None:
        if replica.gone or replica.life != life:
            return  # Given up while starting.
        replica.ready = True
        self.changes += 1
        if self.parameters.failures is not None:
            fails_at = at + self._fates.expovariate(1.0 / self.parameters.failures.mtbf_s)
            self._schedule(fails_at, partial(self._fail, replica, life))
        self._choices.offer(replica)
        self._dispatch(at)

    def _fail(self, replica: Replica, life: int, at: float) -> None:
        if replica.gone or replica.life != life:
            return
        self.account.failures += 1
        self._interrupt(replica, at)
        if replica.draining:
            self._retire(replica, at)
        else:
            replica.ready = False
            replica.ready_at = at + replica.variant.startup.draw(self._fates)
            self.changes += 1
            self._start(replica, at)
        self._dispatch(at)

    def _end(self, replica: Replica, at: float) -> None:
        """The grace of a draining replica is over."""
        if not replica.gone:
            self._interrupt(replica, at)
            self._retire(replica, at)
            self._dispatch(at)

    def _interrupt(self, replica: Replica, at: float) -> None:
        """Who is at ``replica`` is tried again elsewhere, or lost."""
        interrupted = replica.interrupt(at)
        failures = self.parameters.failures
        again = failures is not None and failures.in_flight == "retry"
        for request in reversed(interrupted):
            request.attempt += 1
            if again and request.attempt == 1:
                self.account.retried += 1
                request.variant = ""
                self._queue.appendleft(request)
            else:
                self.account.lose(at, at - request.arrived_at, tenant=request.tenant)
                self._failed(request, "error", at)

    def _retire(self, replica: Replica, at: float) -> None:
        if not replica.held_requests and not replica.gone:
            replica.gone = True
            self._replicas.remove(replica)
            self._count(at)

    def _call(self, request: Request, at: float) -> None:
        self._pausing -= 1
        request.arrived_at = at
        self._arrive(request, at)

    def _arrive(self, request: Request, at: float) -> None:
        self.account.entered(at)
        self._telling.started(request, at)
        self._queue.append(request)
        replica = self._dispatch(at)
        line = self._queue if replica is None else replica.waiting
        if len(line) > self.parameters.queue_limit:
            line.pop()
            self.account.drop(at, tenant=request.tenant)
            self._failed(request, "dropped", at)

    def _dispatch(self, at: float) -> Replica | None:
        """Send on what waits at the gateway.  Whom the last went to; None: it waits there still."""
        replica = None
        while self._queue:
            replica = self._choices.take(self._queue[0])
            if replica is None:
                return None
            request = self._queue.popleft()
            request.variant = replica.variant.name
            if self._in_turn:
                replica.waiting.append(request)
                self._work(replica, at)
            else:  # It was chosen because it has room.
                self._begin(replica, request, at)
        return replica

    def _work(self, replica: Replica, at: float) -> None:
        """Begin what waits at ``replica``, as far as there is room."""
        while (request := replica.next()) is not None:
            self._begin(replica, request, at)

    def _begin(self, replica: Replica, request: Request, at: float) -> None:
        replica.take(request)
        self._choices.offer(replica)
        request.started_at = at
        if replica.batch is not None:
            request.first_at = math.inf if request.tokens_in else at
            replica.batch.join(request, at)
            self._plan(replica)
            return
        variant = replica.variant
        prefill_s = variant.prefill_s(request.tokens_in, request.tokens_cached)
        request.first_at = at + prefill_s
        done = at + (prefill_s + request.tokens_out / variant.decode_per_s)
        self._schedule(done, partial(self._finish, replica, request, request.attempt))

    def _plan(self, replica: Replica) -> None:
        """When the next of ``replica``'s batch is due, as it runs now."""
        replica.plan += 1
        if replica.batch:
            due = partial(self._reach, replica, replica.plan)
            self._schedule(replica.batch.next_at(), due)

    def _reach(self, replica: Replica, plan: int, at: float) -> None:
        if replica.batch is None or replica.plan != plan:
            return  # Somebody joined or left since.
        request, ended = replica.batch.reach(at)
        request.first_at = min(request.first_at, at)
        if ended:
            self._finish(replica, request, request.attempt, at)
        self._plan(replica)

    def _finish(self, replica: Replica, request: Request, attempt: int, at: float) -> None:
        if request.attempt != attempt:
            return  # Its replica failed.
        replica.leave(request)
        self._choices.offer(replica)
        latency_s = at - request.arrived_at
        self.account.finished(
            at,
            latency_s,
            wait_s=request.started_at - request.arrived_at,
            first_token_s=request.first_at - request.arrived_at,
            tenant=request.tenant,
        )
        self._telling.ended(request, at, pod=replica.name)
        self._go_on(request, at)
        if replica.waiting:
            self._work(replica, at)
        if replica.draining:
            self._retire(replica, at)
        self._dispatch(at)

    def _failed(self, request: Request, status: Literal["dropped", "error"], at: float) -> None:
        self._telling.ended(request, at, status=status)
        self._go_on(request, at)

    def _go_on(self, request: Request, at: float) -> None:
        """The session's next call, if there is one, comes after its pause."""
        call = following(request, at)
        if call is not None:
            self._pausing += 1
            self._schedule(call.arrived_at, partial(self._call, call))

    def _gauge(self, at: float) -> None:
        self._telling.gauges(self._replicas, len(self._queue), at)
        self.account.series.append(
            (at, self.in_system, self.desired, self.ready, len(self._replicas))
        )
        self._schedule(at + self.parameters.gauge_every_s, self._gauge)

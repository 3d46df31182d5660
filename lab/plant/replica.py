"""Replicas and the requests in them.

Rule: what is here knows nothing of other replicas; who is sent a request is the gateway's choice
(lab.plant.gateway).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from lab.kubeapi.cluster import PodView
from lab.plant.batching import Batch
from lab.plant.parameters import Variant
from lab.traces.session import Call


class Request:
    """One request on its way.  ``rest`` are the calls of its session that come after it.

    ``opens``: it is the first of its session.
    """

    __slots__ = (
        "arrived_at",
        "attempt",
        "first_at",
        "opens",
        "rest",
        "session",
        "started_at",
        "tenant",
        "tokens_cached",
        "tokens_in",
        "tokens_out",
        "variant",
    )

    def __init__(
        self,
        arrived_at: float,
        tokens_in: int,
        tokens_out: int,
        tokens_cached: int,
        tenant: str,
        session: str,
        rest: Iterator[Call] | None = None,
        *,
        opens: bool = False,
    ) -> None:
        self.arrived_at = arrived_at
        self.tokens_in = tokens_in
        self.tokens_out = tokens_out
        self.tokens_cached = tokens_cached
        self.tenant = tenant
        self.session = session
        self.rest = rest
        self.opens = opens
        self.started_at = self.first_at = arrived_at
        self.attempt = 0
        self.variant = ""
        """That of the replica it was sent to; empty while it is at the gateway."""


class Replica:
    """One replica.  ``life`` rises when what was scheduled for it no longer holds."""

    __slots__ = (
        "batch",
        "created_at",
        "draining",
        "flights",
        "gone",
        "held",
        "life",
        "listed",
        "name",
        "number",
        "plan",
        "ready",
        "ready_at",
        "uid",
        "variant",
        "waiting",
    )

    def __init__(
        self, name: str, number: int, variant: Variant, created_at: float, ready_at: float
    ) -> None:
        self.name = name
        self.number = number
        self.uid = f"00000000-0000-4000-8000-{number:012d}"
        self.variant = variant
        self.created_at = created_at
        self.ready_at = ready_at
        self.ready = False
        self.draining = False
        self.gone = False
        self.flights: dict[Request, None] = {}
        """Requests being served, in the order they were begun."""
        self.waiting: deque[Request] = deque()
        """Requests sent here that wait for a slot; none where all wait at the gateway."""
        self.batch: Batch[Request] | None = (
            None if variant.batching is None else Batch(variant.batching)
        )
        self.held = 0
        """Tokens of context that its requests hold, or have reserved."""
        self.life = 0
        self.plan = 0
        """Rises when the batch's next mark moves."""
        self.listed = 0
        """Bit n: there is an entry for n requests in flight among the gateway's choices; where
        replicas have turns: whether it has one."""

    @property
    def serves(self) -> bool:
        """Whether it may be given requests."""
        return self.ready and not self.draining and not self.gone

    @property
    def held_requests(self) -> int:
        """Requests that are served or wait here."""
        return len(self.flights) + len(self.waiting)

    def view(self) -> PodView:
        """As Kubernetes would show it."""
        return PodView(
            name=self.name,
            uid=self.uid,
            created_at=self.created_at,
            ready_at=self.ready_at if self.ready else None,
            deleting=self.draining,
        )

    def has_room_for(self, request: Request) -> bool:
        """Whether its memory holds ``request`` too; when it is empty, always."""
        model = self.variant.batching
        if model is None or model.kv_tokens is None or not self.flights:
            return True
        return self.held + request.tokens_in + model.reserve_tokens <= model.kv_tokens

    def next(self) -> Request | None:
        """Whoever waits here and can be begun now, no longer waiting; None: nobody."""
        busy = len(self.flights) >= self.variant.slots
        if busy or not self.waiting or not self.has_room_for(self.waiting[0]):
            return None
        return self.waiting.popleft()

    def requests(self) -> list[Request]:
        """Who is served or waits here."""
        return [*self.flights, *self.waiting]

    def interrupt(self, at: float) -> list[Request]:
        """Whatever it is doing comes to nothing; who was served or waited here."""
        self.life += 1
        self.plan += 1
        interrupted = self.requests()
        for request in list(self.flights):
            self.leave(request)
        self.waiting.clear()
        if self.batch is not None:
            self.batch.clear(at)
        return interrupted

    def take(self, request: Request) -> None:
        """``request`` is in flight here."""
        self.flights[request] = None
        if self.variant.batching is not None:
            self.held += request.tokens_in + self.variant.batching.reserve_tokens

    def leave(self, request: Request) -> None:
        """``request`` is no longer."""
        del self.flights[request]
        if self.variant.batching is not None:
            self.held -= request.tokens_in + self.variant.batching.reserve_tokens

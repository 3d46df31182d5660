"""Replicas and the requests in them, and the gateway's choice among replicas.

Rule: the least loaded replica that serves is next, the oldest of equals; finding it costs
O(log replicas), not a look at each.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

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
        self.batch: Batch[Request] | None = (
            None if variant.batching is None else Batch(variant.batching)
        )
        self.held = 0
        """Tokens of context that its requests hold, or have reserved."""
        self.life = 0
        self.plan = 0
        """Rises when the batch's next mark moves."""
        self.listed = 0
        """Bit n: there is an entry for n requests in flight among the gateway's choices."""

    @property
    def serves(self) -> bool:
        """Whether it may be given requests."""
        return self.ready and not self.draining and not self.gone

    def has_room_for(self, request: Request) -> bool:
        """Whether its memory holds ``request`` too; when it is empty, always."""
        model = self.variant.batching
        if model is None or model.kv_tokens is None or not self.flights:
            return True
        return self.held + request.tokens_in + model.reserve_tokens <= model.kv_tokens

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


class Choices:
    """Replicas with a free slot, least loaded first.

    A heap with entries that may be out of date: one is good if its replica serves and has as
    many requests in flight as it says.  At most one entry for each replica and number, so that
    it stays as small as the fleet's slots.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int, Replica]] = []

    def offer(self, replica: Replica) -> None:
        """``replica`` may have a free slot now, or another number in flight than before."""
        busy, slots = len(replica.flights), replica.variant.slots
        bit = 1 << busy
        if busy < slots and not replica.listed & bit and replica.serves:
            replica.listed |= bit
            heapq.heappush(self._heap, (busy / slots, replica.number, busy, replica))

    def take(self, request: Request) -> Replica | None:
        """The least loaded replica with room for ``request``; None: there is none.

        The entry of the one returned is gone; it is offered again once it has ``request``.
        """
        heap = self._heap
        full: list[Replica] = []
        found = None
        while heap and found is None:
            _, _, busy, replica = heapq.heappop(heap)
            replica.listed &= ~(1 << busy)
            if len(replica.flights) == busy and replica.serves:
                if replica.has_room_for(request):
                    found = replica
                else:
                    full.append(replica)
        for replica in full:
            self.offer(replica)
        return found

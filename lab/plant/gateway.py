"""The gateway's choice among replicas: which one a request is sent to.

Rule: ``Choices`` is one queue for all, from which the least loaded replica that serves takes, the
oldest of equals; ``Turns`` sends each request on at once, to whoever's turn it is.  Either finds
a replica in O(log replicas), not by a look at each.
Flow: Plant -> offer, take -> Replica.
"""

from __future__ import annotations

import heapq
from collections import deque

from lab.plant.replica import Replica, Request


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


class Turns:
    """Replicas that serve, in turn, whatever they have to do already, as a Service has it.

    One that has just become ready is the last in turn.
    """

    def __init__(self) -> None:
        self._turns: deque[Replica] = deque()

    def offer(self, replica: Replica) -> None:
        """``replica`` may serve now."""
        if not replica.listed and replica.serves:
            replica.listed = 1
            self._turns.append(replica)

    def take(self, request: Request) -> Replica | None:
        """The next in turn, whatever ``request`` is; None: none serves."""
        del request
        while self._turns:
            replica = self._turns.popleft()
            if replica.serves:
                self._turns.append(replica)
                return replica
            replica.listed = 0
        return None

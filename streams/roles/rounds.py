"""Rounds: every workload's state sealed and sent once in a while, then a checkpoint.

Rule: a round is spread over its interval, so that no second pays for all workloads; a checkpoint
is sent when the broker has every snapshot of its round.
Flow: plan, between two steps -> foretide.snapshots -> recovery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from models.fleet import Fleet
from models.merge import MergeState
from streams.kafka.outbox import Outbox, acknowledged
from streams.snapshots import CHECKPOINT_KEY, Checkpoint, MemberSnapshot, Sealer, Snapshot, Writer

PER_TICK = 25
"""Snapshots in a tick, where that makes a round shorter than it may be: 5 ms of a second, and a new
owner has less to replay."""

LEAST_TICKS = 5


@dataclass(slots=True, kw_only=True)
class _Round:
    """One round; ``left`` are still to be sealed, the last first; ``members`` were."""

    position: int
    loads: int
    merge: MergeState
    left: list[str]
    ticks: int
    members: list[str] = field(default_factory=list)
    sends: list[asyncio.Future[Any]] = field(default_factory=list)


class Rounds:
    """The snapshots of one partition, by one owner."""

    def __init__(
        self,
        outbox: Outbox,
        sealer: Sealer,
        *,
        partition: int,
        writer: Writer,
        ticks: int,
        names: Iterable[str],
        least_ticks: int = LEAST_TICKS,
    ) -> None:
        """``ticks`` in a round at most; ``names`` have snapshots from an owner before."""
        self._outbox = outbox
        self._sealer = sealer
        self._partition = partition
        self._writer = writer
        self._ticks = max(ticks, 1)
        self._least = least_ticks
        self.names = frozenset(names)
        """Workloads that have snapshots."""
        self._round: _Round | None = None

    async def tick(self, fleet: Fleet, *, position: int, loads: int) -> None:
        """Go on, between two steps.

        ``position`` is the step log's next offset, ``loads`` the load log's.
        """
        current = self._round
        if current is None:
            left = fleet.heard_of()[::-1]
            current = self._round = _Round(
                position=position,
                loads=loads,
                merge=fleet.merge.state(),
                left=left,
                ticks=min(max(-(-len(left) // PER_TICK), self._least), self._ticks),
            )
        count = -(-len(current.left) // current.ticks)
        names = [current.left.pop() for _ in range(count)]
        # Sealed before anything is awaited: states share memory with the fleet.
        sealed = [
            (state.workload, self._sealer.seal(MemberSnapshot(self._writer, state)))
            for state in fleet.states(names, position)
        ]
        for name, value in sealed:
            current.members.append(name)
            current.sends.append(await self._send(name, value))
        current.ticks -= 1
        if current.ticks == 0:
            self._round = None
            await self._finish(current)

    async def _finish(self, done: _Round) -> None:
        await acknowledged(done.sends)
        offsets = [send.result().offset for send in done.sends]
        checkpoint: Snapshot = Checkpoint(
            partition=self._partition,
            writer=self._writer,
            position=done.position,
            loads=done.loads,
            since=min(offsets, default=None),
            members=done.members,
            merge=done.merge,
        )
        await acknowledged([await self._send(CHECKPOINT_KEY, self._sealer.seal(checkpoint))])
        gone = sorted(self.names.difference(done.members))
        await acknowledged([await self._send(name, None) for name in gone])
        self.names = frozenset(done.members)

    async def _send(self, key: str, value: bytes | None) -> asyncio.Future[Any]:
        return await self._outbox.send("snapshots", value, key=key, partition=self._partition)

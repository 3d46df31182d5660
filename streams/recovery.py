"""Recovery: the state of a load partition, as its last owner left it.

Rule: newest checkpoint, the workloads' snapshots since, then the step log from there; of owners
that overlapped the later one counts.  What cannot be used is counted, said, and learned again
from the load log, never guessed.
Flow: foretide.snapshots, foretide.steps, foretide.load -> Fleet, at the assignment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from models.domain.load import Load, Progress
from models.fleet import NOTHING, Fleet, MemberState
from models.step import StepResult
from streams import steplog
from streams.kafka.ranges import Found, Ranges
from streams.loadlog import LoadCursor, past
from streams.snapshots import (
    CHECKPOINT_KEY,
    Checkpoint,
    MemberSnapshot,
    Sealer,
    SnapshotError,
    Writer,
)
from streams.steplog import Openings, StepRecord

log = logging.getLogger(__name__)

STRETCH = 256
"""Snapshots read at first, from the end backwards; then four times as many, and so on."""

MOST_STEPS = 2000
"""Steps looked through where there is no checkpoint: for the owner, and for where it began."""

REFUSED = 4
"""Checkpoints that cannot be opened, before one of those before them is hoped for no more."""

LOST_SHARE = 0.1
"""With more of its workloads' snapshots lost, all of a partition is learned again."""


class UnusableError(Exception):
    """There was a state, and it cannot be taken up; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What is known of a partition.

    ``fleet`` is None when all has to be learned.  ``loads`` is the load log's next offset,
    ``steps`` the end of the step log that was read, ``last`` the newest owner before.  ``names``
    have snapshots; ``lost`` are workloads whose snapshots could not be used.  ``unsure`` is what
    came of the last step, logged at ``unsure_at`` (Unix seconds): its owner may have died before
    any of it was sent.
    """

    fleet: Fleet | None
    loads: int
    steps: int
    last: Writer | None
    names: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()
    unsure: StepResult = NOTHING
    unsure_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """What the step log is applied to: a checkpoint, or nothing, where a fleet began anew."""

    partition: int
    writer: Writer
    position: int
    checkpoint: Checkpoint | None


@dataclass(slots=True)
class _Log:
    """The step log from some offset on, and who opened it."""

    end: int
    steps: list[tuple[int, StepRecord]] = field(default_factory=list)
    openings: Openings = field(default_factory=Openings)
    newest_at: float = 0.0
    """When the last of them was appended, Unix seconds."""

    def counted(self, position: int) -> list[tuple[int, StepRecord]]:
        """(offset, step) from ``position`` on, without the void ones."""
        return [
            (offset, record)
            for offset, record in self.steps
            if offset >= position and not self.openings.void(record.writer, offset)
        ]

    def writers(self) -> list[Writer]:
        return [record.writer for _, record in self.steps]


class Recovery:
    """Takes up partitions."""

    def __init__(
        self,
        ranges: Ranges,
        sealer: Sealer,
        *,
        fleet: Callable[[], Fleet],
        discarded: Callable[[int], None],
    ) -> None:
        """``fleet`` makes an empty one; ``discarded`` is told how many snapshots were of no use."""
        self._ranges = ranges
        self._sealer = sealer
        self._fleet = fleet
        self._discarded = discarded

    async def recover(self, partition: int) -> Recovered:
        """The state of a partition; never raises because of what the logs hold."""
        begin, end = await self._ranges.bounds("steps", partition)
        held, checkpoints = await self._snapshots(partition)
        known = [checkpoint for checkpoint in checkpoints if checkpoint.position >= begin]
        first = min((c.position for c in known[:2]), default=max(end - MOST_STEPS, begin))
        steps = _Log(end)
        try:
            await self._read_steps(partition, first, steps)
            base = _base(partition, known, steps)
            if base is not None:
                return await self._take_up(base, held, steps)
            there = any(_is_checkpoint(found) for found in held)
            why = "neither a checkpoint nor its beginning can be used" if there else None
        except UnusableError as error:
            why = str(error)
        if why is not None:
            self._discarded(max(len(held), 1))
            log.warning(
                "the state of load/%d is discarded and learned again from the load log: %s",
                *(partition, why),
            )
        writers = [checkpoint.writer for checkpoint in checkpoints]
        last = max([*writers, *steps.writers()], default=None)
        return Recovered(fleet=None, loads=0, steps=end, last=last)

    async def _take_up(self, base: _Base, held: Sequence[Found], steps: _Log) -> Recovered:
        partition, checkpoint = base.partition, base.checkpoint
        fleet = self._fleet()
        positions: dict[str, int] = {}
        lost: tuple[str, ...] = ()
        if checkpoint is not None:
            fleet.merge.restore(checkpoint.merge)
            states = await self._states(checkpoint, held, steps.openings)
            positions = {name: state.position for name, state in states.items()}
            lost = _restore(fleet, checkpoint.members, states)
            if len(lost) > max(LOST_SHARE * len(checkpoint.members), 1):
                raise UnusableError(f"{len(lost)} of {len(checkpoint.members)} snapshots are lost")
        counted = steps.counted(base.position)
        loads, unsure = await self._replay(base, fleet, counted, positions)
        if lost:
            self._discarded(len(lost))
            log.warning("snapshots are lost, and learned again: %s", ", ".join(lost[:20]))
        log.info(
            "load/%d: %d workloads taken up at step %d, and %d steps since",
            *(partition, len(positions) - len(lost), base.position, len(counted)),
        )
        return Recovered(
            fleet=fleet,
            loads=loads,
            steps=steps.end,
            last=max([base.writer, *steps.writers()]),
            names=frozenset(positions),
            lost=lost,
            unsure=unsure,
            unsure_at=steps.newest_at,
        )

    async def _snapshots(self, partition: int) -> tuple[list[Found], list[Checkpoint]]:
        """The newest snapshots, back to where the last two checkpoints' rounds began.

        Beside them their checkpoints that can be opened, the newest first.

        Where a few checkpoints in a row cannot be opened, those before them cannot either: they
        are of another version or another key.
        """
        begin, end = await self._ranges.bounds("snapshots", partition)
        held: list[Found] = []
        checkpoints: list[Checkpoint] = []
        low, width = end, STRETCH
        while low > begin and not _reaches(held, checkpoints, low):
            high, low = low, max(low - width, begin)
            width *= 4
            stretch = [
                found
                async for some in self._ranges.read("snapshots", partition, low, high)
                for found in some
            ]
            held = stretch + held
            checkpoints += self._opened(stretch, partition)
            checkpoints.sort(key=lambda c: (c.writer, c.position), reverse=True)
        return held, checkpoints

    def _opened(self, some: Sequence[Found], partition: int) -> list[Checkpoint]:
        """Checkpoints among them that can be opened; of the others it is said why."""
        opened = []
        for found in filter(_is_checkpoint, some):
            why = "it is no checkpoint of this partition"
            try:
                checkpoint = self._sealer.open(found.value or b"")
            except SnapshotError as error:
                checkpoint, why = None, str(error)
            if isinstance(checkpoint, Checkpoint) and checkpoint.partition == partition:
                opened.append(checkpoint)
            else:
                log.warning("the checkpoint at snapshots/%d@%d: %s", partition, found.offset, why)
        return opened

    async def _states(
        self, checkpoint: Checkpoint, held: Sequence[Found], openings: Openings
    ) -> dict[str, MemberState]:
        """The newest state of each workload that the checkpoint names."""
        names = set(checkpoint.members)
        states: dict[str, MemberState] = {}
        for number, found in enumerate(held):
            if checkpoint.since is None or found.offset < checkpoint.since:
                continue
            name = (found.key or b"").decode("utf-8", "replace")
            if name not in names or found.value is None:
                continue
            if number % 64 == 0:
                await asyncio.sleep(0)
            try:
                opened = self._sealer.open(found.value)
            except SnapshotError as error:
                log.warning("the snapshot of %s is discarded: %s", name, error)
                continue
            if not isinstance(opened, MemberSnapshot) or opened.member.workload != name:
                log.warning("the snapshot under the name of %s is another's", name)
                continue
            state = opened.member
            before = states.get(name)
            newer = before is None or before.position <= state.position
            behind = openings.void(opened.writer, state.position - 1)
            if newer and state.position >= checkpoint.position and not behind:
                states[name] = state
        return states

    async def _read_steps(self, partition: int, begin: int, into: _Log) -> None:
        async for some in self._ranges.read("steps", partition, begin, into.end):
            for found in some:
                try:
                    record = steplog.decode(found.value or b"")
                except msgspec.MsgspecError as error:
                    text = f"steps/{partition}@{found.offset} cannot be read: {error}"
                    raise UnusableError(text) from error
                into.steps.append((found.offset, record))
                into.openings.add(record)
                into.newest_at = found.at_s

    async def _replay(
        self,
        base: _Base,
        fleet: Fleet,
        steps: Sequence[tuple[int, StepRecord]],
        positions: Mapping[str, int],
    ) -> tuple[int, StepResult]:
        """Apply the steps since ``base``; the load log's next offset, and what came of the last."""
        partition = base.partition
        spans = [
            record.offsets
            for _, record in steps
            if record.offsets is not None and not record.relearn
        ]
        begin, _ = await self._ranges.bounds("load", partition)
        if base.checkpoint is not None:
            position = base.checkpoint.loads
        elif spans:
            position = spans[0][0]
        else:
            raise UnusableError("no load was ever applied to it")
        end = spans[-1][1] + 1 if spans else position
        if begin > position:
            raise UnusableError(f"the load log begins at {begin}, after {position}")
        loads = LoadCursor(self._ranges.read("load", partition, position, end))
        had = set(positions)
        due = sorted(positions.items(), key=lambda item: item[1], reverse=True)
        result = NOTHING
        for offset, record in steps:
            while due and due[-1][1] <= offset:
                had.discard(due.pop()[0])
            found: tuple[Load | Progress, ...] = ()
            if record.relearn:
                found = await past(self._ranges, partition, record.offsets, record.relearn)
            elif record.offsets is not None:
                found = await loads.upto(record.offsets[1])
            step = msgspec.structs.replace(record.step(), records=found)
            result = fleet.apply(step, without=had)
            await asyncio.sleep(0)
        return end, result


def _base(partition: int, known: Sequence[Checkpoint], steps: _Log) -> _Base | None:
    """The newest that can be built on: of a checkpoint and a fleet begun anew the later one."""
    fresh = [
        _Base(partition=partition, writer=record.writer, position=offset, checkpoint=None)
        for offset, record in steps.counted(0)
        if record.fresh
    ]
    sealed = [
        _Base(partition=partition, writer=c.writer, position=c.position, checkpoint=c)
        for c in known
        if not steps.openings.void(c.writer, c.position - 1)
    ]
    # The newest owner's, wherever it lies: one that was overtaken may have gone on behind it.
    base = max([*fresh, *sealed], key=lambda base: (base.writer, base.position), default=None)
    if base is not None:
        steps.openings.overtaken(base.writer, base.position)
    return base


def _restore(
    fleet: Fleet, members: Sequence[str], states: Mapping[str, MemberState]
) -> tuple[str, ...]:
    """Take up the states; returns the names of those that could not be."""
    lost = []
    for name in members:
        state = states.get(name)
        try:
            if state is not None:
                fleet.restore(state)
                continue
        except ValueError as error:
            log.warning("the snapshot of %s is discarded: %s", name, error)
        lost.append(name)
    return tuple(lost)


def _reaches(held: Sequence[Found], checkpoints: Sequence[Checkpoint], low: int) -> bool:
    """Whether what was read from ``low`` on is enough to begin from."""
    if not checkpoints:
        return sum(map(_is_checkpoint, held)) >= REFUSED
    return len(checkpoints) > 1 and all(
        checkpoint.since is None or checkpoint.since >= low for checkpoint in checkpoints[:2]
    )


def _is_checkpoint(found: Found) -> bool:
    return found.key == CHECKPOINT_KEY.encode() and found.value is not None

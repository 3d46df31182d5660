"""Owned: one load partition in the hands of one owner, from its opening step on.

Rule: one step at a time, logged before what it decided is sent; a step bears the era and the
generation in which the partition was assigned, whatever the group has become since.
Flow: plan -> Owned -> foretide.steps, then what was decided.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from models.domain.load import Load, Progress
from models.fleet import Fleet
from models.step import SpecChange, Step, StepResult
from streams import codec
from streams.kafka.outbox import Outbox
from streams.roles.rounds import Rounds
from streams.snapshots import Writer
from streams.steplog import StepRecord

SPECS_BYTES = 500_000
"""Changes of specs that one step takes up, about: they stand in the step log whole, and a message
there has a megabyte at most; the rest waits for the next step."""


class StepLogError(Exception):
    """Where a step stands is not known: its owner cannot go on from there."""


@dataclass(slots=True, kw_only=True)
class Owned:
    """See the module's text.

    ``loads`` is the load log's next offset, ``steps`` the step log's as far as it is known;
    decisions are made from load offset ``live_from`` on.  ``opened`` and ``fresh`` are told by
    the first step.  ``changes`` of specs wait for the next step.
    """

    partition: int
    fleet: Fleet
    writer: Writer
    loads: int
    steps: int
    live_from: int
    opened: int | None
    fresh: bool
    rounds: Rounds
    alone: bool = True
    """Whether nobody else has written a step between those of this owner."""
    changes: list[SpecChange] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def live(self) -> bool:
        """Whether all has been read that was there when the partition was assigned."""
        return self.loads >= self.live_from

    def logged(self, offset: int) -> None:
        """Its newest step stands at ``offset`` of the step log.

        Who slept may write last: that the log ends with its own step is not enough to know that
        nobody took over meanwhile.  Raises ``StepLogError`` where the broker did not say where.
        """
        if offset < self.steps:
            text = f"steps/{self.partition}: {offset} follows {self.steps - 1}"
            raise StepLogError(text)
        self.alone = self.alone and offset == self.steps
        self.steps = offset + 1

    def respec(self, known: dict[str, tuple[Any, int]]) -> None:
        """Bring the fleet's specs to what ``known`` has of its partition, with the next step."""
        have = self.fleet.revisions()
        self.changes = [
            SpecChange(workload=workload, revision=revision, spec=spec)
            for workload, (spec, revision) in sorted(known.items())
            if have.get(workload) != revision
        ]
        self.changes += [
            SpecChange(workload=workload, revision=0, spec=None)
            for workload in sorted(have.keys() - known.keys())
        ]

    def apply(
        self,
        now: float,
        records: Sequence[Load | Progress],
        *,
        tick: bool = False,
        relearn: tuple[str, ...] = (),
        specs: tuple[SpecChange, ...] | None = None,
    ) -> tuple[Step, StepResult]:
        """One step of the core.  ``specs`` in place of those that wait."""
        if specs is None:
            count = fitting(self.changes)
            specs, self.changes = tuple(self.changes[:count]), self.changes[count:]
        step = Step(
            now=now,
            generation=self.writer.generation,
            era=self.writer.era,
            specs=specs,
            records=tuple(records),
            tick=tick,
            live=self.live,
            relearn=relearn,
        )
        return step, self.fleet.apply(step)

    async def record(
        self, outbox: Outbox, step: Step, offsets: tuple[int, int] | None
    ) -> asyncio.Future[Any]:
        """Hand the step to the step log."""
        record = StepRecord.of(step, self.partition, offsets, fresh=self.fresh, opened=self.opened)
        self.fresh, self.opened = False, None
        return await outbox.send("steps", codec.encode(record), key=None, partition=self.partition)


def fitting(changes: Sequence[SpecChange]) -> int:
    """How many of the changes one step takes up; at least one, if there is one."""
    size = 0
    for count, change in enumerate(changes):
        size += 200  # Its names, about.
        if change.spec is not None:
            size += len(change.spec.model_dump_json(by_alias=True, exclude_unset=True))
        if size > SPECS_BYTES and count:
            return count
    return len(changes)

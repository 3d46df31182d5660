"""The step log: what the core was given, in the order it was applied.

Rule: on Kafka a step names the load log's offsets; a recording on disk holds the records
themselves, so that it replays anywhere.  Flow: plan -> foretide.steps -> recorder -> replay.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from models.domain.load import Load, Progress
from models.domain.spec import AgentScaler
from models.domain.version import Version, version
from models.step import SpecChange, Step


class SpecRecord(Struct, frozen=True, kw_only=True):
    """A spec change as JSON: ``spec`` as it was written, None when it was deleted."""

    workload: str
    revision: int
    spec: dict[str, Any] | None


class StepRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step.  ``offsets`` are the first and last of the load records applied.

    ``records`` are empty on Kafka and filled in a recording.
    """

    v: Version = version()
    partition: int
    now: float
    generation: int
    era: int
    offsets: tuple[int, int] | None = None
    specs: tuple[SpecRecord, ...] = ()
    records: tuple[Load | Progress, ...] = ()
    tick: bool = False
    live: bool = True
    fresh: bool = False

    @classmethod
    def of(
        cls, step: Step, partition: int, offsets: tuple[int, int] | None, *, fresh: bool
    ) -> StepRecord:
        """The record of a step, by reference; ``fresh``: the first of a newly made Fleet."""
        return cls(
            partition=partition,
            now=step.now,
            generation=step.generation,
            era=step.era,
            offsets=offsets,
            specs=tuple(
                SpecRecord(
                    workload=change.workload,
                    revision=change.revision,
                    spec=None
                    if change.spec is None
                    else change.spec.model_dump(mode="json", by_alias=True, exclude_unset=True),
                )
                for change in step.specs
            ),
            tick=step.tick,
            live=step.live,
            fresh=fresh,
        )

    def step(self) -> Step:
        """The step itself; a record by reference has none of its loads."""
        return Step(
            now=self.now,
            generation=self.generation,
            era=self.era,
            specs=tuple(
                SpecChange(
                    workload=record.workload,
                    revision=record.revision,
                    spec=None
                    if record.spec is None
                    else AgentScaler.model_validate_json(msgspec.json.encode(record.spec)),
                )
                for record in self.specs
            ),
            records=self.records,
            tick=self.tick,
            live=self.live,
        )


decode = msgspec.json.Decoder(StepRecord).decode


class RecordingError(Exception):
    """A recording that cannot be read; the text has the file, the line and the reason."""


def read(path: Path) -> Iterator[StepRecord]:
    """Steps of a recording, in order.  Raises ``RecordingError`` at the first bad line."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield decode(line)
            except msgspec.MsgspecError as error:
                msg = f"{path}:{number}: not a step: {error}"
                raise RecordingError(msg) from error

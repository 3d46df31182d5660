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
from streams.snapshots import Writer

META = "meta.json"
"""Beside the steps on disk: the settings that a replay needs."""


class SpecRecord(Struct, frozen=True, kw_only=True):
    """A spec change as JSON: ``spec`` as it was written, None when it was deleted."""

    workload: str
    revision: int
    spec: dict[str, Any] | None


class StepRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step.  ``offsets`` are the first and last of the load records applied.

    ``opened`` is in the first step of each owner: the end of the step log that it has read; what
    an earlier owner wrote from there on came from a state that nobody took over.  ``fresh``: this
    step begins a fleet that knows nothing.  ``records`` are empty on Kafka and filled in a
    recording, as is ``at``, the step's own offset.
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
    relearn: tuple[str, ...] = ()
    fresh: bool = False
    opened: int | None = None
    at: int | None = None

    @property
    def writer(self) -> Writer:
        """Who wrote it."""
        return Writer(self.era, self.generation)

    @classmethod
    def of(
        cls,
        step: Step,
        partition: int,
        offsets: tuple[int, int] | None,
        *,
        fresh: bool,
        opened: int | None,
    ) -> StepRecord:
        """The record of a step, by reference."""
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
            relearn=step.relearn,
            fresh=fresh,
            opened=opened,
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
            relearn=self.relearn,
        )


class Openings:
    """Whose steps of one partition count, when owners overlapped."""

    def __init__(self) -> None:
        """Nobody has opened it."""
        self._openings: list[tuple[Writer, int]] = []
        """Owners, and what they had read of the step log when they began."""

    @property
    def count(self) -> int:
        """How many owners have opened it."""
        return len(self._openings)

    def add(self, record: StepRecord) -> None:
        """Take note of a step that opens."""
        if record.opened is not None:
            self._openings.append((record.writer, record.opened))

    def overtaken(self, writer: Writer, read: int) -> None:
        """Take note that ``writer`` had opened the log by offset ``read``."""
        self._openings.append((writer, read))

    def void(self, writer: Writer, offset: int) -> bool:
        """Whether what ``writer`` wrote at ``offset`` lies behind what a later owner had read."""
        return any(later > writer and read <= offset for later, read in self._openings)


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


def setting(folder: Path, name: str) -> float:
    """A setting of the workers that a recording is of, seconds, by its name in ``meta.json``.

    Raises ``RecordingError`` with the file and what is wrong with it.
    """
    path = folder / META
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])[name]
        return msgspec.convert(found, float)
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from error
    except KeyError as error:
        raise RecordingError(f"{path}: {error} is missing") from error
    except ValueError as error:
        raise RecordingError(f"{path}: {name}: {error}") from error

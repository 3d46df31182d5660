"""A fetched batch: what one fetch brought of one partition, as one message to an agent.

Rule: records stay in log order, and nothing is decoded here; a run is one wire batch of the log,
so that the cost of a record is the cost of its value.
Flow: transport -> FetchedBatch -> agent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol


class Record(Protocol):
    """The part of aiokafka's ConsumerRecord that Foretide reads; ``timestamp`` in ms."""

    offset: int
    timestamp: int
    value: bytes | None


class Run(NamedTuple):
    """Records in log order; all three of one length.

    ``timestamps`` in ms; one integer when all have it, as with the log's append time.
    """

    offsets: Sequence[int]
    timestamps: int | Sequence[int]
    values: Sequence[bytes | None]

    def after(self, expected: int) -> Run:
        """The part from offset ``expected`` on; may be empty."""
        skip = sum(offset < expected for offset in self.offsets)
        stamps = self.timestamps
        return Run(
            self.offsets[skip:],
            stamps if isinstance(stamps, int) else stamps[skip:],
            self.values[skip:],
        )

    def records(self) -> Iterator[tuple[int, int, bytes | None]]:
        """(offset, timestamp in ms, value), one by one."""
        stamps = self.timestamps
        if isinstance(stamps, int):
            stamps = [stamps] * len(self.offsets)
        return zip(self.offsets, stamps, self.values, strict=True)


def run_of(records: Sequence[Record]) -> Run:
    """A run of records that were fetched one by one."""
    return Run(
        [record.offset for record in records],
        [record.timestamp for record in records],
        [record.value for record in records],
    )


class FetchedBatch(NamedTuple):
    """Records of one partition in log order, and the group generation they were read in.

    At least one run, and none of them empty.
    """

    topic: str
    partition: int
    runs: Sequence[Run]
    generation: int

    @property
    def first(self) -> int:
        """Offset of the first record."""
        return self.runs[0].offsets[0]

    @property
    def last(self) -> int:
        """Offset of the last record."""
        return self.runs[-1].offsets[-1]

    @property
    def size(self) -> int:
        """How many records there are."""
        return sum(len(run.offsets) for run in self.runs)

    @property
    def newest_ms(self) -> int:
        """Timestamp of the last record."""
        stamps = self.runs[-1].timestamps
        return stamps if isinstance(stamps, int) else stamps[-1]

    @property
    def oldest_ms(self) -> int:
        """Timestamp of the first record."""
        stamps = self.runs[0].timestamps
        return stamps if isinstance(stamps, int) else stamps[0]

    def after(self, expected: int) -> FetchedBatch | None:
        """The part from offset ``expected`` on; None when there is none."""
        kept = [
            run if run.offsets[0] >= expected else run.after(expected)
            for run in self.runs
            if run.offsets[-1] >= expected
        ]
        return self._replace(runs=kept) if kept else None

    def records(self) -> Iterator[tuple[int, int, bytes | None]]:
        """(offset, timestamp in ms, value), one by one."""
        for run in self.runs:
            yield from run.records()

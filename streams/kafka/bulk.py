"""Bulk fetch: one object per wire batch in place of aiokafka's one per record.

Rule: what is delivered, and the offset that comes next, are as on aiokafka's public path: CRCs
are checked, control batches and aborted transactions left out, gaps of compaction kept.  It
rests on private parts of one pinned version; with another, the public path is taken.
Why: the record object is what costs most of a bare consumer's time (docs/performance.md).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import aiokafka
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, PartitionRecords
from aiokafka.errors import CorruptRecordException

from streams.kafka.batch import Run, run_of

log = logging.getLogger(__name__)

PINNED = "0.14.0"
"""The version whose private parts this file was written against, and is tested with."""

_APPEND_TIME = 1


class BulkRecords(PartitionRecords):  # type: ignore[misc]
    """Records of one fetch response; iterating gives ``Run``s."""

    def _unpack_records(self) -> Iterator[Run]:
        while self._records.has_next():
            wire = self._records.next_batch()
            if self._check_crcs and not wire.validate_crc():
                msg = f"invalid CRC in {self._tp}"
                raise CorruptRecordException(msg)
            run = None if self._passed_over(wire) else self._run(wire)
            self.next_fetch_offset = wire.next_offset
            if run is not None and run.offsets:
                yield run

    def _passed_over(self, wire: Any) -> bool:
        """Whether a wire batch holds nothing to deliver: a marker, or what was rolled back."""
        if self._isolation_level == READ_COMMITTED and wire.producer_id is not None:
            self._consume_aborted_up_to(wire.base_offset)
            if wire.is_control_batch:
                if self._contains_abort_marker(wire):
                    self._aborted_producers.discard(wire.producer_id)
            elif wire.is_transactional and wire.producer_id in self._aborted_producers:
                return True
        return bool(wire.is_control_batch)

    def _run(self, wire: Any) -> Run:
        wanted = self.next_fetch_offset
        if getattr(wire, "timestamp_type", None) != _APPEND_TIME:
            return run_of([record for record in wire if record.offset >= wanted])
        # A record's object is let go before the next is made, which halves what it costs.
        offsets: list[int] = []
        values: list[bytes | None] = []
        for record in wire:
            offsets.append(record.offset)
            values.append(record.value)
        begin, end = wire.base_offset, wire.next_offset
        if begin >= wanted and len(values) == end - begin:
            return Run(range(begin, end), wire.max_timestamp, values)
        return Run(offsets, wire.max_timestamp, values).after(wanted)  # Begun within, or compacted.


def _bulk(method: Any) -> Any:
    """``method`` of aiokafka's Fetcher, making ``BulkRecords``: it looks the class up by name."""
    names = {**fetcher.__dict__, "PartitionRecords": BulkRecords}
    return FunctionType(method.__code__, names, method.__name__, method.__defaults__)


class BulkFetcher(Fetcher):  # type: ignore[misc]
    """aiokafka's fetcher, with ``BulkRecords`` for what was fetched."""

    _proc_fetch_request = _bulk(Fetcher._proc_fetch_request)


def deliver_runs(consumer: Any) -> bool:
    """Make a started consumer's fetches give ``Run``s; False: they stay single records."""
    if aiokafka.__version__ != PINNED:
        log.warning(
            "aiokafka %s is not the version whose bulk fetch is known (%s): records are read one"
            " by one, which is about half as fast",
            *(aiokafka.__version__, PINNED),
        )
        return False
    consumer._fetcher.__class__ = BulkFetcher
    return True

"""The bulk fetch against aiokafka's public path, record by record, on the same bytes."""

from __future__ import annotations

from typing import Any

import aiokafka
import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from streams.kafka import bulk
from streams.kafka.bulk import BulkRecords

TP = TopicPartition("t", 0)
BASE_OFFSET, ATTRIBUTES, LAST_DELTA, COUNT = 0, 21, 23, 57
"""Places in a v2 batch, bytes (Kafka's documentation, "Record Batch")."""


def wire(
    base: int,
    values: list[bytes | None],
    *,
    offsets: list[int] | None = None,
    producer: int = -1,
    transactional: bool = False,
    control: bool = False,
    append_time: bool = False,
    keys: list[bytes | None] | None = None,
) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=int(transactional),
        producer_id=producer,
        producer_epoch=0 if producer >= 0 else -1,
        base_sequence=0 if producer >= 0 else -1,
        batch_size=1 << 20,
    )
    given = offsets or list(range(len(values)))
    for number, (offset, value) in enumerate(zip(given, values, strict=True)):
        key = None if keys is None else keys[number]
        builder.append(offset, timestamp=1000 + offset, key=key, value=value, headers=[])
    made = bytearray(builder.build())
    made[BASE_OFFSET : BASE_OFFSET + 8] = base.to_bytes(8, "big")
    if append_time or control:
        made[ATTRIBUTES + 1] |= (8 if append_time else 0) | (32 if control else 0)
        made[17:21] = calc_crc32c(bytes(made[21:])).to_bytes(4, "big")
    return bytes(made)


def opened(kind: Any, data: bytes, aborted: Any, begin: int, isolation: int) -> Any:
    check_crcs = True
    return kind(TP, MemoryRecords(data), aborted, begin, None, None, check_crcs, isolation)


def both(
    data: bytes, *, begin: int, isolation: int = READ_UNCOMMITTED, aborted: Any = None
) -> tuple[list[Any], list[Any], int, int]:
    plain = opened(PartitionRecords, data, aborted, begin, isolation)
    public = [(r.offset, r.timestamp, r.value) for r in plain]
    runs = opened(BulkRecords, data, aborted, begin, isolation)
    ours = [record for run in runs for record in run.records()]
    return public, ours, plain.next_fetch_offset, runs.next_fetch_offset


ABORT = b"\x00\x00\x00\x00"
COMMIT = b"\x00\x00\x00\x01"
LOGS = {
    "one batch": [wire(0, [b"a", b"b", None])],
    "append time": [wire(0, [b"a", b"b"], append_time=True), wire(2, [b"c"], append_time=True)],
    "compacted": [wire(5, [b"a", b"b"], offsets=[0, 4], append_time=True), wire(20, [b"c"])],
    "compacted, create time": [wire(5, [b"a", b"b"], offsets=[1, 4])],
    "a control batch": [
        wire(0, [b"a"], producer=7, transactional=True),
        wire(1, [b""], keys=[COMMIT], producer=7, transactional=True, control=True),
        wire(2, [b"b"]),
    ],
    "rolled back": [
        wire(0, [b"a", b"b"], producer=7, transactional=True),
        wire(2, [b"kept"], producer=8, transactional=True),
        wire(3, [b""], keys=[ABORT], producer=7, transactional=True, control=True),
        wire(4, [b"later"], producer=7, transactional=True),
        wire(5, [b""], keys=[COMMIT], producer=7, transactional=True, control=True),
    ],
}


@pytest.mark.parametrize("isolation", [READ_UNCOMMITTED, READ_COMMITTED])
@pytest.mark.parametrize("begin", [0, 1, 3, 6])
@pytest.mark.parametrize("name", LOGS)
def test_the_same_records_and_the_same_next_offset(name: str, begin: int, isolation: int) -> None:
    public, ours, next_public, next_ours = both(
        b"".join(LOGS[name]), begin=begin, isolation=isolation, aborted=[(7, 0)]
    )
    assert ours == public
    assert next_ours == next_public


def test_what_is_rolled_back_is_left_out() -> None:
    data = b"".join(LOGS["rolled back"])
    _, ours, _, _ = both(data, begin=0, isolation=READ_COMMITTED, aborted=[(7, 0)])
    assert [value for _, _, value in ours] == [b"kept", b"later"]


def test_a_broken_batch_is_refused_and_the_one_before_it_delivered() -> None:
    data = bytearray(wire(0, [b"good"]) + wire(1, [b"broken"]))
    data[-3] ^= 1
    for kind in (PartitionRecords, BulkRecords):
        records = opened(kind, bytes(data), None, 0, READ_UNCOMMITTED)
        next(records)
        with pytest.raises(CorruptRecordException):
            next(records)
        assert records.next_fetch_offset == 1


def test_an_unknown_version_takes_the_public_path(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert aiokafka.__version__ == bulk.PINNED, "look at streams/kafka/bulk.py, then pin anew"
    monkeypatch.setattr(aiokafka, "__version__", "99.0")
    assert bulk.deliver_runs(object()) is False
    assert "99.0" in caplog.text

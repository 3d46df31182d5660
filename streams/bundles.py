"""Bundles: partials of many workloads in one message, because a message costs more than a partial.

Rule: all of a message goes to one load partition; who waits for its acknowledgement knows of
which blocks it has something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from models.domain.load import Load
from streams import codec
from streams.kafka.partitioner import partition_of

BUNDLE_BYTES = 128 * 1024
"""Partials of one load partition go as one message, up to about so many bytes."""


def bundles(loads: Sequence[Load], partitions: int) -> Iterator[tuple[int, set[int], bytes]]:
    """(load partition, blocks, message) of partials; ``partitions``: how many there are."""
    held: dict[int, tuple[set[int], list[bytes]]] = {}
    sizes: Counter[int] = Counter()
    for load in loads:
        value = codec.encode(load)
        partition = partition_of(load.workload, partitions)
        if partition in held and sizes[partition] + len(value) > BUNDLE_BYTES:
            yield partition, held[partition][0], _array(held.pop(partition)[1])
            sizes[partition] = 0
        blocks, values = held.setdefault(partition, (set(), []))
        blocks.add(load.block)
        values.append(value)
        sizes[partition] += len(value)
    for partition, (blocks, values) in held.items():
        yield partition, blocks, _array(values)


def _array(values: Sequence[bytes]) -> bytes:
    """A JSON array of encoded values; one alone stays as it is."""
    return values[0] if len(values) == 1 else b"[" + b",".join(values) + b"]"

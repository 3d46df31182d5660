"""Which partition a workload's records are in: one partitioner, for all who write or look them up.

Rule: Kafka's default partitioner (murmur2), so that a client in any language agrees.
"""

from __future__ import annotations

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=1 << 18)
def partition_of(workload: str, partitions: int) -> int:
    """The partition of a workload's key among ``partitions``."""
    hashed: int = murmur2(workload.encode())
    return (hashed & 0x7FFFFFFF) % partitions

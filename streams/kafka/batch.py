"""A fetched batch: what one fetch brought of one partition, as one message to an agent.

Rule: records stay in log order, and nothing is decoded here.
Flow: transport -> FetchedBatch -> agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Record(Protocol):
    """The part of aiokafka's ConsumerRecord that Foretide reads; ``timestamp`` in ms."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class FetchedBatch(NamedTuple):
    """Records of one partition in log order, and the group generation they were read in."""

    topic: str
    partition: int
    records: Sequence[Record]
    generation: int

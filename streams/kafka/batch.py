"""A fetched batch: what one fetch brought of one partition, as one message to an agent.

Rule: records stay in log order, and nothing is decoded here.
Flow: transport -> FetchedBatch -> agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Record(Protocol):
    """The part of aiokafka's ConsumerRecord that Foretide reads; ``timestamp`` in ms."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class FetchedBatch(NamedTuple):
    """Records of one partition in log order, and the group generation they were read in."""

    topic: str
    partition: int
    records: Sequence[Record]
    generation: int

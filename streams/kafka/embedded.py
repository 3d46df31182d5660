"""The embedded broker: librdkafka's mock cluster, in this process, on loopback.

Rule: for the demo and tests only.  It keeps nothing on disk, makes a topic of four partitions
when it is first asked for, and keeps the producer's timestamps in place of the append time.
"""

from __future__ import annotations

from confluent_kafka import Producer

from streams.topics import TABLE

PARTITIONS = 4
"""The mock cluster's own default."""


class EmbeddedBroker:
    """One mock broker; ``bootstrap`` is its address."""

    def __init__(self, *, topic_prefix: str) -> None:
        """Starts at once; topics of the table are there when this returns."""
        self._handle: Producer | None = Producer(
            {"bootstrap.servers": "", "test.mock.num.brokers": 1, "log_level": 0}
        )
        described = self._handle.list_topics(timeout=10)
        self.bootstrap = ",".join(f"{b.host}:{b.port}" for b in described.brokers.values())
        for name in TABLE:
            self._handle.list_topics(topic_prefix + name, timeout=10)

    def stop(self) -> None:
        """Stop the broker; idempotent."""
        self._handle = None

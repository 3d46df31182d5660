"""Senders: how a batch reaches Kafka.

Rule: ``send`` returns when the broker has acknowledged (acks=all, idempotent), or raises.
"""

from __future__ import annotations

from typing import Any, Optional, Protocol

from aiokafka import AIOKafkaProducer


class Sender(Protocol):
    """The lowest boundary: implement it to send elsewhere."""

    async def start(self) -> None:
        """Connect; may raise, and is tried again."""
        ...

    async def send(self, key: str, value: bytes) -> None:
        """Send one message and wait for its acknowledgement."""
        ...

    async def stop(self) -> None:
        """Disconnect."""
        ...


class KafkaSender:
    """Sends with aiokafka.  ``kafka`` are further arguments of its producer (SASL, TLS)."""

    def __init__(self, bootstrap: str, topic: str, max_message_bytes: int, **kafka: Any) -> None:
        self._topic = topic
        self._arguments = {
            "bootstrap_servers": bootstrap,
            "acks": "all",
            "enable_idempotence": True,
            "max_request_size": max_message_bytes + 10_000,
            **kafka,
        }
        self._producer: Optional[AIOKafkaProducer] = None

    async def start(self) -> None:
        """See ``Sender``."""
        producer = AIOKafkaProducer(**self._arguments)
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def send(self, key: str, value: bytes) -> None:
        """See ``Sender``."""
        if self._producer is None:
            raise RuntimeError("the sender is not started")
        await self._producer.send_and_wait(self._topic, value, key=key.encode())

    async def stop(self) -> None:
        """See ``Sender``."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

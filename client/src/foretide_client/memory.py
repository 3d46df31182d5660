"""A sender that keeps what it is given: for the tests of services that use this client.

Rule: behaves as Kafka does; ``fail_with`` makes it fail as Kafka might.
"""

from __future__ import annotations

import json
from typing import Any, List, Optional, Tuple


class MemorySender:
    """``messages`` are (key, value) in the order of sending."""

    def __init__(self) -> None:
        self.messages: List[Tuple[str, bytes]] = []
        self.fail_with: Optional[Exception] = None

    async def start(self) -> None:
        """See ``Sender``."""

    async def send(self, key: str, value: bytes) -> None:
        """See ``Sender``."""
        if self.fail_with is not None:
            raise self.fail_with
        self.messages.append((key, value))

    async def stop(self) -> None:
        """See ``Sender``."""

    def events(self) -> List[Any]:
        """All events sent, decoded."""
        return [event for _, value in self.messages for event in json.loads(value)]

"""The pump: from the buffer to the sender, on an event loop.

Rule: one message of a key is under way at a time, so that order holds; what fails for good is
counted, and logged once per change of weather, not once per batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Dict, List, Optional

from foretide_client.buffer import Batch, Buffer
from foretide_client.sender import Sender

log = logging.getLogger("foretide_client")

RECONNECT_S = (0.1, 0.5, 1.0, 5.0)


class Pump:
    """Runs until cancelled; ``wake`` it when a whole batch waits."""

    def __init__(self, buffer: Buffer, sender: Sender, *, linger_s: float) -> None:
        self._buffer = buffer
        self._sender = sender
        self._linger_s = linger_s
        self._failing = False
        self.wake = asyncio.Event()
        self.stopping = False

    async def run(self) -> None:
        """Connect, then send whatever comes, until ``stopping`` and empty."""
        await self._connect()
        try:
            while True:
                sent = await self._send_all()
                if self.stopping and not sent and self._buffer.pending == 0:
                    return
                if not sent:
                    await self._pause()
        finally:
            await self._sender.stop()

    async def _pause(self) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.wake.wait(), self._linger_s)
        self.wake.clear()

    async def _connect(self) -> None:
        attempt = 0
        while True:
            try:
                await self._sender.start()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self._weather(f"cannot reach Kafka: {error!r}")
                await asyncio.sleep(RECONNECT_S[min(attempt, len(RECONNECT_S) - 1)])
                attempt += 1
            else:
                self._weather(None)
                return

    async def _send_all(self) -> bool:
        batches = self._buffer.take()
        if not batches:
            return False
        lanes: Dict[str, List[Batch]] = {}
        for batch in batches:
            lanes.setdefault(batch.key, []).append(batch)
        await asyncio.gather(*(self._lane(lane) for lane in lanes.values()))
        return True

    async def _lane(self, lane: List[Batch]) -> None:
        for batch in lane:
            try:
                await self._sender.send(batch.key, batch.value)
            except asyncio.CancelledError:
                self._buffer.settle(batch, "the client was closed before it was sent")
                raise
            except Exception as error:
                text = f"{batch.events} events of {batch.key} lost: {error!r}"
                self._buffer.settle(batch, text)
                self._weather(text)
            else:
                self._buffer.settle(batch)
                self._weather(None)

    def _weather(self, trouble: Optional[str]) -> None:
        if trouble is not None and not self._failing:
            log.warning("foretide telemetry: %s", trouble)
        elif trouble is None and self._failing:
            log.warning("foretide telemetry: flowing again")
        self._failing = trouble is not None

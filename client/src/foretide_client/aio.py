"""The client for asyncio services.

Rule: methods are plain calls that never wait; only ``flush`` and ``close`` are awaited.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Any, Callable, Mapping, Optional, Type

from foretide_client.buffer import Buffer, Stats, positive
from foretide_client.events import Event, Methods
from foretide_client.pump import Pump
from foretide_client.sender import KafkaSender, Sender


class AsyncTelemetry(Methods):
    """See the README.  Use it as ``async with``, or call ``start`` and ``close``.

    ``workload``, ``pod`` and ``variant`` given here are defaults of every event; ``linger_s`` is
    how long an event waits for company at most; further arguments go to aiokafka's producer.
    """

    def __init__(
        self,
        bootstrap: str = "localhost:9092",
        *,
        workload: Optional[str] = None,
        pod: Optional[str] = None,
        variant: Optional[str] = None,
        topic: str = "foretide.telemetry",
        batch_events: int = 100,
        buffer_events: int = 10_000,
        linger_s: float = 0.05,
        max_message_bytes: int = 900_000,
        clock: Callable[[], float] = time.time,
        sender: Optional[Sender] = None,
        **kafka: Any,
    ) -> None:
        given = {"workload": workload, "pod": pod, "variant": variant}
        self._defaults: Event = {name: value for name, value in given.items() if value is not None}
        self._clock = clock
        self._linger_s = positive("linger_s", linger_s)
        self._buffer = Buffer(
            events=buffer_events, batch_events=batch_events, max_message_bytes=max_message_bytes
        )
        self._sender = sender or KafkaSender(bootstrap, topic, max_message_bytes, **kafka)
        self._pump: Optional[Pump] = None
        self._task: Optional[asyncio.Task[None]] = None

    async def __aenter__(self) -> AsyncTelemetry:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Begin sending in the background; must be called with a running loop."""
        if self._task is None:
            self._pump = Pump(self._buffer, self._sender, linger_s=self._linger_s)
            self._task = asyncio.get_running_loop().create_task(self._pump.run())

    def publish(self, event: Mapping[str, Any]) -> bool:
        """See ``Methods``."""
        taken = self._buffer.put(event)
        if self._pump is not None and self._buffer.full_batch():
            self._pump.wake.set()
        return taken

    def stats(self) -> Stats:
        """What became of every event so far."""
        return self._buffer.stats()

    async def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until nothing waits; False if that takes longer than ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        while self._buffer.pending:
            if time.monotonic() >= deadline:
                return False
            if self._pump is not None:
                self._pump.wake.set()
            await asyncio.sleep(0.005)
        return True

    async def close(self, timeout_s: float = 5.0) -> bool:
        """Send what waits for at most ``timeout_s``, then stop; False if something was left."""
        self._buffer.close()
        done = await self.flush(timeout_s)
        task, self._task = self._task, None
        if task is not None and self._pump is not None:
            self._pump.stopping = True
            self._pump.wake.set()
            if not done:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, asyncio.TimeoutError):
                await asyncio.wait_for(task, timeout_s)
        return done

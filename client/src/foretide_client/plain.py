"""The client for services without asyncio: the same, on a thread of its own.

Rule: the thread is a daemon, started with the first event, and again in a forked child.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from typing import Any, Callable, Mapping, Optional

from foretide_client.aio import AsyncTelemetry
from foretide_client.buffer import Stats
from foretide_client.events import Methods


class Telemetry(Methods):
    """As ``AsyncTelemetry``, for threads; ``exit_timeout_s`` bounds the flush at exit."""

    def __init__(
        self,
        bootstrap: str = "localhost:9092",
        *,
        exit_timeout_s: float = 2.0,
        clock: Callable[[], float] = time.time,
        **arguments: Any,
    ) -> None:
        def make() -> AsyncTelemetry:
            return AsyncTelemetry(bootstrap, clock=clock, **arguments)

        self._make = make
        self._exit_timeout_s = exit_timeout_s
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._inner = make()  # Misuse raises here, in the caller's own thread.
        self._defaults = self._inner._defaults
        self._clock = clock
        atexit.register(self._at_exit)

    def publish(self, event: Mapping[str, Any]) -> bool:
        """See ``Methods``."""
        self._ensure()
        return self._inner._buffer.put(event)

    def stats(self) -> Stats:
        """What became of every event so far, in this process."""
        return self._inner.stats()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until nothing waits; False if that takes longer than ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        while self._inner._buffer.pending:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)
        return True

    def close(self, timeout_s: float = 5.0) -> bool:
        """Send what waits for at most ``timeout_s``, then stop; False if something was left."""
        loop, self._loop = self._loop, None
        if loop is None or self._pid != os.getpid():
            self._inner._buffer.close()
            return self._inner._buffer.pending == 0
        future = asyncio.run_coroutine_threadsafe(self._inner.close(timeout_s), loop)
        try:
            return future.result(2 * timeout_s + 1.0)
        except Exception:
            return False
        finally:
            loop.call_soon_threadsafe(loop.stop)

    def _ensure(self) -> None:
        if self._loop is not None and self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._inner, self._loop, self._pid = self._make(), None, os.getpid()
            if self._loop is None and not self._inner._buffer._closed:
                loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._run, args=(loop,), daemon=True, name="foretide"
                ).start()
                self._loop = loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.call_soon(self._inner.start)
        try:
            loop.run_forever()
        finally:
            loop.close()

    def _at_exit(self) -> None:
        if self._pid == os.getpid():
            self.close(self._exit_timeout_s)

"""The buffer: what waits to be sent, in batches that no broker refuses, all of it counted.

Rule: bounded, in order per workload, safe to use from any thread.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any, Deque, Dict, List, Mapping, Optional, Tuple, TypeVar

from foretide_client.events import VERSION, fault

Encoded = Tuple[str, bytes]
_N = TypeVar("_N", int, float)


@dataclass(frozen=True)
class Batch:
    """One Kafka message: its key, a JSON array, and how many events are in it."""

    key: str
    value: bytes
    events: int


@dataclass(frozen=True)
class Stats:
    """What became of every event that was ever given.

    ``accepted`` were taken; of them ``sent`` are acknowledged, ``dropped_failed`` could not be
    sent, ``buffered`` still wait or are under way.  Not taken: ``dropped_full`` (the buffer was
    full), ``too_large``, ``invalid``, ``dropped_closed`` (after ``close``).
    """

    accepted: int = 0
    sent: int = 0
    buffered: int = 0
    dropped_full: int = 0
    dropped_failed: int = 0
    dropped_closed: int = 0
    too_large: int = 0
    invalid: int = 0
    batches: int = 0
    last_error: Optional[str] = None


def _encode(event: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8.

    Raises ``ValueError`` for half a character too (a lone surrogate): as an escape it would be
    JSON, and most parsers could not read the batch that it is in.
    """
    text = json.dumps(event, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


class Buffer:
    """Events between the caller and the sender."""

    def __init__(self, *, events: int, batch_events: int, max_message_bytes: int) -> None:
        self._limit = positive("buffer_events", events)
        self._batch_events = positive("batch_events", batch_events)
        self._max_bytes = positive("max_message_bytes", max_message_bytes)
        self._lock = threading.Lock()
        self._waiting: Deque[Encoded] = deque()
        self._under_way = 0
        self._closed = False
        self._counts: Dict[str, int] = {}
        self._last_error: Optional[str] = None

    def put(self, event: Mapping[str, Any]) -> bool:
        """Take an event in, or count why not; never raises for what is in it."""
        event = {"v": VERSION, **event}
        try:
            wrong = fault(event)
            encoded = b"" if wrong else _encode(event)
        except (TypeError, ValueError, RecursionError) as error:
            wrong, encoded = f"not JSON: {error}", b""
        with self._lock:
            if wrong is not None:
                return self._refuse("invalid", wrong)
            if len(encoded) + 2 > self._max_bytes:
                text = (
                    f"an event of {len(encoded)} bytes is above max_message_bytes {self._max_bytes}"
                )
                return self._refuse("too_large", text)
            if self._closed:
                return self._refuse("dropped_closed", "the client is closed")
            if len(self._waiting) + self._under_way >= self._limit:
                return self._refuse("dropped_full", f"the buffer of {self._limit} events is full")
            self._waiting.append((event["workload"], encoded))
            self._count("accepted")
            return True

    def take(self) -> List[Batch]:
        """Everything that waits, as batches; they are under way until ``settle``."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            self._under_way += len(waiting)
        groups: Dict[str, List[bytes]] = {}
        for key, encoded in waiting:
            groups.setdefault(key, []).append(encoded)
        return [batch for key, group in groups.items() for batch in self._split(key, group)]

    def settle(self, batch: Batch, error: Optional[str] = None) -> None:
        """The broker has a batch, or (``error``) will never have it."""
        with self._lock:
            self._under_way -= batch.events
            self._count("batches")
            self._count("sent" if error is None else "dropped_failed", batch.events)
            if error is not None:
                self._last_error = error

    def close(self) -> None:
        """Take nothing more in."""
        with self._lock:
            self._closed = True

    def full_batch(self) -> bool:
        """Whether a whole batch waits."""
        return len(self._waiting) >= self._batch_events

    @property
    def pending(self) -> int:
        """Events that wait or are under way."""
        with self._lock:
            return len(self._waiting) + self._under_way

    def stats(self) -> Stats:
        """What became of everything, at one moment."""
        with self._lock:
            buffered = len(self._waiting) + self._under_way
            return Stats(buffered=buffered, last_error=self._last_error, **self._counts)

    def _split(self, key: str, group: List[bytes]) -> List[Batch]:
        batches: List[Batch] = []
        part: List[bytes] = []
        size = 2
        for encoded in group:
            more = len(encoded) + 1
            if part and (len(part) >= self._batch_events or size + more > self._max_bytes):
                batches.append(_batch(key, part))
                part, size = [], 2
            part.append(encoded)
            size += more
        if part:
            batches.append(_batch(key, part))
        return batches

    def _refuse(self, count: str, text: str) -> bool:
        self._count(count)
        self._last_error = text
        return False

    def _count(self, name: str, events: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + events


def _batch(key: str, part: List[bytes]) -> Batch:
    return Batch(key, b"[" + b",".join(part) + b"]", len(part))


def positive(name: str, value: _N) -> _N:
    """``value`` if it is positive, else ``ValueError`` with its name."""
    if not value > 0:
        raise ValueError(f"{name} must be positive, not {value!r}")
    return value

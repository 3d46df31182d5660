"""Events: building them, and refusing at the edge what Foretide would reject.

Rule: a field that is not given is left out; missing is never zero.
"""

from __future__ import annotations

import math
import re
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from foretide_client.session import Session
from foretide_client.span import RequestSpan

Event = Dict[str, Any]

VERSION = 1
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LARGEST = 1e15
_COUNTS = frozenset(
    {"tokens_in", "tokens_out", "queue_depth", "in_flight", "desired", "ready", "starting"}
)
_NUMBERS = frozenset(
    {
        "at",
        "latency_s",
        "cpu_cores",
        "memory_bytes",
        "gpu_ratio",
        "gpu_memory_bytes",
        "kv_cache_ratio",
    }
)


def fault(event: Mapping[str, Any]) -> Optional[str]:
    """What is wrong with an event, field and reason; None: nothing that can be seen here."""
    workload = event.get("workload")
    if not isinstance(workload, str) or _NAME.fullmatch(workload) is None:
        return f"workload: {workload!r} is not namespace/name"
    for name, value in event.items():
        if name in _COUNTS and (isinstance(value, bool) or not isinstance(value, int)):
            return f"{name}: {value!r} is not a whole number"
        if name in _COUNTS or name in _NUMBERS:
            reason = _number(value)
            if reason is not None:
                return f"{name}: {reason}"
    opens = event.get("opens_session", False)
    if not isinstance(opens, bool):
        return f"opens_session: {opens!r} is not true or false"
    started = event.get("started_s", ())
    for value in started:
        reason = _number(value)
        if reason is not None:
            return f"started_s: {reason}"
    return None


def _number(value: object) -> Optional[str]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"{value!r} is not a number"
    if not math.isfinite(value) or not 0 <= value <= _LARGEST:
        return f"{value!r} is not a finite, non-negative number"
    return None


class Methods:
    """The methods that both clients share; each returns whether the event was taken."""

    _defaults: Event
    _clock: Callable[[], float]

    def publish(self, event: Mapping[str, Any]) -> bool:
        """Take in a whole event as it is; ``v`` is added."""
        raise NotImplementedError  # pragma: no cover - both clients define it

    def request_started(
        self,
        *,
        tokens_in: Optional[int] = None,
        at: Optional[float] = None,
        opens_session: Optional[bool] = None,
        **more: Any,
    ) -> bool:
        """A request has arrived.  ``at`` is Unix seconds, now if left out.

        ``opens_session``: it is the first of its session (``session`` knows that by itself).
        ``more``: ``workload``, ``tenant``, ``variant``, ``pod``, ``session``.
        """
        return self._send(
            "request",
            phase="started",
            tokens_in=tokens_in,
            at=at,
            opens_session=opens_session,
            **more,
        )

    def request_finished(
        self,
        *,
        latency_s: Optional[float] = None,
        tokens_in: Optional[int] = None,
        tokens_out: Optional[int] = None,
        status: str = "ok",
        at: Optional[float] = None,
        **more: Any,
    ) -> bool:
        """A request has ended; ``status`` is ``ok``, ``error`` or ``dropped``."""
        return self._send(
            "request",
            phase="finished",
            latency_s=latency_s,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            status=status,
            at=at,
            **more,
        )

    def request(
        self,
        *,
        tokens_in: Optional[int] = None,
        opens_session: Optional[bool] = None,
        **more: Any,
    ) -> RequestSpan:
        """A request as a ``with`` block: started now, finished when the block ends."""

        def started(**fields: Any) -> bool:
            return self.request_started(opens_session=opens_session, **fields)

        return RequestSpan(started, self.request_finished, {"tokens_in": tokens_in, **more})

    def session(self, name: str, **more: Any) -> Session:
        """The requests of a session that begins now; ``more`` goes with each of them.

        Keep it for as long as the session goes on: another one of that name would begin anew.
        """
        return Session(self, {"session": name, **more})

    def resource(self, *, pod: Optional[str] = None, **gauges: Any) -> bool:
        """Gauges of one pod: ``in_flight``, ``queue_depth``, ``gpu_ratio`` and so on."""
        return self._send("resource", pod=pod, **gauges)

    def replicas(
        self,
        *,
        desired: int,
        ready: int,
        starting: int = 0,
        started_s: Sequence[float] = (),
        **more: Any,
    ) -> bool:
        """What your platform reports of replicas, where Foretide's own actuator does not."""
        return self._send(
            "replicas",
            desired=desired,
            ready=ready,
            starting=starting,
            started_s=list(started_s),
            **more,
        )

    def _send(self, kind: str, **fields: Any) -> bool:
        event: Event = {"v": VERSION, "kind": kind, **self._defaults}
        if kind == "replicas":
            event.pop("pod", None)  # It speaks of the workload, not of the pod that says it.
        event.update((name, value) for name, value in fields.items() if value is not None)
        event.setdefault("at", self._clock())
        return self.publish(event)

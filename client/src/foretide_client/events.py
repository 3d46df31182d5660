"""Events: building them, and refusing at the edge what Foretide would reject.

Rule: a field that is not given is left out; missing is never zero.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

from foretide_client.session import Session
from foretide_client.span import RequestSpan

Event = Dict[str, Any]

VERSION = 1
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_NAME_LONGEST = 317
_TEXT_LONGEST = 253
_SHOWN = 60
_LARGEST = 1e15
_COUNT = 1_000_000_000_000
_REPLICAS = 1_000_000

Check = Callable[[object], Optional[str]]
"""What is wrong with a value; None: nothing."""


def _number(most: float) -> Check:
    def check(value: object) -> Optional[str]:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"{_shown(value)} is not a number"
        if not 0 <= value <= most:  # False for NaN, and exact for whole numbers of any size.
            return f"{_shown(value)} is not a finite number from 0 to {most:g}"
        return None

    return check


def _whole(most: int) -> Check:
    within = _number(most)

    def check(value: object) -> Optional[str]:
        if isinstance(value, bool) or not isinstance(value, int):
            return f"{_shown(value)} is not a whole number"
        return within(value)

    return check


def _one_of(*words: str) -> Check:
    def check(value: object) -> Optional[str]:
        known = isinstance(value, str) and value in words
        return None if known else f"{_shown(value)} is none of {', '.join(words)}"

    return check


def _text(value: object) -> Optional[str]:
    if not isinstance(value, str):
        return f"{_shown(value)} is not a text"
    return f"a text of {len(value)} characters" if len(value) > _TEXT_LONGEST else None


def _truth(value: object) -> Optional[str]:
    return None if isinstance(value, bool) else f"{_shown(value)} is not true or false"


def _version(value: object) -> Optional[str]:
    ours = isinstance(value, int) and not isinstance(value, bool) and value == VERSION
    return None if ours else f"{_shown(value)} is not {VERSION}"


def _workload(value: object) -> Optional[str]:
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        return f"{_shown(value)} is not namespace/name"
    return f"a name of {len(value)} characters" if len(value) > _NAME_LONGEST else None


def _seconds(value: object) -> Optional[str]:
    if not isinstance(value, (list, tuple)):
        return f"{_shown(value)} is not a list of seconds"
    within = _number(_LARGEST)
    return next((told for told in map(within, value) if told), None)


_CHECKS: Dict[str, Check] = {
    "v": _version,
    "kind": _one_of("request", "resource", "replicas"),
    "workload": _workload,
    "at": _number(_LARGEST),
    "phase": _one_of("started", "finished"),
    "status": _one_of("ok", "error", "dropped"),
    "latency_s": _number(1e6),
    "opens_session": _truth,
    "started_s": _seconds,
    **dict.fromkeys(("tokens_in", "tokens_out"), _whole(_COUNT)),
    **dict.fromkeys(("queue_depth", "in_flight", "sessions"), _whole(_COUNT)),
    **dict.fromkeys(("desired", "ready", "starting"), _whole(_REPLICAS)),
    **dict.fromkeys(("cpu_cores", "memory_bytes", "gpu_memory_bytes"), _number(_LARGEST)),
    **dict.fromkeys(("gpu_ratio", "kv_cache_ratio"), _number(1_000)),
    **dict.fromkeys(("tenant", "variant", "pod", "session"), _text),
}
"""By field; another one's value is any JSON."""

_NEEDED = ("v", "kind", "workload", "at")
_NEEDED_OF: Dict[str, Tuple[str, ...]] = {"resource": ("pod",), "replicas": ("desired", "ready")}


def fault(event: Mapping[str, Any]) -> Optional[str]:
    """What is wrong with an event, field and reason; None: nothing that can be seen here."""
    for name in _NEEDED:
        if name not in event:
            return f"{name}: is missing"
    for name, value in event.items():
        check = _CHECKS.get(name)
        reason = None if check is None else check(value)
        if reason is not None:
            return f"{name}: {reason}"
    for name in _NEEDED_OF.get(event["kind"], ()):
        if name not in event:
            return f"{name}: is missing"
    return None


def _shown(value: object) -> str:
    """For a person, however long it is and whatever it says of itself."""
    try:
        text = repr(value)
    except Exception:  # A service's own class may fail at it.
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


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
        """Gauges of one pod: ``in_flight``, ``queue_depth``, ``gpu_ratio`` and so on.

        ``sessions`` are those that began on it and are not over, between two requests as well.
        """
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

"""A span: one request, timed from the begin of a ``with`` block to its end.

Rule: what happens in the block goes on its way; telemetry neither stops nor changes it.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Callable, Dict, Optional, Type


class RequestSpan:
    """One request, timed: ``with telemetry.request(...) as request: ...``.

    Set ``tokens_out`` (and ``status``) inside.  An exception makes the status ``error`` and goes
    on its way.
    """

    def __init__(
        self,
        started: Callable[..., bool],
        finished: Callable[..., bool],
        fields: Dict[str, Any],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tokens_out: Optional[int] = None
        self.status = "ok"
        self._started = started
        self._finished = finished
        self._fields = fields
        self._monotonic = monotonic
        self._began = 0.0

    def __enter__(self) -> RequestSpan:
        self._began = self._monotonic()
        self._started(**self._fields)
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if kind is not None:
            self.status = "error"
        self._finished(
            latency_s=max(self._monotonic() - self._began, 0.0),
            tokens_out=self.tokens_out,
            status=self.status,
            **self._fields,
        )

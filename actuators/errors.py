"""What can go wrong out there, by what somebody does about it.

Rule: one subclass per reaction, not per status; the table below is the whole policy.
Raised by actuators, handled by the dispatcher and the watch.
"""

from __future__ import annotations

import email.utils
from collections.abc import Mapping

RETRY_AFTER_LIMIT_S = 60.0
"""A server may not park us for longer than this; a decision's time to live is of this order."""


class ActuationError(Exception):
    """Something outside failed.  ``code`` is short and stable, the text is for a person."""

    def __init__(self, code: str, text: str, *, retry_after_s: float | None = None) -> None:
        """``retry_after_s`` is what the server asked for, already bounded; None: it did not."""
        super().__init__(text)
        self.code = code
        self.retry_after_s = retry_after_s


class Transient(ActuationError):
    """Try again after a pause: timeouts, 429, 5xx, connection lost."""


class Conflict(ActuationError):
    """Somebody else wrote first (409): read again and think again, at once."""


class Stale(ActuationError):
    """A newer epoch stands there: this order is over, and that is as it should be."""


class Gone(ActuationError):
    """The watch's position is too old (410): list again."""


class Rejected(ActuationError):
    """The platform will not have it (404, 422, unsupported kind): drop the order, say so."""


class Denied(ActuationError):
    """We may not (401, 403): drop the order, and tell the operator what to grant."""


REACTIONS: dict[int, tuple[type[ActuationError], str]] = {
    400: (Rejected, "bad-request"),
    401: (Denied, "unauthorized"),
    403: (Denied, "forbidden"),
    404: (Rejected, "not-found"),
    408: (Transient, "timeout"),
    409: (Conflict, "conflict"),
    410: (Gone, "gone"),
    415: (Rejected, "bad-request"),
    422: (Rejected, "invalid"),
    429: (Transient, "throttled"),
}
"""HTTP status to reaction; 5xx are ``Transient`` ``server-error``, anything else ``Rejected``."""


def from_status(
    status: int, text: str, headers: Mapping[str, str] | None = None, *, now_s: float
) -> ActuationError:
    """The error for an HTTP status.  ``now_s``: Unix seconds, for Retry-After given as a date."""
    kind: type[ActuationError]
    if status >= 500:  # noqa: PLR2004
        kind, code = Transient, "server-error"
    else:
        kind, code = REACTIONS.get(status, (Rejected, f"http-{status}"))
    after = retry_after((headers or {}).get("Retry-After"), now_s=now_s)
    return kind(code, f"{code} ({status}): {text}", retry_after_s=after)


def retry_after(value: str | None, *, now_s: float) -> float | None:
    """Seconds to wait by a Retry-After header (seconds or HTTP date), 0 to the limit.

    None when there is no header, or none that can be read.

    >>> retry_after("7", now_s=0.0)
    7.0
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now_s
        except ValueError:
            return None
    if not seconds < float("inf"):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT_S)

from __future__ import annotations

import pytest

from actuators.errors import (
    ActuationError,
    Conflict,
    Denied,
    Gone,
    Rejected,
    Transient,
    from_status,
    retry_after,
)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, Denied, "unauthorized"),
        (403, Denied, "forbidden"),
        (404, Rejected, "not-found"),
        (409, Conflict, "conflict"),
        (410, Gone, "gone"),
        (418, Rejected, "http-418"),
        (422, Rejected, "invalid"),
        (429, Transient, "throttled"),
        (500, Transient, "server-error"),
        (503, Transient, "server-error"),
    ],
)
def test_the_reaction_table(status: int, kind: type[ActuationError], code: str) -> None:
    error = from_status(status, "said the server", now_s=0.0)
    assert type(error) is kind
    assert error.code == code
    assert "said the server" in str(error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("-3", 0.0),
        ("86400", 60.0),
        ("nan", None),
        ("inf", None),
        ("Thu, 01 Jan 1970 00:00:20 GMT", 10.0),
        ("soon", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, now_s=10.0) == seconds

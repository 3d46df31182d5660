"""What comes to the plant: the requests of a trace, and the calls of sessions.

Rule: a session's call comes a pause after the call before it ended, whatever became of that.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

from lab.plant.replica import Request
from lab.traces.arrival import Arrival
from lab.traces.session import Session


def requests(
    arrivals: Iterable[Arrival], sessions: Sequence[Session], begin: float
) -> Iterator[Request]:
    """Arrivals and the first calls of sessions, in order of time."""
    plain = _plain(arrivals, begin)
    if not sessions:
        return plain
    firsts = (_first(session, begin) for session in sorted(sessions, key=lambda s: s.start_s))
    return heapq.merge(plain, firsts, key=lambda request: request.arrived_at)


def _plain(arrivals: Iterable[Arrival], begin: float) -> Iterator[Request]:
    """The first arrival of a tenant that has the name of a session opens it."""
    opened = set[tuple[str, str]]()
    for a in arrivals:
        session = a.tenant, a.session
        opens = bool(a.session) and session not in opened
        if opens:
            opened.add(session)
        yield Request(
            begin + a.at_s,
            a.tokens_in,
            a.tokens_out,
            a.tokens_cached,
            a.tenant,
            a.session,
            opens=opens,
        )


def _first(session: Session, begin: float) -> Request:
    rest = iter(session.calls)
    call = next(rest)
    return Request(
        begin + session.start_s,
        call.tokens_in,
        call.tokens_out,
        call.tokens_cached,
        session.tenant,
        session.name,
        rest,
        opens=True,
    )


def following(request: Request, at: float) -> Request | None:
    """The call after ``request``, which ended at ``at``; None: there is none."""
    call = None if request.rest is None else next(request.rest, None)
    if call is None:
        return None
    return Request(
        at + call.pause_s,
        call.tokens_in,
        call.tokens_out,
        call.tokens_cached,
        request.tenant,
        request.session,
        request.rest,
    )

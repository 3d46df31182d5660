"""Drain: at once no more replicas go than can finish in time what they are working on.

Rule: a replica that has ``n`` requests and ends ``r`` of them a second needs n / r seconds
(Little's law, with what an average replica ends now); those with least to do are counted first.
A pod that says nothing, or has ceased to, is not known to be done: it is not counted.  Those that
are starting have nothing to do, and Kubernetes takes them first.  A pod on which a session is not
over stays, where the spec says so.
"""

from __future__ import annotations

import math

from models.domain.decision import Reason
from models.in_system import FRESH_S
from models.policy.context import Context, Mark


def drain(replicas: int, context: Context) -> Mark | None:
    """Keep ``drain.budgetSeconds``: as many go as there are pods that can be done within it.

    Pods with 2, 9 and 30 requests, each ending 1 a second, and 10 s: two may go.  With
    ``drain.keepSessions`` none of those that have sessions, however few requests.
    """
    asked = context.spec.drain
    budget_s = asked.budget_seconds
    if replicas >= context.current or (budget_s is None and not asked.keep_sessions):
        return None
    done = _done(budget_s, context)
    kept = max(replicas, context.current - done)
    if kept == replicas:
        return None
    free = f"{done} replicas have no sessions" if asked.keep_sessions else f"{done} replicas"
    if budget_s is None:
        why, constraint, limit = f"{free} any more", "drain.keepSessions", float(done)
    else:
        also = " and" if asked.keep_sessions else ""
        why = f"{free}{also} can finish their work within {budget_s} s"
        constraint, limit = "drain.budgetSeconds", float(budget_s)
    return Mark(replicas=kept, why=why, reason=Reason.DRAIN, constraint=constraint, limit=limit)


def _done(budget_s: float | None, context: Context) -> int:
    """Replicas that may go: they are starting, or can end what they have within the budget.

    Where sessions are kept, not of those that have any, or do not tell.

    Never one of those that are known to be at work: a pod may be starting and tell of itself.
    None while telemetry is missing, which says of now neither what pods have nor that they start.
    """
    if context.missing:
        return 0
    held, sessions = context.in_flight, context.sessions
    keeps = context.spec.drain.keep_sessions
    most = math.inf if budget_s is None else budget_s * context.ended_per_s
    idle = sum(
        requests <= most and (not keeps or sessions.get(pod) == 0) for pod, requests in held.items()
    )
    left = _left(context, max(budget_s or 0.0, FRESH_S))
    at_work = len(held) - idle
    return max(min(idle + context.starting - left, context.current - at_work), 0)


LEAVING_MOST = 100
"""Pods named in one decision; beyond, the platform chooses."""

LEFT_S = 600.0
"""For as long a pod that was scaled in may end its work, and tell of itself."""


def leaving(final: int, context: Context) -> tuple[str, ...]:
    """Pods that should go when ``final`` replicas are left.

    Those with the fewest sessions first, of these those with the fewest requests.  Of pods with
    2, 9 and 0 requests, two to go: the third and the first.  Pods that left within
    ``LEFT_S`` may be among those with the fewest, so as many more are named: the platform takes
    the first that are there.  Only where the spec asks for ``drain.podDeletionCost`` and pods are
    of one kind.
    """
    spec, count = context.spec, context.current - final
    if count <= 0 or not spec.drain.pod_deletion_cost or len(spec.variants) > 1:
        return ()
    requests, sessions = context.in_flight, context.sessions
    ordered = sorted(requests, key=lambda pod: (sessions.get(pod, 0), requests[pod], pod))
    named = count + _left(context, LEFT_S)
    return tuple(ordered[: min(named, LEAVING_MOST)])


def _left(context: Context, within_s: float) -> int:
    """Replicas that were scaled in within the last seconds: their pods may still be known of."""
    since = context.now - within_s
    return sum(
        before - after for at, before, after in context.scaled if at > since and after < before
    )

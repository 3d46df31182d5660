"""By demand: what is asked for where the capacity of a replica is known.

Rule: the most of what is there, what is forecast, and what a rise that goes on leads to; a rise
that is no noise counts at once.
Flow: DemandMeter, Foresight -> Wish.
"""

from __future__ import annotations

from models.demand import DemandMeter
from models.domain.decision import Reason
from models.foresight import Foresight
from models.serves import Serves
from models.wish import Wish


def wanted(
    demand: DemandMeter,
    foresight: Foresight,
    serves: Serves,
    closed: int | None,
    current: int,
    ready: int,
) -> Wish | None:
    """Replicas for what is there and what is ahead; None: no demand seen yet.

    Where requests do not tell what they come to, it is what there is, or more where that much is
    told.

    ``closed`` is the last complete second.  Of 16 now and 24 at the horizon, 8 a replica, it is 3,
    ``forecast``.
    """
    least = demand.untold()
    if least is not None:
        return Wish(max(serves.needed(least), current), Reason.FALLBACK, "untold", least)
    short = demand.short(closed)
    if short is None:
        return None
    ahead, sizing = foresight.ahead(demand), foresight.sizing
    if ahead is None:
        return Wish(max(serves.needed(short), current), Reason.DEMAND, "short", short)
    if foresight.sized:
        # A rise that is no noise counts at once; what may be noise, when its step is over.
        rises = demand.surely(short, closed) > sizing.now
        present, projected = short if rises else sizing.now, sizing.projected
    else:
        # Capacity was unknown a moment ago: what sizing knows of demand is older than that.
        present, projected = short, 0.0
    if projected > max(present, ahead):
        return Wish(serves.needed(projected), Reason.BURST, "ramp", projected)
    for_now, for_ahead = serves.needed(present), serves.needed(ahead)
    if for_now > for_ahead:
        reason = Reason.BURST if present > ready * serves.each else Reason.DEMAND
        return Wish(for_now, reason, "newest", present)
    return Wish(for_ahead, Reason.FORECAST, "ahead", ahead)

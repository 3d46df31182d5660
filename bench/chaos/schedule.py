"""Schedule: which disturbance comes when, from the seed alone.

Rule: each kind comes its number of times, once at a random moment of each of as many equal parts.
"""

from __future__ import annotations

import random
from enum import StrEnum


class Act(StrEnum):
    """One kind of disturbance."""

    KILL = "kill"
    """kill -9 of a worker, and a new one."""
    MEMBERS = "members"
    """A worker joins, or leaves in order."""
    PAUSE = "pause"
    """SIGSTOP for longer than the session, then SIGCONT: a zombie."""
    BROKER = "broker"
    """The broker goes, and comes back with its data."""
    STALL = "stall"
    """The broker stands still, and then every session is over at once."""
    REDELIVER = "redeliver"
    """Messages of the load topic are produced again."""


PER_MINUTE = {
    Act.KILL: 4.0,
    Act.MEMBERS: 1.5,
    Act.PAUSE: 1.0,
    Act.BROKER: 0.4,
    Act.STALL: 0.3,
    Act.REDELIVER: 3.0,
}


def schedule(chance: random.Random, minutes: float) -> list[tuple[float, Act]]:
    """(seconds from the start, act) in order; each kind at least once."""
    planned = []
    for act, per_minute in PER_MINUTE.items():
        count = max(round(per_minute * minutes), 1)
        part = minutes * 60.0 / count
        planned += [(part * (number + chance.random()), act) for number in range(count)]
    return sorted(planned)

"""What a guard may know, and what it answers.

Rule: values only; a guard that needs more gets it here, by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from models.domain.decision import Reason
from models.domain.spec import ScalerSpec
from models.edge import NOWHERE, Edge
from models.effect import Frozen
from models.policy.limits import Bounds
from models.policy.wishes import Wishes
from models.serves import Serves

MISSING_S = 20.0
"""Silence, lateness included, after which seconds count as missing."""


class Context(Struct, frozen=True, kw_only=True, gc=False):
    """One workload at one moment.  Times in Unix seconds, ages in seconds.

    ``current`` is what is desired now on the platform; ``wished`` the past wishes before
    stabilisation; ``scaled`` the past changes (at, from, to) we ordered;
    ``silent_s`` how long telemetry has been missing, None: it never came; ``window_s`` the
    scale-in stabilisation where the spec leaves it out; ``limits`` the bounds.
    ``quiet_s`` complete seconds without anything to do, ``event_s`` seconds since something
    happened; ``in_flight`` requests and ``sessions`` by pod, and ``ended_per_s`` requests that a
    replica ends;
    ``frozen`` what did harm, ``doublings`` of patience, ``edge`` below which
    no small scale-in goes; ``serves`` what replicas do.  Where nobody asked they are as below.
    """

    now: float
    spec: ScalerSpec
    current: int
    ready: int
    starting: int
    horizon_s: float
    silent_s: float | None
    latency_driven: bool
    wished: Wishes
    scaled: Sequence[tuple[float, int, int]]
    window_s: float
    limits: Bounds
    quiet_s: int = 0
    event_s: float | None = None
    in_flight: Mapping[str, int] = {}
    sessions: Mapping[str, int] = {}
    ended_per_s: float = 0.0
    frozen: Frozen | None = None
    doublings: int = 0
    edge: Edge = NOWHERE
    serves: Serves | None = None

    @property
    def missing(self) -> bool:
        """Whether telemetry counts as missing: seconds that should be complete are not."""
        return self.silent_s is not None and self.silent_s > MISSING_S


class Mark(Struct, frozen=True, kw_only=True, gc=False):
    """A guard's answer: the number, why, and the constraint if this guard's limit binds."""

    replicas: int
    why: str
    reason: Reason
    constraint: str
    limit: float


class Guard(Protocol):
    """``None``: the guard has nothing against ``replicas``."""

    __name__: str

    def __call__(self, replicas: int, context: Context) -> Mark | None:
        """Look at ``replicas``."""
        ...

"""Outcome: what happened when the actuator took up a decision.

Rule: every decision has exactly one final result, refused and expired ones too.
Flow: actuate -> foretide.outcomes -> audit, demo's final check.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from models.domain.decision import Epoch
from models.domain.version import Version, version


class Result(enum.StrEnum):
    """The closed list of what can become of a decision."""

    APPLIED = "applied"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    EXPIRED = "expired"
    FAILED = "failed"
    SHADOW = "shadow"


class Outcome(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What became of one decision.

    ``why`` is a short code (``bounds``, ``stale-epoch``, ``not-found`` ...), ``detail`` a
    sentence for a person.  ``latency_s`` is decision to outcome by the injected clock;
    ``wall_at`` the machine's own clock when the platform had answered, for benches.
    """

    v: Version = version()
    workload: str
    decision: str
    epoch: Epoch
    at: float
    result: Result
    why: str = ""
    detail: str = ""
    attempts: int = 0
    replicas: dict[str, int] = {}
    latency_s: float = 0.0
    wall_at: float = 0.0

"""A session: an agent's sequential calls to a model, with pauses for tools and for its user.

Rule: a call begins only after the one before it has ended, whatever that took.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One model call.  ``pause_s`` seconds after the call before it ended; ``turn`` counts from 0.

    ``tokens_cached`` of the ``tokens_in`` are in the prefix cache.
    """

    pause_s: float
    turn: int
    tokens_in: int
    tokens_cached: int
    tokens_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """``start_s`` seconds after the trace's begin its first call arrives (its pause is not kept).

    ``tools`` is how many tools its calls ran in all.
    """

    name: str
    start_s: float
    calls: tuple[Call, ...]
    tools: int = 0
    tenant: str = ""

    def __post_init__(self) -> None:
        if not self.calls:
            raise ValueError(f"session {self.name} has no calls, at least one was expected")

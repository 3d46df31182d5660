"""Verdict: what the Scaler says of one workload at one moment, before an epoch makes it binding.

Rule: it is everything of a Decision but its identity and its time.
Flow: Scaler.decide -> Verdict -> Fleet -> Decision.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from models.domain.decision import (
    Alternative,
    Binding,
    Inputs,
    ModelInfo,
    Reason,
    SizingInfo,
    Stamp,
    State,
)


class Verdict(Struct, frozen=True, kw_only=True):
    """See ``models.domain.decision.Decision`` for the fields."""

    mode: Literal["active", "shadow", "paused"]
    from_: State
    to: State
    reason: Reason
    trail: tuple[Stamp, ...]
    inputs: Inputs
    model: ModelInfo
    binding: Binding | None
    alternatives: tuple[Alternative, ...]
    sizing: SizingInfo | None

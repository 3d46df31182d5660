"""Past: what was wished for one workload, what was ordered, and what was said last.

Rule: orders are kept for as long as any limit counts them; one that the platform does not report
was not carried out, and is no change.
Flow: Scaler.decide -> wished; Scaler.accept -> ordered; -> Context, by_latency.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from models.domain.decision import Decision
from models.policy import Wishes

Change = tuple[float, int, int]
"""When it was ordered (Unix seconds), from how many replicas, and to how many."""


class Past:
    """Of one workload."""

    __slots__ = ("changes", "last", "wished")

    def __init__(self) -> None:
        """Nothing was wished for yet."""
        self.wished = Wishes()
        self.changes: list[Change] = []
        """What was ordered, oldest first."""
        self.last: tuple[dict[str, int], float] | None = None
        """What was decided last, and until when it is valid."""

    def since_s(self, now: float) -> float:
        """Seconds since a change was ordered; infinite where none was."""
        return now - self.changes[-1][0] if self.changes else math.inf

    def done(self, current: int) -> Sequence[Change]:
        """Changes that were ordered, without the newest if it was not carried out."""
        changes = self.changes
        return changes[:-1] if changes and changes[-1][1] == current else changes

    def repeats(self, replicas: Mapping[str, int]) -> bool:
        """Whether the last decision was of these replicas, by variant."""
        return self.last is not None and self.last[0] == replicas

    def valid(self, now: float) -> bool:
        """Whether the last decision may still be carried out."""
        return self.last is not None and self.last[1] > now

    def said(self, decision: Decision) -> None:
        """A decision was sent."""
        self.last = decision.to.replicas, decision.valid_until

    def ordered(self, at: float, before: int, after: int, kept_s: float) -> None:
        """It was one for other replicas than there are; older ones than ``kept_s`` are over.

        Where it begins from what the newest began from, that one was never carried out: this one
        stands in for it, or the same step would be counted twice.
        """
        if self.changes and self.changes[-1][1] == before:
            self.changes.pop()
        self.changes.append((at, before, after))
        while self.changes[0][0] < at - kept_s:
            self.changes.pop(0)

"""What the facade needs of whatever serves behind it.

Rule: the plant implements this; times are Unix seconds of the injected clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """One pod.  ``ready_at`` None: not ready yet."""

    name: str
    uid: str
    created_at: float
    ready_at: float | None
    deleting: bool = False


class Scalable(Protocol):
    """Something with replicas."""

    def scale(self, replicas: int, now: float) -> None:
        """Ask for ``replicas``."""
        ...

    def pods(self) -> Sequence[PodView]:
        """The pods there are."""
        ...

    @property
    def desired(self) -> int:
        """Replicas asked for."""
        ...

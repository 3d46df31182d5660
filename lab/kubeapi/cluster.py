"""What the facade needs of whatever serves behind it.

Rule: the plant implements this; times are Unix seconds of the injected clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


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


@runtime_checkable
class Choosing(Scalable, Protocol):
    """Something whose pods leave by their deletion cost, as those of a ReplicaSet do."""

    def scale_by_cost(self, replicas: int, now: float, costs: Mapping[str, int]) -> None:
        """Ask for ``replicas``; who has no cost has 0, and the lowest leave first."""
        ...

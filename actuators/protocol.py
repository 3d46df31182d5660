"""The actuator protocol: what every platform must do, and nothing more.

Rule: ``apply`` is idempotent per epoch and never lets an older epoch overwrite a newer one;
failures are ``ActuationError``s.  Flow: decisions -> dispatcher -> Actuator -> platform.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from models.domain.decision import Epoch
from models.domain.spec import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRef:
    """One target of one workload's variant, with its namespace."""

    workload: str
    variant: str
    namespace: str
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Set one target to ``replicas``, stamped with ``epoch``, if nothing newer stands there.

    ``leaving``: pods to take first if there are fewer, where the platform can choose; it may name
    more than go, because some of them may be gone.
    """

    ref: TargetRef
    replicas: int
    epoch: Epoch
    decision: str
    leaving: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The platform's answer: replicas before and after; ``changed`` False if it stood already."""

    before: int
    after: int
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the platform shows of a target.  ``started_s``: start-ups finished since the last one.

    ``at`` is seconds by the injected clock; ``epoch`` the applied one, None if never applied.
    """

    ref: TargetRef
    at: float
    desired: int
    ready: int
    starting: int
    started_s: tuple[float, ...] = field(default=())
    epoch: Epoch | None = None


class Actuator(Protocol):
    """A platform that can run workloads."""

    async def apply(self, order: Order) -> Applied:
        """Apply ``order``.  Raises an ``ActuationError`` (actuators/errors.py)."""
        ...

    async def observe(self, ref: TargetRef) -> Observation:
        """Read the target once.  Raises an ``ActuationError``."""
        ...

    def watch(self, refs: Iterable[TargetRef]) -> AsyncIterator[Observation]:
        """Observations whenever one changes, for ever; survives restarts of the platform."""
        ...

    async def close(self) -> None:
        """Release connections; idempotent."""
        ...

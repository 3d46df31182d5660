"""The dry-run actuator: sees the real platform, changes nothing.

Rule: an order is checked and answered as if it had been applied, and remembered as such here.
Wraps any actuator.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from actuators.errors import Stale
from actuators.protocol import Actuator, Applied, Observation, Order, TargetRef
from models.domain.decision import Epoch


class DryRunActuator:
    """Observes through ``inner``; ``apply`` only remembers."""

    def __init__(self, inner: Actuator) -> None:
        """``inner`` is closed with this one."""
        self._inner = inner
        self._orders: dict[TargetRef, tuple[Epoch, int]] = {}

    async def apply(self, order: Order) -> Applied:
        """See ``Actuator``.  The target must exist, and the epoch must be newer, as in earnest."""
        seen = await self._inner.observe(order.ref)
        epoch, before = self._orders.get(order.ref, (seen.epoch, seen.desired))
        if epoch is not None and epoch > order.epoch:
            raise Stale("stale-epoch", f"{epoch} is applied, {order.epoch} is older")
        again = epoch == order.epoch
        self._orders[order.ref] = (order.epoch, order.replicas)
        return Applied(before=before, after=order.replicas, changed=not again)

    async def observe(self, ref: TargetRef) -> Observation:
        """See ``Actuator``: what is really there."""
        return await self._inner.observe(ref)

    def watch(self, refs: Iterable[TargetRef]) -> AsyncIterator[Observation]:
        """See ``Actuator``: what is really there."""
        return self._inner.watch(refs)

    async def close(self) -> None:
        """Close the wrapped actuator."""
        await self._inner.close()

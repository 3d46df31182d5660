"""The memory actuator: workloads as numbers in this process.

Rule: keeps the protocol to the letter (epochs, idempotence, errors), so that what runs on it
runs on a platform.  Ships, for users' tests of their own policies.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from actuators.clock import Clock
from actuators.errors import Rejected, Stale
from actuators.protocol import Applied, Observation, Order, TargetRef
from models.domain.decision import Epoch

_Key = tuple[str, str, str]
"""(namespace, kind, name) of a target."""


@dataclass(slots=True)
class _Target:
    replicas: int
    epoch: Epoch | None = None


@dataclass(slots=True, eq=False)
class _Watcher:
    """One ``watch``: which targets changed since it last looked, so that it looks at no others."""

    changed: dict[_Key, None]
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryActuator:
    """Replicas are ready at once.  Targets are declared with ``add``."""

    def __init__(self, clock: Clock, *, undeclared: int | None = None) -> None:
        """``clock`` stamps observations.

        ``undeclared``: replicas that a target begins with when it is first asked for; None: only
        declared targets exist.
        """
        self._clock = clock
        self._undeclared = undeclared
        self._targets: dict[_Key, _Target] = {}
        self._watchers: list[_Watcher] = []

    def add(self, ref: TargetRef, replicas: int) -> None:
        """Declare a target."""
        self._targets[_key(ref)] = _Target(replicas)
        self._wake(ref)

    async def apply(self, order: Order) -> Applied:
        """See ``Actuator``."""
        target = self._find(order.ref)
        if target.epoch is not None and target.epoch > order.epoch:
            raise Stale("stale-epoch", f"{target.epoch} is applied, {order.epoch} is older")
        before, again = target.replicas, target.epoch == order.epoch
        if not again:
            target.replicas = order.replicas
            target.epoch = order.epoch
            self._wake(order.ref)
        return Applied(before=before, after=target.replicas, changed=not again)

    async def observe(self, ref: TargetRef) -> Observation:
        """See ``Actuator``."""
        target = self._find(ref)
        return Observation(
            ref=ref,
            at=self._clock.now(),
            desired=target.replicas,
            ready=target.replicas,
            starting=0,
            epoch=target.epoch,
        )

    async def watch(self, refs: Iterable[TargetRef]) -> AsyncIterator[Observation]:
        """See ``Actuator``.  Targets that are not declared yet are waited for."""
        named: dict[_Key, list[TargetRef]] = {}
        for ref in refs:
            named.setdefault(_key(ref), []).append(ref)
            if self._undeclared is not None:
                self._targets.setdefault(_key(ref), _Target(self._undeclared))
        told: dict[TargetRef, tuple[int, Epoch | None]] = {}
        watcher = _Watcher(dict.fromkeys(named))
        self._watchers.append(watcher)
        try:
            while True:
                changed, watcher.changed = watcher.changed, {}
                for key in changed:
                    for ref in named.get(key, ()):
                        target = self._targets.get(key)
                        if target is not None and told.get(ref) != (target.replicas, target.epoch):
                            told[ref] = (target.replicas, target.epoch)
                            yield await self.observe(ref)
                if not watcher.changed:
                    watcher.woken.clear()
                    await watcher.woken.wait()
        finally:
            self._watchers.remove(watcher)

    async def close(self) -> None:
        """Nothing to release."""

    def _find(self, ref: TargetRef) -> _Target:
        target = self._targets.get(_key(ref))
        if target is None:
            name = f"{ref.target.kind} {ref.namespace}/{ref.target.name}"
            raise Rejected("not-found", f"{name} does not exist")
        return target

    def _wake(self, ref: TargetRef) -> None:
        for watcher in self._watchers:
            watcher.changed[_key(ref)] = None
            watcher.woken.set()


def _key(ref: TargetRef) -> _Key:
    return ref.namespace, ref.target.kind, ref.target.name

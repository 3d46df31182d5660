"""allocate: proposals of a pool's workloads into decisions, one Allocation per pool.

Rule: one partition owner sees all of a pool; a pool nobody defined limits nothing, and is said.
Flow: foretide.proposals -> foretide.decisions.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from models.allocation import Allocation
from models.step import SpecChange
from streams import codec
from streams.kafka.batch import FetchedBatch
from streams.kafka.outbox import Outbox
from streams.metrics import Metrics
from streams.roles.role import RoleService
from streams.roles.unreadable import Unreadable
from streams.settings import Settings
from streams.specs_table import SpecTable

log = logging.getLogger(__name__)


class Allocate(RoleService):
    """See the module's text."""

    role = "allocate"
    topic = "proposals"

    def __init__(
        self, settings: Settings, *, outbox: Outbox, specs: SpecTable, metrics: Metrics
    ) -> None:
        """``specs`` knows the pools."""
        super().__init__(settings)
        self._outbox = outbox
        self._specs = specs
        self._metrics = metrics
        self._unreadable = Unreadable(outbox, metrics)
        self._pools: dict[str, Allocation] = {}
        self._undefined: set[str] = set()
        specs.listen(self._on_spec)

    async def on_assigned(self, partitions: frozenset[int]) -> Mapping[int, int]:
        """Grants are learned again from proposals.

        Until a workload that has what it wants proposes again, what it holds is not counted: a
        pool may be granted more than it has for that long.
        """
        del partitions
        self._pools.clear()
        return {}

    def _on_spec(self, change: SpecChange) -> None:
        """A workload that is gone, or in another pool now, frees what it had."""
        pool = None if change.spec is None else change.spec.spec.pool
        for name, allocation in self._pools.items():
            if name != pool:
                allocation.drop(change.workload)

    async def on_batch(self, batch: FetchedBatch) -> None:
        """Decide the proposals of a batch, in order."""
        sends = []
        for offset, _, value in batch.records():
            try:
                proposal = codec.proposal(value or b"")
            except codec.REFUSALS as error:
                fault = (None, *codec.why(error, value))
                await self._unreadable.tell(batch, offset, value, [fault])
                continue
            pool = self._specs.pool(proposal.pool)
            if pool is None and proposal.pool not in self._undefined:
                self._undefined.add(proposal.pool)
                log.warning("pool %s is not defined: it limits nothing", proposal.pool)
            allocation = self._pools.setdefault(proposal.pool, Allocation())
            decision = allocation.decide(proposal, None if pool is None else pool.spec.resources)
            self._metrics.decisions.labels(decision.reason.value, decision.mode).inc()
            sends.append(
                await self._outbox.send("decisions", codec.encode(decision), key=decision.workload)
            )
        await self.acknowledged(sends)
        self.frontiers[batch.partition] = batch.last + 1

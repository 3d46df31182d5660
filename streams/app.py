"""The composition root: settings in, a worker out; nothing of Foretide exists before ``build``.

Rule: every part is made here and handed what it needs; no module-level app, no global.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Sequence

from actuators.clock import Clock, SystemClock
from actuators.protocol import Actuator
from models.domain.spec import AgentScaler, Pool
from streams import topics
from streams.kafka.outbox import Outbox, acknowledged
from streams.metrics import Metrics
from streams.roles.actuate import Actuate
from streams.roles.aggregate import Aggregate
from streams.roles.allocate import Allocate
from streams.roles.plan import Plan
from streams.roles.role import RoleService
from streams.settings import Settings
from streams.specs_table import SpecTable, encode_spec, spec_key
from streams.web import Web

log = logging.getLogger(__name__)


class Worker:
    """The roles of one process, and what they share."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        actuator: Actuator | None,
        specs: Sequence[AgentScaler | Pool],
        check_topics: bool,
    ) -> None:
        """Use ``build``."""
        self.settings = settings
        self.clock = clock
        self.metrics = Metrics()
        self.outbox = Outbox(settings)
        self.table = SpecTable(settings)
        self.actuator = actuator
        self._given = tuple(specs)
        self._check_topics = check_topics
        self.roles: list[RoleService] = [self._role(role) for role in settings.roles]
        self.web = Web(settings, metrics=self.metrics, roles=self.roles)
        self._started: list[RoleService] = []

    def _role(self, role: str) -> RoleService:
        settings, metrics, outbox = self.settings, self.metrics, self.outbox
        if role == "aggregate":
            return Aggregate(settings, clock=self.clock, outbox=outbox, metrics=metrics)
        if role == "plan":
            return Plan(
                settings, clock=self.clock, outbox=outbox, specs=self.table, metrics=metrics
            )
        if role == "allocate":
            return Allocate(settings, outbox=outbox, specs=self.table, metrics=metrics)
        if self.actuator is None:
            msg = "the role actuate needs an actuator"
            raise ValueError(msg)
        return Actuate(
            settings,
            clock=self.clock,
            outbox=outbox,
            specs=self.table,
            actuator=self.actuator,
            metrics=metrics,
        )

    async def start(self) -> None:
        """Check the topics, publish the given specs, read the table, start the roles.

        Raises ``TopicsError`` when the cluster is not what is needed.
        """
        if self._check_topics:
            found = topics.faults(await topics.partition_counts(self.settings), self.settings)
            if found:
                raise topics.TopicsError("\n".join(found))
        await self.outbox.start()
        await self.table.start()
        await self.publish(self._given)
        await self.web.start()
        for role in self.roles:
            self._started.append(role)
        await asyncio.gather(*(role.start() for role in self.roles))

    async def publish(self, specs: Sequence[AgentScaler | Pool]) -> None:
        """Publish specs that differ from what the topic has, and wait until they are read."""
        for spec in specs:
            if isinstance(spec, AgentScaler):
                known = self.table.get(spec.workload)
                if known is not None and known[0] == spec:
                    continue
            elif self.table.pool(spec.metadata.name) == spec:
                continue
            sent = await self.outbox.send("workloads", encode_spec(spec), key=spec_key(spec))
            await acknowledged([sent])
            if isinstance(spec, AgentScaler):
                revision = sent.result().offset + 1
                await asyncio.wait_for(self.table.wait_for(spec.workload, revision), timeout=30)

    async def ready(self) -> None:
        """Wait until every role has been assigned its partitions."""
        await asyncio.gather(*(role.ready.wait() for role in self.roles))

    async def run(self) -> None:
        """Run until a role fails; raises its error."""
        failures = [role.failure for role in self.roles if role.failure is not None]
        done, _ = await asyncio.wait(failures, return_when=asyncio.FIRST_COMPLETED)
        raise next(iter(done)).result()

    async def stop(self) -> None:
        """Stop in the order of the flow, so that each role can still hand on what it has."""
        for role in self.roles:
            if role in self._started:
                await role.stop()
        self._started.clear()
        await self.web.stop()
        await self.table.stop()
        await self.outbox.stop()


def spare_the_collector() -> None:
    """Keep what is loaded by now out of every garbage collection to come.

    A full one walks all that libraries made at import, 90 ms of a worker's time, again and again;
    and partials come and go by the thousand without being garbage, so that it looks less often.
    For a process that is a worker and nothing else, before it starts.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    actuator: Actuator | None = None,
    specs: Sequence[AgentScaler | Pool] = (),
    check_topics: bool = True,
) -> Worker:
    """A worker, not yet started.

    ``actuator`` is needed with the role actuate and stays the caller's to close; ``specs`` are
    published at start; ``check_topics`` is for brokers that can describe their topics.
    """
    return Worker(
        settings,
        clock=clock or SystemClock(),
        actuator=actuator,
        specs=specs,
        check_topics=check_topics,
    )

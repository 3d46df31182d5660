"""The composition root: settings in, a worker out; nothing of Foretide exists before ``build``.

Rule: every part is made here and handed what it needs; no module-level app, no global.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Iterable, Sequence

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

SETTLE_S = 1.5
"""Of the time for a stop, how much the roles have to finish what is begun."""


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
        self.outcomes = Outbox(settings, linger_ms=0)
        """Of the role actuate alone; started where a worker has it."""
        self.table = SpecTable(settings)
        self.actuator = actuator
        self._given = tuple(specs)
        self._check_topics = check_topics
        self.roles: list[RoleService] = [self._role(role) for role in settings.roles]
        self.metrics.watch(self.roles)
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
            outcomes=self.outcomes,
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
        if "actuate" in self.settings.roles:
            await self.outcomes.start()
        await self.table.start()
        await self.publish(self._given)
        await self.web.start()
        for role in self.roles:
            self._started.append(role)
        await asyncio.gather(*(role.start() for role in self.roles))

    async def publish(self, specs: Sequence[AgentScaler | Pool]) -> None:
        """Publish specs that differ from what the topic has, and wait until they are read."""
        changed = [spec for spec in specs if not self._published(spec)]
        # All at once: one by one, thousands would wait for as many round trips.
        sends = [
            await self.outbox.send("workloads", encode_spec(spec), key=spec_key(spec))
            for spec in changed
        ]
        await acknowledged(sends)
        for spec, sent in zip(changed, sends, strict=True):
            if isinstance(spec, AgentScaler):
                revision = sent.result().offset + 1
                await asyncio.wait_for(self.table.wait_for(spec.workload, revision), timeout=30)

    def _published(self, spec: AgentScaler | Pool) -> bool:
        """Whether the topic has it as it is."""
        if isinstance(spec, AgentScaler):
            known = self.table.get(spec.workload)
            return known is not None and known[0] == spec
        return self.table.pool(spec.metadata.name) == spec

    async def ready(self) -> None:
        """Wait until every role has been assigned its partitions."""
        await asyncio.gather(*(role.ready.wait() for role in self.roles))

    async def run(self) -> None:
        """Run until a role fails; raises its error."""
        failures = [role.failure for role in self.roles if role.failure is not None]
        done, _ = await asyncio.wait(failures, return_when=asyncio.FIRST_COMPLETED)
        raise next(iter(done)).result()

    async def stop(self, *, within_s: float | None = None) -> bool:
        """Finish what is begun, commit, leave the groups, disconnect.

        True: all of it was done.  ``within_s``: how long it may take, by the machine's clock;
        what is not done by then is given up and left as it is, as by a kill, and the answer is
        False: whoever takes over does it again.  None: however long it takes.
        """
        loop = asyncio.get_running_loop()
        ends_at = None if within_s is None else loop.time() + within_s
        roles, self._started = self._started, []
        settle_by = None if ends_at is None else loop.time() + min(SETTLE_S, ends_at - loop.time())
        settled = await _by(settle_by, (role.settle() for role in roles))
        stopped = await _by(ends_at, (role.stop() for role in roles))
        if ends_at is not None and not (settled and stopped):
            return False  # The rest would wait for the same broker.
        rest = (self.web.stop(), self.table.stop(), self.outbox.stop(), self.outcomes.stop())
        return await _by(ends_at, rest) and settled and stopped


async def _by(ends_at: float | None, work: Iterable[Awaitable[None]]) -> bool:
    """Do all side by side until ``ends_at`` (loop time); False: something failed or was cut."""
    tasks = [asyncio.ensure_future(one) for one in work]
    if not tasks:
        return True
    left_s = None if ends_at is None else max(ends_at - asyncio.get_running_loop().time(), 0.0)
    done, late = await asyncio.wait(tasks, timeout=left_s)
    for task in late:
        task.cancel()
    failed = [error for task in done if (error := task.exception()) is not None]
    for error in failed:
        log.error("while stopping: %r", error, exc_info=error)
    return not late and not failed


def settle_in() -> None:
    """Tune the interpreter for a process that lives long and has much that lives as long.

    What is there now is not looked at again by the collector, and young objects, few of which are
    in cycles, are looked at less often: a state of ten thousand workloads is not walked through
    in the middle of a decision.  The consumers' threads get their turn sooner than after the
    usual 5 ms, of which each fetch needs several.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 50)
    sys.setswitchinterval(0.0005)


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

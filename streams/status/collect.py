"""Collecting: what the broker knows, in one pass of a few requests.

Rule: bounded in time and bytes; joins no group, and writes nothing.
Flow: broker -> Status.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams import topics
from streams.kafka.groups import NOBODY, Group, group
from streams.kafka.look import Bounds, Look
from streams.kafka.security import client_options
from streams.settings import Role, Settings
from streams.status.facts import (
    LoadFacts,
    LogFacts,
    PartitionFacts,
    RoleFacts,
    SourceFacts,
    Status,
)
from streams.status.heard import Heard, heard, newest
from streams.topics import Name

REQUEST_S = 4.0
"""How long one answer is waited for: a broker that is away is said to be so within seconds."""

TOPIC_OF: dict[Role, Name] = {
    "aggregate": "telemetry",
    "plan": "load",
    "allocate": "proposals",
    "actuate": "decisions",
}

LOGS: tuple[Name, ...] = ("workloads", "decisions", "outcomes", "rejected", "snapshots")
"""Topics whose size and newest record are told."""


async def collect(settings: Settings) -> Status:
    """Ask.  Raises ``KafkaError``, or ``TimeoutError`` when the broker answers too slowly."""
    client = client_options(settings) | {"request_timeout_ms": int(REQUEST_S * 1000)}
    admin = AIOKafkaAdminClient(**client)
    consumer = AIOKafkaConsumer(
        **client,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=256 * 1024,
    )
    try:
        async with asyncio.timeout(REQUEST_S):
            await admin.start()
            await consumer.start()
        async with asyncio.timeout(REQUEST_S):
            counts = await topics.counts(admin, settings)
            groups = {
                role: await group(admin, settings.group_prefix + role, settings.topic_prefix + name)
                if counts[name]
                else NOBODY
                for role, name in TOPIC_OF.items()
            }
        return await _Collection(settings, Look(consumer), counts, groups).status()
    finally:
        await consumer.stop()
        await admin.close()


class _Collection:
    """One pass."""

    def __init__(
        self,
        settings: Settings,
        look: Look,
        counts: Mapping[Name, int | None],
        groups: Mapping[Role, Group],
    ) -> None:
        self._settings = settings
        self._look = look
        self._counts = counts
        self._groups = groups
        self._bounds: dict[TopicPartition, Bounds] = {}

    async def status(self) -> Status:
        """Look at everything."""
        settings, look = self._settings, self._look
        names = sorted({*TOPIC_OF.values(), *LOGS})
        self._bounds = await look.bounds([tp for name in names for tp in self._partitions(name)])
        load = {tp: self._bounds[tp] for tp in self._partitions("load")}
        sources = self._counts["telemetry"] or 0
        told = await heard(look, load, sources=sources, lateness_s=settings.lateness_s)
        watermarks, positions = newest(told)
        # Two looks, because a role's topic may be among those whose newest record is told.
        oldest_at = await look.appended_at(undone := self._undone(positions))
        newest_at = await look.appended_at(self._newest())
        now = time.time()
        behind = {tp: max(now - oldest_at[tp], 0.0) if tp in oldest_at else None for tp in undone}
        return Status(
            at=now,
            bootstrap=settings.bootstrap,
            topic_faults=tuple(topics.faults(self._counts, settings)),
            roles=tuple(self._role(role, behind, now) for role in TOPIC_OF),
            sources=tuple(
                SourceFacts(
                    source=source,
                    watermark_age_s=now - watermarks[source] if source in watermarks else None,
                )
                for source in range(sources)
            ),
            loads=tuple(_load(number, one, now) for number, one in sorted(told.items())),
            logs=tuple(self._log(name, newest_at, now) for name in LOGS if self._counts[name]),
        )

    def _partitions(self, name: Name) -> list[TopicPartition]:
        topic = self._settings.topic_prefix + name
        return [TopicPartition(topic, number) for number in range(self._counts[name] or 0)]

    def _undone(self, positions: Mapping[int, int]) -> dict[TopicPartition, int]:
        """The first offset that is not done, of the partitions that have one."""
        found: dict[TopicPartition, int] = {}
        for role, name in TOPIC_OF.items():
            commits = self._groups[role].commits
            for tp in self._partitions(name):
                bounds, commit = self._bounds[tp], commits.get(tp.partition)
                done = bounds.begin if commit is None else max(commit.offset, bounds.begin)
                if role == "aggregate":
                    done = max(done, positions.get(tp.partition, done))
                if done < bounds.end:
                    found[tp] = done
        return found

    def _newest(self) -> dict[TopicPartition, int]:
        tps = [tp for name in LOGS for tp in self._partitions(name)]
        return {tp: b.end - 1 for tp in tps if (b := self._bounds[tp]).end > b.begin}

    def _role(
        self, role: Role, behind: Mapping[TopicPartition, float | None], now: float
    ) -> RoleFacts:
        found, name = self._groups[role], TOPIC_OF[role]
        partitions = []
        for tp in self._partitions(name):
            bounds, commit = self._bounds[tp], found.commits.get(tp.partition)
            at = None if commit is None else commit.at
            partitions.append(
                PartitionFacts(
                    partition=tp.partition,
                    begin=bounds.begin,
                    end=bounds.end,
                    committed=None if commit is None else commit.offset,
                    lag=max(bounds.end - (bounds.begin if commit is None else commit.offset), 0),
                    behind_s=behind.get(tp, 0.0),
                    commit_age_s=None if at is None else max(now - at, 0.0),
                    owner=next((m.host for m in found.members if tp.partition in m.owns), None),
                )
            )
        return RoleFacts(
            role=role,
            group=self._settings.group_prefix + role,
            topic=self._settings.topic_prefix + name,
            state=found.state,
            members=len(found.members),
            partitions=tuple(partitions),
        )

    def _log(self, name: Name, newest_at: Mapping[TopicPartition, float], now: float) -> LogFacts:
        tps = self._partitions(name)
        times = [newest_at[tp] for tp in tps if tp in newest_at]
        return LogFacts(
            topic=name,
            records=sum(self._bounds[tp].end - self._bounds[tp].begin for tp in tps),
            newest_age_s=max(now - max(times), 0.0) if times else None,
        )


def _load(number: int, found: Heard, now: float) -> LoadFacts:
    return LoadFacts(partition=number, missing_s=found.merge.missing_s(now))

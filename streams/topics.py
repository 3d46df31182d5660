"""The topics: names, keys, retention; making them, describing them, and holding Kafka to them.

Rule: this table is the one place where topics are said; a worker refuses to start on a cluster
that differs in what matters (missing topics; partition counts that must be equal and are not).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.kafka.security import client_options
from streams.settings import Settings

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic.  ``retention_ms`` None: compacted, kept for ever by key.

    ``segment_bytes``: where the newest of a key comes often, small segments let the compaction
    begin soon; None: the broker's default.
    """

    name: str
    key: str
    retention_ms: int | None
    why: str
    segment_bytes: int | None = None

    def config(self, replication: int) -> dict[str, str]:
        """Topic configuration as Kafka spells it.

        What is acknowledged is in all replicas but one, so that it outlives the loss of a broker,
        and one broker may be away.
        """
        config = {
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": str(max(replication - 1, 1)),
        }
        if self.segment_bytes is not None:
            config["segment.bytes"] = str(self.segment_bytes)
        if self.retention_ms is None:
            return config | {"cleanup.policy": "compact"}
        return config | {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}


Name = Literal[
    "telemetry",
    "load",
    "steps",
    "forecasts",
    "proposals",
    "decisions",
    "outcomes",
    "workloads",
    "snapshots",
    "rejected",
]

TABLE: dict[Name, Topic] = {
    topic.name: topic  # type: ignore[misc]
    for topic in (
        Topic(
            name="telemetry",
            key="free; the client uses the workload",
            retention_ms=6 * HOUR_MS,
            why="a hot workload may be spread over all partitions",
        ),
        Topic(
            name="load",
            key="none; the partition is the one that the workload as key would give",
            retention_ms=3 * DAY_MS,
            why="one partition owner is the only writer of a workload's state; partials of many"
            " workloads share a message",
        ),
        Topic(
            name="steps",
            key="none; the load partition's number is the partition",
            retention_ms=3 * DAY_MS,
            why="the step log: what the core was given, in the order it was applied",
        ),
        Topic(
            name="forecasts",
            key="workload",
            retention_ms=21 * DAY_MS,
            why="order per workload; part of the audit log",
        ),
        Topic(
            name="proposals",
            key="pool",
            retention_ms=6 * HOUR_MS,
            why="one solver per pool sees all of it",
        ),
        Topic(
            name="decisions",
            key="workload",
            retention_ms=21 * DAY_MS,
            why="order per workload; the audit log",
        ),
        Topic(
            name="outcomes",
            key="workload",
            retention_ms=21 * DAY_MS,
            why="order per workload; the audit log",
        ),
        Topic(name="workloads", key="workload", retention_ms=None, why="newest spec wins"),
        Topic(
            name="snapshots",
            key="workload, or `checkpoint`",
            retention_ms=None,
            why="newest state wins",
            segment_bytes=64 * 1024 * 1024,
        ),
        Topic(
            name="rejected",
            key="source topic/partition/offset",
            retention_ms=3 * DAY_MS,
            why="original bytes, reason, offset; nothing is silently dropped",
        ),
    )
}

EQUAL: tuple[Name, ...] = ("load", "steps", "decisions", "outcomes", "snapshots")
"""Topics whose partition counts must be equal: their keys are partitioned alike."""


class TopicsError(Exception):
    """The cluster's topics are not what Foretide needs; the text says what to do."""


async def create(settings: Settings) -> dict[str, str]:
    """Create what is missing; returns topic -> ``created`` or ``exists``.

    Raises ``TopicsError`` with Kafka's own reason when a topic could not be made.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        there = set(await admin.list_topics())
        outcome: dict[str, str] = {}
        wanted = []
        for topic in TABLE.values():
            name = settings.topic_prefix + topic.name
            outcome[name] = "exists" if name in there else "created"
            if name not in there:
                wanted.append(
                    NewTopic(
                        name,
                        settings.partitions,
                        settings.replication,
                        topic_configs=topic.config(settings.replication),
                    )
                )
        if wanted:
            answer = await admin.create_topics(wanted)
            failed = [
                f"{error[0]}: {error[2] if len(error) > 2 else error[1]}"  # noqa: PLR2004
                for error in answer.topic_errors
                if error[1] not in {0, 36}  # 36: someone else made it meanwhile
            ]
            if failed:
                msg = "Kafka would not create " + "; ".join(failed)
                raise TopicsError(msg)
        return outcome
    finally:
        await admin.close()


async def partition_counts(settings: Settings) -> dict[Name, int | None]:
    """Partitions of each topic of the table; None: the topic does not exist."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        return await counts(admin, settings)
    finally:
        await admin.close()


async def counts(admin: AIOKafkaAdminClient, settings: Settings) -> dict[Name, int | None]:
    """As ``partition_counts``, through a client that is started."""
    names = {settings.topic_prefix + name: name for name in TABLE}
    there = set(await admin.list_topics())
    counted: dict[Name, int | None] = dict.fromkeys(TABLE)
    found = [name for name in names if name in there]
    for described in await admin.describe_topics(found) if found else []:
        counted[names[described["topic"]]] = len(described["partitions"])
    return counted


def faults(counts: Mapping[Name, int | None], settings: Settings) -> list[str]:
    """What is wrong with a cluster's topics, each with what to do; empty: nothing."""
    prefix = settings.topic_prefix
    found = [
        f"topic {prefix}{name} does not exist: run `foretide topics create`"
        for name, count in counts.items()
        if count is None
    ]
    equal = {name: counts[name] for name in EQUAL if counts.get(name) is not None}
    if len(set(equal.values())) > 1:
        listed = ", ".join(f"{prefix}{name}: {count}" for name, count in equal.items())
        found.append(
            f"partition counts must be equal, but are {listed}: changing the count is a migration"
            " (docs/operations.md)"
        )
    return found

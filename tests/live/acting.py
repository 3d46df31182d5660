"""Decisions as a test makes them, put on the log by hand, and the outcomes they got."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from models.domain.decision import Decision, Epoch, Inputs, ModelInfo, Reason, State
from models.domain.outcome import Outcome
from streams import codec
from streams.settings import Settings
from tests.live import stack


def decided(name: str, sequence: int, to: int, *, valid_s: float = 60.0) -> Decision:
    """A decision of the first spec revision."""
    epoch = Epoch(1, 0, 1, sequence)
    now = time.time()
    return Decision(
        id=f"default/{name}@{epoch}",
        workload=f"default/{name}",
        epoch=epoch,
        at=now,
        valid_until=now + valid_s,
        mode="active",
        from_=State(replicas={"default": 1}),
        to=State(replicas={"default": to}),
        reason=Reason.DEMAND,
        trail=(),
        inputs=Inputs(
            unit="concurrency",
            demand=1.0,
            forecast=None,
            forecast_quantile=None,
            quantile=0.9,
            horizon_s=40.0,
            capacity_per_replica=4.0,
            desired=1,
            ready=1,
            starting=0,
            age_s=None,
        ),
        model=ModelInfo(name="last-value", version="1", trust="cold", why=""),
        binding=None,
        alternatives=(),
    )


async def publish(settings: Settings, decisions: Sequence[Decision]) -> None:
    """Put decisions on the log; returns when the broker has them."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap, acks="all")
    await producer.start()
    try:
        topic = f"{settings.topic_prefix}decisions"
        sends = [
            await producer.send(topic, codec.encode(one), key=one.workload.encode())
            for one in decisions
        ]
        await asyncio.gather(*sends)
    finally:
        await producer.stop()


async def outcomes(settings: Settings, decisions: Iterable[Decision]) -> dict[str, list[Outcome]]:
    """Outcomes of the given decisions in the order of the log, by decision."""
    found: dict[str, list[Outcome]] = {decision.id: [] for decision in decisions}
    for outcome in await stack.records(settings, "outcomes"):
        if outcome.decision in found:
            found[outcome.decision].append(outcome)
    return found


async def all_answered(
    settings: Settings, decisions: Sequence[Decision], *, limit_s: float = 30.0
) -> dict[str, list[Outcome]]:
    """Wait until each has an outcome."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = await outcomes(settings, decisions)
        if all(found.values()):
            return found
        await asyncio.sleep(0.1)
    missing = [
        name for name, answers in (await outcomes(settings, decisions)).items() if not answers
    ]
    raise AssertionError(f"no outcome within {limit_s:g} s: {missing}")


async def members(settings: Settings, role: str) -> tuple[str, int]:
    """State and number of members of a role's group, as the broker has it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap)
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([settings.group_prefix + role])
        _, _, state, _, _, found, *_ = answer.groups[0]
        return state, len(found)
    finally:
        await admin.close()


async def stable(settings: Settings, role: str, count: int, *, limit_s: float = 30.0) -> None:
    """Wait until a role's group has ``count`` members and is done with rebalancing."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = await members(settings, role)
        if found == ("Stable", count):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"group of {role}: {found}, not {count} members within {limit_s:g} s")

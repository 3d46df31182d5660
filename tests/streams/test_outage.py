"""A broker that does not answer ends nobody who can wait for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError

from actuators.clock import SystemClock
from models.blocks import BlockFold
from streams.metrics import Metrics
from streams.roles import aggregate
from streams.settings import Settings


@pytest.mark.parametrize("answers", [False, True])
async def test_an_idle_partition_advances_only_when_the_broker_says_where_it_ends(
    *, answers: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def highwaters(*tps: Any) -> dict[Any, int]:
        if not answers:
            raise KafkaTimeoutError
        return dict.fromkeys(tps, 0)

    role = aggregate.Aggregate(
        Settings(), clock=SystemClock(), outbox=SimpleNamespace(), metrics=Metrics()
    )  # type: ignore[arg-type]
    consumer = property(lambda _: SimpleNamespace(highwaters=highwaters))
    monkeypatch.setattr(aggregate.Aggregate, "consumer", consumer)
    source = aggregate._Source(BlockFold(0))
    source.sent = source.folded
    await role._idle({0: source})
    assert (source.sent.watermark > 0) == answers
    assert ("asked again" in caplog.text) == (not answers)

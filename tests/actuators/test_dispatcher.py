"""Only the newest of a workload, everything checked again, one outcome for each decision."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from actuators.clock import ManualClock
from actuators.dispatcher import Dispatcher
from actuators.errors import ActuationError, Conflict, Denied, Rejected, Transient
from actuators.memory import MemoryActuator
from actuators.protocol import Applied, Order
from models.domain.decision import Decision, Epoch, Inputs, ModelInfo, Reason, State
from models.domain.outcome import Outcome, Result
from models.domain.spec import AgentScaler
from tests.actuators.worlds import BEGIN, ref


def agent(**spec: Any) -> AgentScaler:
    return AgentScaler.model_validate(
        {
            "metadata": {"name": "bot", "namespace": "prod"},
            "spec": {"target": {"name": "bot"}, "replicas": {"min": 1, "max": 10}, **spec},
        }
    )


def decision(to: int, sequence: int = 1, *, before: int = 2, **given: Any) -> Decision:
    epoch = given.pop("epoch", Epoch(1, 0, 1, sequence))
    made = Decision(
        id=f"prod/bot@{epoch}",
        workload="prod/bot",
        epoch=epoch,
        at=BEGIN,
        valid_until=BEGIN + 60,
        mode="active",
        from_=State(replicas={"default": before}),
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
            desired=before,
            ready=before,
            starting=0,
            age_s=None,
        ),
        model=ModelInfo(name="last-value", version="1", trust="cold", why=""),
        binding=None,
        alternatives=(),
    )
    return msgspec.structs.replace(made, **given)


class Table:
    """Specs as the actuator has read them."""

    def __init__(self, scaler: AgentScaler | None, revision: int = 1) -> None:
        self.found = None if scaler is None else (scaler, revision)

    def get(self, workload: str) -> tuple[AgentScaler, int] | None:
        return self.found if workload == "prod/bot" else None

    async def wait_for(self, workload: str, revision: int) -> None:
        while self.found is not None and self.found[1] < revision:
            await asyncio.sleep(0.01)


class Platform(MemoryActuator):
    """Memory that fails as told, and can be held."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.add(ref(), 2)
        self.failures: list[ActuationError] = []
        self.applied: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def apply(self, order: Order) -> Applied:
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.applied.append(order.replicas)
        return await super().apply(order)


class Rig:
    def __init__(self, **spec: Any) -> None:
        self.clock = ManualClock(BEGIN)
        self.platform = Platform(self.clock)
        self.table = Table(agent(**spec))
        self.dispatcher = Dispatcher(
            self.platform, specs=self.table, clock=self.clock, concurrency=2
        )

    async def outcome(self, made: Decision) -> Outcome:
        return await asyncio.wait_for(self.dispatcher.submit(made), 8)


async def test_applied() -> None:
    rig = Rig()
    outcome = await rig.outcome(decision(5))
    assert (outcome.result, outcome.replicas, outcome.attempts) == (
        Result.APPLIED,
        {"default": 5},
        1,
    )


async def test_of_many_that_wait_only_the_newest_is_applied() -> None:
    rig = Rig()
    futures = [rig.dispatcher.submit(decision(n, n)) for n in (3, 4, 5, 6)]
    outcomes = [await future for future in futures]
    assert [o.result for o in outcomes] == [Result.SUPERSEDED] * 3 + [Result.APPLIED]
    assert rig.platform.applied == [6]


async def test_one_under_way_is_finished_before_the_newest() -> None:
    rig = Rig()
    rig.platform.gate.clear()
    first = rig.dispatcher.submit(decision(3, 1))
    await asyncio.sleep(0.05)
    second = rig.dispatcher.submit(decision(4, 2))
    third = rig.dispatcher.submit(decision(5, 3))
    rig.platform.gate.set()
    results = [(await f).result for f in (first, second, third)]
    assert results == [Result.APPLIED, Result.SUPERSEDED, Result.APPLIED]
    assert rig.platform.applied == [3, 5]


@pytest.mark.parametrize(
    ("made", "spec", "result", "why"),
    [
        (decision(11), {}, Result.REFUSED, "bounds"),
        (decision(0), {}, Result.REFUSED, "bounds"),
        (decision(-1), {}, Result.REFUSED, "bounds"),
        (
            msgspec.structs.replace(decision(5), to=State(replicas={"other": 5})),
            {},
            Result.REFUSED,
            "bounds",
        ),
        (
            decision(9),
            {
                "behavior": {
                    "scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]}
                }
            },
            Result.REFUSED,
            "step",
        ),
        (decision(5, valid_until=BEGIN), {}, Result.EXPIRED, "expired"),
        (decision(5, mode="shadow"), {}, Result.SHADOW, "shadow"),
        (decision(5), {"mode": "Paused"}, Result.SHADOW, "paused"),
    ],
)
async def test_what_it_does_not_trust_it_does_not_apply(
    made: Decision, spec: dict[str, Any], result: Result, why: str
) -> None:
    rig = Rig(**spec)
    outcome = await rig.outcome(made)
    assert (outcome.result, outcome.why) == (result, why)
    assert outcome.detail
    assert rig.platform.applied == []


async def test_a_decision_from_a_spec_not_read_yet_waits_then_is_refused() -> None:
    rig = Rig()
    future = rig.dispatcher.submit(decision(5, epoch=Epoch(2, 0, 1, 1)))
    await asyncio.sleep(0.1)
    assert not future.done()
    rig.table.found = (agent(), 2)
    assert (await future).result is Result.APPLIED
    outcome = await rig.outcome(decision(6, epoch=Epoch(9, 0, 1, 1)))
    assert (outcome.result, outcome.why) == (Result.REFUSED, "unknown-revision")


async def test_an_older_epoch_is_refused_as_stale() -> None:
    rig = Rig()
    await rig.outcome(decision(5, 9))
    outcome = await rig.outcome(decision(3, 8))
    assert (outcome.result, outcome.why) == (Result.REFUSED, "stale-epoch")


async def test_transient_errors_are_tried_again() -> None:
    rig = Rig()
    rig.platform.failures = [Transient("throttled", "slow down"), Conflict("conflict", "again")]
    outcome = await rig.outcome(decision(5))
    assert (outcome.result, outcome.attempts) == (Result.APPLIED, 3)


async def test_while_the_platform_fails_the_newest_takes_over() -> None:
    rig = Rig()
    rig.platform.failures = [Transient("server-error", "down")] * 3
    first = rig.dispatcher.submit(decision(3, 1))
    await asyncio.sleep(0.05)
    second = rig.dispatcher.submit(decision(4, 2))
    assert (await first).result is Result.SUPERSEDED
    assert (await second).result is Result.APPLIED
    assert rig.platform.applied == [4]


async def test_a_decision_that_cannot_be_applied_in_time_expires() -> None:
    rig = Rig()
    rig.platform.failures = [Transient("server-error", "down")] * 50
    future = rig.dispatcher.submit(decision(5))
    await asyncio.sleep(0.05)
    rig.clock.advance(61)
    outcome = await asyncio.wait_for(future, 5)
    assert (outcome.result, outcome.why) == (Result.EXPIRED, "expired")


@pytest.mark.parametrize(
    ("error", "code"),
    [(Denied("forbidden", "no"), "forbidden"), (Rejected("not-found", "gone"), "not-found")],
)
async def test_what_cannot_be_mended_by_waiting_fails_at_once(
    error: ActuationError, code: str
) -> None:
    rig = Rig()
    rig.platform.failures = [error]
    outcome = await rig.outcome(decision(5))
    assert (outcome.result, outcome.why, outcome.attempts) == (Result.FAILED, code, 1)


async def test_drain_waits_and_what_is_abandoned_has_no_outcome() -> None:
    rig = Rig()
    rig.platform.gate.clear()
    future = rig.dispatcher.submit(decision(5))
    assert not await rig.dispatcher.drain(timeout_s=0.05)
    await rig.dispatcher.abandon()
    assert future.cancelled()

"""A platform that hangs or fails for long, in virtual time: what is held stays bounded."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from actuators.clock import Clock
from actuators.dispatcher import Dispatcher
from actuators.errors import Transient
from actuators.memory import MemoryActuator
from actuators.protocol import Applied, Order
from models.domain.decision import Decision, Epoch
from models.domain.outcome import Outcome, Result
from models.domain.spec import AgentScaler
from tests.actuators.test_dispatcher import decision
from tests.actuators.worlds import BEGIN, ref

pytestmark = pytest.mark.looptime

WORKLOADS = 20
PLACES = 4


class LoopClock:
    """Seconds of the test's own loop, which looptime makes run at once."""

    def now(self) -> float:
        return BEGIN + asyncio.get_running_loop().time()

    def at_wall(self, wall_s: float) -> float:
        return wall_s

    def wall_seconds(self, seconds: float) -> float:
        return seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class HangingPlatform(MemoryActuator):
    """Accepts and does not answer until it is well: each call is a time-out of 10 s."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.well = True
        self.broken: set[str] = set()
        self.under_way = 0
        self.most = 0
        for number in range(WORKLOADS):
            self.add(ref(f"w{number}"), 1)

    async def apply(self, order: Order) -> Applied:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if not self.well:
                await asyncio.sleep(10.0)
                raise Transient("timeout", "no answer")
            if order.ref.workload in self.broken:
                raise Transient("server-error", "a webhook is down")
            return await super().apply(order)
        finally:
            self.under_way -= 1


class Table:
    """A spec for every workload."""

    def get(self, workload: str) -> tuple[AgentScaler, int]:
        name = workload.rpartition("/")[2]
        spec = {"target": {"name": name}, "replicas": {"min": 1, "max": 1000}}
        given = {"metadata": {"name": name, "namespace": "prod"}, "spec": spec}
        return AgentScaler.model_validate(given), 1

    async def wait_for(self, workload: str, revision: int) -> None:
        """It has been read."""


class Rig:
    def __init__(self) -> None:
        self.clock = LoopClock()
        self.platform = HangingPlatform(self.clock)
        self.dispatcher = Dispatcher(
            self.platform, specs=Table(), clock=self.clock, concurrency=PLACES
        )
        self.futures: dict[str, asyncio.Future[Outcome]] = {}
        self.newest: dict[str, Decision] = {}

    def decide(self, number: int, sequence: int, *, valid_s: float = 600.0) -> None:
        epoch = Epoch(1, 0, 1, sequence)
        workload = f"prod/w{number}"
        made = decision(
            sequence,
            epoch=epoch,
            workload=workload,
            id=f"{workload}@{epoch}",
            valid_until=self.clock.now() + valid_s,
        )
        self.newest[workload] = made
        self.futures[made.id] = self.dispatcher.submit(made)

    def open(self) -> int:
        return sum(not future.done() for future in self.futures.values())

    async def results(self) -> Counter[Result]:
        outcomes = await asyncio.gather(*self.futures.values())
        assert len({outcome.decision for outcome in outcomes}) == len(self.futures)
        return Counter(outcome.result for outcome in outcomes)


async def test_while_it_hangs_each_workload_holds_two_and_ends_at_its_newest() -> None:
    rig = Rig()
    rig.platform.well = False
    for second in range(1, 121):
        for number in range(WORKLOADS):
            rig.decide(number, second)
        await asyncio.sleep(1.0)
        assert rig.open() <= 2 * WORKLOADS
        assert len(rig.dispatcher._lanes) == WORKLOADS
    assert rig.platform.most == PLACES
    rig.platform.well = True
    results = await rig.results()
    assert results == {Result.SUPERSEDED: WORKLOADS * 119, Result.APPLIED: WORKLOADS}
    for number in range(WORKLOADS):
        assert (await rig.platform.observe(ref(f"w{number}"))).desired == 120
    assert rig.dispatcher._lanes == {}


async def test_what_waits_for_a_place_gives_way_to_a_newer_one_and_is_never_applied() -> None:
    rig = Rig()
    rig.platform.well = False
    for number in range(WORKLOADS):
        rig.decide(number, 2)
    await asyncio.sleep(1.0)
    rig.platform.well = True
    for number in range(WORKLOADS):
        rig.decide(number, 3)
    results = await rig.results()
    assert results[Result.APPLIED] == WORKLOADS
    waited = list(rig.futures.values())[PLACES:WORKLOADS]
    assert [future.result().attempts for future in waited] == [0] * (WORKLOADS - PLACES)


async def test_a_target_that_fails_keeps_no_place_from_the_others() -> None:
    rig = Rig()
    rig.platform.broken = {f"prod/w{number}" for number in range(PLACES + 2)}
    for number in range(WORKLOADS):
        rig.decide(number, 2)
    await asyncio.sleep(0.05)  # Less than the shortest pause.
    assert sum(future.done() for future in rig.futures.values()) == WORKLOADS - PLACES - 2


async def test_an_expiry_is_told_when_it_happens_not_a_pause_later() -> None:
    rig = Rig()
    rig.platform.broken = {"prod/w0"}
    rig.decide(0, 2, valid_s=7.0)
    (future,) = rig.futures.values()
    outcome = await future
    assert outcome.result is Result.EXPIRED
    assert outcome.at - BEGIN == pytest.approx(7.0, abs=0.05)


async def test_what_is_held_waits_for_its_release_and_the_newest_is_the_one() -> None:
    rig = Rig()
    futures = [
        rig.dispatcher.submit(decision(n, n, workload="prod/w0", id=f"d{n}"), hold=True)
        for n in (2, 3, 4)
    ]
    await asyncio.sleep(5.0)
    assert [future.done() for future in futures] == [True, True, False]
    rig.dispatcher.release("prod/w0")
    rig.dispatcher.release("prod/nobody")
    assert (await futures[2]).result is Result.APPLIED
    assert (await rig.platform.observe(ref("w0"))).desired == 4


async def test_what_is_abandoned_has_no_outcome_though_it_was_only_held() -> None:
    rig = Rig()
    future = rig.dispatcher.submit(decision(2, workload="prod/w0"), hold=True)
    await rig.dispatcher.abandon()
    assert future.cancelled()
    assert rig.dispatcher._lanes == {}

"""The actuate role without a broker: what it holds, what it commits, what it passes over."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from actuators.clock import ManualClock
from actuators.memory import MemoryActuator
from models.domain.decision import Decision, Epoch
from models.domain.outcome import Outcome, Result
from streams import codec
from streams.app import build
from streams.kafka.batch import FetchedBatch, Run
from streams.kafka.outbox import Outbox
from streams.metrics import Metrics
from streams.roles import actuate
from streams.roles.actuate import MOST_UNSENT, TURN, Actuate
from streams.settings import Settings
from streams.specs_table import SpecTable
from tests.actuators.test_dispatcher import agent, decision
from tests.actuators.worlds import BEGIN, ref

WORKLOADS = 10


class StallingOutbox(Outbox):
    """A producer whose broker acknowledges only when told to."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.sent: list[tuple[Outcome, asyncio.Future[Any]]] = []
        self.stalls = True

    async def send(
        self, topic: str, value: bytes | None, *, key: str | None, partition: int | None = None
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.sent.append((codec.outcome(value or b""), future))
        if not self.stalls:
            future.set_result(None)
        return future

    def acknowledge(self) -> None:
        self.stalls = False
        for _, future in self.sent:
            if not future.done():
                future.set_result(None)


class Rig:
    def __init__(self) -> None:
        self.clock = ManualClock(BEGIN)
        settings = Settings(bootstrap="127.0.0.1:1")
        self.outbox = StallingOutbox(settings)
        self.table = SpecTable(settings)
        self.platform = MemoryActuator(self.clock)
        for number in range(WORKLOADS):
            name = f"w{number}"
            self.platform.add(ref(name), 1)
            spec = agent(target={"name": name}, replicas={"min": 1, "max": 9})
            self.table._scalers[f"prod/{name}"] = (spec, 1)
        self.role = Actuate(
            settings,
            clock=self.clock,
            outbox=self.outbox,
            outcomes=self.outbox,
            specs=self.table,
            actuator=self.platform,
            metrics=Metrics(),
        )
        self.member = True
        self.asked = asyncio.Event()
        self.asked.set()
        # The member of the group, and where the log ends: what a broker would say.
        says = SimpleNamespace(_thread=None, highwaters=self._highwaters)
        self.role.app.consumer = says  # type: ignore[assignment]
        self.role._lease.held = self._held  # type: ignore[method-assign]
        self.end = 0

    async def _held(self, *_: Any) -> bool:
        await self.asked.wait()
        return self.member

    async def _highwaters(self, *tps: Any) -> dict[Any, int]:
        return dict.fromkeys(tps, self.end)

    async def assign(self, *, end: int = 0, partitions: frozenset[int] = frozenset({0})) -> None:
        self.end = end
        self.role.frontiers.clear()
        await self.role.on_assigned(partitions)

    async def read(self, first: int, decisions: list[Decision]) -> None:
        run = Run(
            list(range(first, first + len(decisions))),
            [int(BEGIN * 1000)] * len(decisions),
            [codec.encode(one) for one in decisions],
        )
        await self.role.on_batch(FetchedBatch("foretide.decisions", 0, [run], 1))

    def told(self) -> dict[str, Result]:
        found = {outcome.decision: outcome.result for outcome, _ in self.outbox.sent}
        assert len(found) == len(self.outbox.sent), "a decision has two outcomes"
        return found


def made(number: int, sequence: int) -> Decision:
    epoch = Epoch(1, 0, 1, sequence)
    workload = f"prod/w{number}"
    return decision(
        2 + sequence % 7, epoch=epoch, workload=workload, id=f"{workload}@{epoch}", before=1
    )


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_while_the_broker_stalls_no_more_is_taken_up_than_can_be_told(rig: Rig) -> None:
    await rig.assign()
    batch = [made(n % WORKLOADS, n // WORKLOADS + 1) for n in range(5 * MOST_UNSENT)]
    reading = asyncio.create_task(rig.read(0, batch))
    await turns(500)
    assert not reading.done()
    assert len(rig.role._unsent) <= MOST_UNSENT + TURN
    assert len(rig.role._open) <= MOST_UNSENT + TURN + 2 * WORKLOADS
    assert rig.role.frontiers == {}
    rig.outbox.acknowledge()
    await asyncio.wait_for(reading, 10)
    await turns()
    assert rig.role.frontiers == {0: len(batch)}
    assert len(rig.told()) == len(batch)
    assert rig.role._open == {}
    for number in range(WORKLOADS):
        newest = made(number, len(batch) // WORKLOADS).to.replicas["default"]
        assert (await rig.platform.observe(ref(f"w{number}"))).desired == newest


async def test_of_a_backlog_each_workload_holds_its_newest_and_the_rest_is_told_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actuate, "answered_since", nothing_answered)
    rig.outbox.acknowledge()
    await rig.assign(end=2000)
    await rig.read(0, [made(n % WORKLOADS, n // WORKLOADS + 1) for n in range(1000)])
    await turns()
    assert len(rig.role._open) == WORKLOADS  # The newest wait for the log's end.
    assert set(rig.told().values()) == {Result.SUPERSEDED}
    await rig.read(1000, [made(n % WORKLOADS, 101 + n // WORKLOADS) for n in range(1000)])
    await turns()
    results = list(rig.told().values())
    assert results.count(Result.APPLIED) == WORKLOADS
    assert len(results) == 2000
    assert rig.role.frontiers == {0: 2000}


async def test_what_has_an_outcome_is_passed_over_by_a_new_owner(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made(0, 1), made(0, 2)

    async def answered(*_: Any) -> set[str]:
        return {first.id}

    monkeypatch.setattr(actuate, "answered_since", answered)
    rig.outbox.acknowledge()
    await rig.assign(end=2)
    await rig.read(0, [first, second])
    await turns()
    assert rig.told() == {second.id: Result.APPLIED}
    assert rig.role.frontiers == {0: 2}


async def test_an_outcome_on_its_way_when_partitions_are_assigned_is_not_told_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actuate, "answered_since", nothing_answered)
    await rig.assign()
    await rig.read(0, [made(0, 1)])
    await turns()
    assert len(rig.outbox.sent) == 1
    await rig.assign(end=1)  # A rebalance reads from the commit, and that is before it.
    await rig.read(0, [made(0, 1)])
    await turns()
    assert rig.role.frontiers == {0: 0}
    rig.outbox.acknowledge()
    await turns()
    assert rig.role.frontiers == {0: 1}
    assert len(rig.outbox.sent) == 1


async def test_a_decision_that_plan_sent_twice_is_told_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actuate, "TOLD", 3)
    rig.outbox.acknowledge()
    await rig.assign()
    await rig.read(0, [made(0, 1), made(1, 1), made(0, 1)])
    await turns()
    await rig.read(3, [made(0, 1), made(1, 1)])
    await turns()
    assert rig.told() == {made(0, 1).id: Result.APPLIED, made(1, 1).id: Result.APPLIED}
    assert rig.role.frontiers == {0: 5}
    await rig.read(5, [made(number, 2) for number in range(5)])
    await turns()
    assert len(rig.role._told) == 3


async def test_whoever_is_no_longer_the_owner_tells_nothing_and_commits_nothing(rig: Rig) -> None:
    rig.outbox.acknowledge()
    await rig.assign()
    rig.member = False
    await rig.read(0, [made(0, 1)])
    await turns()
    assert rig.outbox.sent == []
    assert rig.role.frontiers == {0: 0}


async def test_while_nobody_says_whether_it_is_the_owner_it_takes_up_no_more(rig: Rig) -> None:
    rig.outbox.acknowledge()
    rig.asked.clear()
    await rig.assign()
    batch = [made(n % WORKLOADS, n // WORKLOADS + 1) for n in range(2 * MOST_UNSENT)]
    reading = asyncio.create_task(rig.read(0, batch))
    await turns(500)
    assert not reading.done()
    assert len(rig.role._unsent) <= MOST_UNSENT + TURN
    # Assigned anew before there was an answer: the older outcomes are not its to tell any more,
    # and what is read again gets one of its own.
    await rig.assign()
    rig.member = False
    rig.asked.set()
    await asyncio.wait_for(reading, 10)
    await turns()
    assert rig.outbox.sent == []
    rig.member = True
    await rig.read(0, batch)
    await turns()
    assert len(rig.told()) == len(batch)
    assert rig.role.frontiers == {0: len(batch)}


@pytest.mark.parametrize("kept", [True, False])
async def test_what_waits_to_be_told_in_a_rebalance_is_told_by_who_owns_it_after(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, *, kept: bool
) -> None:
    monkeypatch.setattr(actuate, "answered_since", nothing_answered)
    await rig.assign()
    await rig.read(0, [made(0, 1)])
    await turns()
    await rig.read(1, [made(1, 1)])  # Behind the round of the one before it.
    await turns()
    rig.role.generation += 1
    await rig.assign(end=2, partitions=frozenset({0} if kept else ()))
    await rig.read(0, [made(0, 1), made(1, 1)])
    rig.outbox.acknowledge()
    await turns(60)
    decisions = [made(0, 1).id, made(1, 1).id]
    assert list(rig.told()) == (decisions if kept else decisions[:1])


@pytest.mark.parametrize("between", [True, False])
async def test_of_two_rebalances_neither_forgets_what_is_on_its_way(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, *, between: bool
) -> None:
    monkeypatch.setattr(actuate, "answered_since", nothing_answered)
    await rig.assign()
    await rig.read(0, [made(0, 1)])
    await turns()
    rig.role.generation += 1
    await rig.assign(end=1)
    if between:
        await rig.read(0, [made(0, 1)])
        await turns()
    rig.role.generation += 1
    await rig.assign(end=1)
    await rig.read(0, [made(0, 1)])
    await turns()
    rig.outbox.acknowledge()
    await turns()
    assert rig.told() == {made(0, 1).id: Result.APPLIED}
    assert rig.role.frontiers == {0: 1}


async def test_a_broker_that_is_away_for_long_makes_nobody_stuck(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actuate, "STUCK_S", 0.06)
    signs: list[None] = []
    monkeypatch.setattr(rig.role, "alive", lambda: signs.append(None))
    await rig.assign()
    batch = [made(n % WORKLOADS, n // WORKLOADS + 1) for n in range(2 * MOST_UNSENT)]
    reading = asyncio.create_task(rig.read(0, batch))
    async with asyncio.timeout(10):
        while len(signs) < 3:
            await asyncio.sleep(0.01)
    assert not reading.done()
    rig.outbox.acknowledge()
    await asyncio.wait_for(reading, 10)


async def test_outcomes_have_a_producer_of_their_own_that_does_not_linger() -> None:
    settings = Settings(bootstrap="127.0.0.1:1", linger_ms=50)
    worker = build(settings, actuator=MemoryActuator(ManualClock(BEGIN)))
    assert worker.outcomes is not worker.outbox
    assert (worker.outcomes.linger_ms, worker.outbox.linger_ms) == (0, 50)
    (role,) = (role for role in worker.roles if isinstance(role, Actuate))
    assert role._teller._outbox is worker.outcomes


async def test_while_it_is_found_out_who_the_owner_is_nothing_is_told(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actuate, "PAUSE_S", 0.0)
    rig.outbox.acknowledge()
    await rig.assign()
    rig.role.app.rebalancing = True
    await rig.read(0, [made(0, 1)])
    await turns()
    assert rig.told() == {}
    rig.role.app.rebalancing = False  # It was, and nothing changed.
    await turns()
    assert rig.told() == {made(0, 1).id: Result.APPLIED}


async def nothing_answered(*_: Any) -> set[str]:
    return set()

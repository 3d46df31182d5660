"""Outcomes are told in rounds, and who has been replaced meanwhile tells nothing."""

from __future__ import annotations

import asyncio

import pytest

from models.domain.outcome import Outcome, Result
from streams.roles import teller
from streams.roles.teller import Teller
from streams.settings import Settings
from tests.streams.test_actuate import StallingOutbox, made, turns


class Owner:
    """The owner of every generation that is not ``over``."""

    def __init__(self) -> None:
        self.over: set[int] = set()
        self.asked: list[int] = []
        self.fails: Exception | None = None

    async def __call__(self, generation: int) -> bool:
        self.asked.append(generation)
        if self.fails is not None:
            raise self.fails
        return generation not in self.over


class Rig:
    def __init__(self) -> None:
        self.owner = Owner()
        self.outbox = StallingOutbox(Settings(bootstrap="127.0.0.1:1"))
        self.teller = Teller(self.outbox, owner=self.owner)

    def tell(self, sequence: int, generation: int = 1, *, workload: int = 0) -> asyncio.Task[bool]:
        of = made(workload, sequence)
        outcome = Outcome(
            v=1,
            workload=of.workload,
            decision=of.id,
            epoch=of.epoch,
            at=of.at,
            result=Result.APPLIED,
        )
        return asyncio.create_task(self.teller.tell(outcome, generation))


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_what_waits_behind_a_round_is_told_only_by_who_is_still_the_owner(rig: Rig) -> None:
    first = rig.tell(1)
    await turns()
    later = [rig.tell(2), rig.tell(3)]
    await turns()
    assert len(rig.outbox.sent) == 1  # Nothing waits in the producer.
    rig.owner.over.add(1)  # It slept, and another took over.
    rig.outbox.acknowledge()
    assert await first
    assert [await one for one in later] == [False, False]
    assert len(rig.outbox.sent) == 1


async def test_a_round_is_of_one_assignment(rig: Rig) -> None:
    rig.outbox.acknowledge()
    rig.owner.over.add(1)
    told = [rig.tell(1, 1), rig.tell(2, 1), rig.tell(3, 2), rig.tell(4, 2)]
    assert await asyncio.gather(*told) == [False, False, True, True]
    assert rig.owner.asked == [1, 2]
    assert [outcome.epoch.sequence for outcome, _ in rig.outbox.sent] == [3, 4]


async def test_a_round_is_bounded_and_the_owner_is_asked_before_each(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller, "ROUND", 3)
    told = [rig.tell(number) for number in range(1, 8)]
    await turns()
    assert len(rig.outbox.sent) == len(rig.teller.sending) == 3
    rig.outbox.acknowledge()
    assert all(await asyncio.gather(*told))
    assert rig.owner.asked == [1, 1, 1]
    assert rig.teller.sending == set()


async def test_whatever_fails_fails_those_who_wait_and_no_one_else(rig: Rig) -> None:
    told = [rig.tell(1), rig.tell(2)]
    await turns()
    later = rig.tell(3)
    await turns()
    rig.outbox.sent[1][1].set_exception(OSError("the batch expired"))
    rig.outbox.stalls = False
    for one in told:
        with pytest.raises(OSError, match="expired"):
            await one
    assert await later
    rig.owner.fails = OSError("the consumer is gone")
    with pytest.raises(OSError, match="gone"):
        await rig.tell(3)
    rig.owner.fails = None
    rig.outbox.acknowledge()
    assert await rig.tell(4)


async def test_who_waits_for_another_broker_is_not_held_up(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig.outbox, "leader", lambda _, key: int(key[-1]))
    stalled = [rig.tell(1), rig.tell(2)]
    await turns()
    rig.outbox.stalls = False
    assert await rig.tell(1, workload=1)
    assert rig.teller.sending == {made(0, 1).id, made(0, 2).id}
    assert not any(one.done() for one in stalled)
    rig.outbox.acknowledge()
    assert all(await asyncio.gather(*stalled))


async def test_ended_from_outside_it_leaves_nobody_waiting(rig: Rig) -> None:
    told = [rig.tell(1), rig.tell(2)]
    await turns()
    told.append(rig.tell(3))
    await turns()
    rig.outbox.sent[0][1].cancel()  # As a producer that is closed may.
    for one in told:
        with pytest.raises(asyncio.CancelledError):
            await one
    assert rig.teller.sending == set()
    rig.outbox.stalls = False
    assert await rig.tell(4)


async def test_who_is_cancelled_while_he_waits_hinders_nobody(rig: Rig) -> None:
    told = [rig.tell(1), rig.tell(2), rig.tell(3)]
    await turns()
    told[0].cancel()
    await turns()
    rig.outbox.acknowledge()
    assert [await one for one in told[1:]] == [True, True]

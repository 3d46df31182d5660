"""Who has slept is not believed, not even by himself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import RequestTimedOutError

from streams.kafka import lease
from streams.kafka.lease import Lease

SESSION_S = 6.0


class Member:
    """Faust's consumer thread with a coordinator that answers as told."""

    def __init__(self, clock: SimpleNamespace) -> None:
        self.clock = clock
        self.generation = 1
        self.asked = 0
        self.answers: list[Callable[[], bool]] = []
        self._coordinator = self

    def _ensure_consumer(self) -> Member:
        return self

    async def call_thread(self, fun: Any, *given: Any) -> Any:
        return await fun(*given)

    async def ensure_coordinator_known(self) -> None:
        """It is known."""

    async def _do_heartbeat(self) -> bool:
        self.asked += 1
        return self.answers.pop(0)() if self.answers else True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(at=100.0)
    monkeypatch.setattr(lease, "time", SimpleNamespace(monotonic=lambda: now.at))
    monkeypatch.setattr(lease, "PAUSE_S", 0.0)
    return now


async def held(lease_: Lease, member: Member, generation: int = 1) -> bool:
    return await asyncio.wait_for(lease_.held(member, generation), 5)


async def test_it_is_asked_once_in_half_a_session(clock: SimpleNamespace) -> None:
    member, mine = Member(clock), Lease(session_timeout_s=SESSION_S)
    for at in (100.0, 101.0, 102.9):
        clock.at = at
        assert await held(mine, member)
    assert member.asked == 1
    clock.at = 103.1
    assert await held(mine, member)
    assert member.asked == 2


@pytest.mark.parametrize("later_s", [0.0, SESSION_S])
async def test_another_generation_is_not_ours_though_we_are_a_member_again(
    clock: SimpleNamespace, later_s: float
) -> None:
    member, mine = Member(clock), Lease(session_timeout_s=SESSION_S)
    assert await held(mine, member)
    member.generation = 2
    clock.at += later_s
    assert not await held(mine, member)
    assert await held(mine, member, generation=2)
    assert member.asked == 2  # The older one was not even asked for.


async def test_who_is_put_out_is_told_so(clock: SimpleNamespace) -> None:
    member, mine = Member(clock), Lease(session_timeout_s=SESSION_S)

    def unknown() -> bool:
        member.generation = -1  # As aiokafka does on UNKNOWN_MEMBER_ID.
        return False

    member.answers = [unknown]
    assert not await held(mine, member)


async def test_a_coordinator_that_cannot_be_asked_is_asked_again(clock: SimpleNamespace) -> None:
    member, mine = Member(clock), Lease(session_timeout_s=SESSION_S)

    def away() -> bool:
        raise RequestTimedOutError

    member.answers = [away, lambda: False, lambda: True]
    assert await held(mine, member)
    assert member.asked == 3


async def test_an_answer_that_was_slept_over_is_no_answer(clock: SimpleNamespace) -> None:
    """Asked, stopped by SIGSTOP, woken: a good answer lies in the socket, and is long over."""
    member, mine = Member(clock), Lease(session_timeout_s=SESSION_S)

    def slept() -> bool:
        clock.at += 60.0
        return True

    def unknown() -> bool:
        member.generation = -1
        return False

    member.answers = [slept, unknown]
    assert not await held(mine, member)

from __future__ import annotations

import asyncio
import time

import pytest

from actuators.clock import ManualClock, ScaledClock, SystemClock


def test_a_scaled_clock_stands_then_runs_then_meets_the_wall() -> None:
    clock = ScaledClock(speed=1000.0, length_s=100.0)
    stood = clock.now()
    assert clock.now() == stood
    clock.start()
    began = clock.now()
    assert began >= stood
    assert abs(clock.now() + 100.0 - 0.1 - time.time()) < 20
    time.sleep(0.15)  # Its 100 s are over.
    assert abs(clock.now() - time.time()) < 0.05
    assert clock.wall_seconds(5.0) == 5.0


async def test_it_can_be_waited_for_until_it_meets_the_wall() -> None:
    clock = ScaledClock(speed=1000.0, length_s=100.0)
    clock.start()
    assert abs(clock.now() - time.time()) > 10
    await asyncio.wait_for(clock.meet_the_wall(), 5)
    assert abs(clock.now() - time.time()) < 0.05


def test_at_wall_and_now_agree() -> None:
    clock = ScaledClock(speed=60.0, length_s=3600.0)
    clock.start()
    assert abs(clock.at_wall(time.time()) - clock.now()) < 1.0
    assert clock.wall_seconds(60.0) == 1.0


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        ScaledClock(speed=0.0, length_s=1.0)


async def test_a_manual_clock_wakes_its_sleepers() -> None:
    clock = ManualClock(5.0)
    task = asyncio.create_task(clock.sleep(10.0))
    await asyncio.sleep(0)
    clock.advance(9.0)
    await asyncio.sleep(0)
    assert not task.done()
    clock.advance(1.0)
    await asyncio.wait_for(task, 1)


def test_the_system_clock_is_the_wall() -> None:
    assert abs(SystemClock().now() - time.time()) < 1.0
    assert SystemClock().at_wall(3.0) == 3.0

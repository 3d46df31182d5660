"""One contract for every actuator."""

from __future__ import annotations

import asyncio

import pytest

from actuators.errors import Rejected, Stale
from tests.actuators.worlds import order, ref, world

ALL = pytest.mark.parametrize("kind", ["memory", "dry-run", "kubernetes"])


@ALL
async def test_apply_sets_replicas_and_says_what_was(kind: str) -> None:
    async with world(kind) as w:
        applied = await w.actuator.apply(order(5, 1))
        assert (applied.before, applied.after, applied.changed) == (2, 5, True)
        seen = await w.actuator.observe(ref())
        assert seen.desired == (5 if w.applies else 2)


@ALL
async def test_the_same_epoch_twice_changes_nothing(kind: str) -> None:
    async with world(kind) as w:
        await w.actuator.apply(order(5, 1))
        again = await w.actuator.apply(order(5, 1))
        assert not again.changed


@ALL
async def test_an_older_epoch_never_overwrites_a_newer_one(kind: str) -> None:
    async with world(kind) as w:
        await w.actuator.apply(order(5, 7))
        with pytest.raises(Stale):
            await w.actuator.apply(order(9, 6))
        if w.applies:
            assert (await w.actuator.observe(ref())).desired == 5


@ALL
async def test_a_target_that_is_not_there_is_said_to_be_missing(kind: str) -> None:
    async with world(kind) as w:
        with pytest.raises(Rejected) as missing:
            await w.actuator.apply(order(5, 1, name="nobody"))
        assert missing.value.code == "not-found"


@ALL
async def test_watch_tells_what_is_there_and_what_changes(kind: str) -> None:
    async with world(kind) as w:
        watching = w.actuator.watch([ref()])
        first = await asyncio.wait_for(anext(watching), 5)
        assert (first.desired, first.at) == (2, w.clock.now())
        if w.applies:
            await w.actuator.apply(order(3, 1))
            while (seen := await asyncio.wait_for(anext(watching), 5)).desired != 3:
                pass
            assert str(seen.epoch) == "1.0.1.1"
        await watching.aclose()  # type: ignore[attr-defined]


@ALL
async def test_close_is_idempotent(kind: str) -> None:
    async with world(kind) as w:
        await w.actuator.close()
        await w.actuator.close()

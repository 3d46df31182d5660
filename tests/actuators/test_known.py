"""The read that the watch saves, and every case in which it must not be saved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from actuators.errors import Stale
from actuators.kubernetes.known import EPOCH_ANNOTATION
from lab.kubeapi import KubeApi
from tests.actuators.test_kubernetes import collect, until
from tests.actuators.worlds import World, order, ref, world

OBJECT = {("get", "deployments"), ("patch", "deployments")}


@asynccontextmanager
async def watched() -> AsyncIterator[tuple[World, KubeApi]]:
    """A world whose target is watched, and carries the epoch of sequence 1."""
    async with world("kubernetes") as w:
        assert w.api is not None
        await w.actuator.apply(order(3, 1))
        seen: list[object] = []
        task = asyncio.create_task(collect(w, seen))  # type: ignore[arg-type]
        await until(lambda: bool(seen))
        w.api.calls.clear()
        try:
            yield w, w.api
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def asked(api: KubeApi) -> list[str]:
    return [verb for verb, resource in api.calls if (verb, resource) in OBJECT]


def annotate(api: KubeApi, value: str | None) -> None:
    """A person's hand on the annotation; the watch is not told at once."""
    found = api._store.get("Deployment", "prod", "bot")
    assert found is not None
    annotations = {EPOCH_ANNOTATION: value} if value is not None else {}
    metadata = found["metadata"] | {"annotations": annotations}
    api._store.put("Deployment", found | {"metadata": metadata})


async def test_an_older_epoch_that_was_told_is_patched_without_a_read() -> None:
    async with watched() as (w, api):
        assert (await w.actuator.apply(order(5, 2))).changed
        assert asked(api) == ["patch"]
        # The patch's own answer is news as well: the next needs no read either.
        assert (await w.actuator.apply(order(6, 3))).before == 5
        assert asked(api).count("get") <= 1  # The facade changes the status once more.
        assert (await w.actuator.observe(ref())).desired == 6


async def test_what_was_told_is_over_so_it_is_read_and_tried_again() -> None:
    async with watched() as (w, api):
        api.faults.fail("patch", "deployments", 409)
        assert (await w.actuator.apply(order(5, 2))).changed
        assert asked(api) == ["patch", "get", "patch"]


async def test_what_was_told_is_over_and_a_newer_epoch_stands_there() -> None:
    async with watched() as (w, api):
        came, go = api.faults.hold("patch", "deployments")
        old = asyncio.create_task(w.actuator.apply(order(9, 2)))
        await asyncio.wait_for(came.wait(), 5)
        await w.actuator.apply(order(4, 3))
        go.set()
        with pytest.raises(Stale):
            await old
        assert (await w.actuator.observe(ref())).desired == 4


@pytest.mark.parametrize("sequence", [1, 0])
async def test_nothing_is_refused_or_called_done_by_what_was_told(sequence: int) -> None:
    async with watched() as (w, api):
        if sequence == 1:
            assert not (await w.actuator.apply(order(3, 1))).changed
        else:
            with pytest.raises(Stale):
                await w.actuator.apply(order(3, 0))
        assert asked(api) == ["get"]


@pytest.mark.parametrize("value", [None, "nonsense"])
async def test_a_person_who_takes_the_epoch_away_lets_any_decision_in(value: str | None) -> None:
    """As the documents say of a group that expired; the object is asked, not what was told."""
    async with watched() as (w, api):
        annotate(api, value)
        assert (await w.actuator.apply(order(5, 0))).changed
        assert asked(api) == ["get", "patch"]
        assert str((await w.actuator.observe(ref())).epoch) == "1.0.1.0"


async def test_a_person_who_takes_it_away_while_a_patch_is_under_way_is_noticed() -> None:
    async with watched() as (w, api):
        came, go = api.faults.hold("patch", "deployments")
        task = asyncio.create_task(w.actuator.apply(order(5, 2)))
        await asyncio.wait_for(came.wait(), 5)
        annotate(api, None)
        go.set()
        assert (await task).changed
        assert asked(api) == ["patch", "get", "patch"]


async def test_of_what_is_no_longer_watched_nothing_is_known() -> None:
    async with watched() as (w, api):
        watching = w.actuator.watch([ref()])
        await asyncio.wait_for(anext(watching), 5)
        await watching.aclose()  # type: ignore[attr-defined]
        api.calls.clear()
        assert (await w.actuator.apply(order(5, 2))).changed
        assert asked(api) == ["get", "patch"]

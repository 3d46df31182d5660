"""What only Kubernetes can do to us: conflicts, faults, watches that break."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

from actuators.errors import Denied, Rejected, Stale, Transient
from actuators.protocol import Observation
from tests.actuators.worlds import BEGIN, World, order, ref, world

RBAC = Path(__file__).parents[2] / "deploy" / "rbac.yaml"


async def test_a_patch_that_was_held_while_another_won_is_refused_as_stale() -> None:
    """An actuator paused between its read and its patch: the newer decision stays."""
    async with world("kubernetes") as w:
        assert w.api is not None
        came, go = w.api.faults.hold("patch", "deployments")
        old = asyncio.create_task(w.actuator.apply(order(9, 1)))
        await asyncio.wait_for(came.wait(), 5)
        await w.actuator.apply(order(4, 2))
        go.set()
        with pytest.raises(Stale):
            await old
        assert (await w.actuator.observe(ref())).desired == 4
        assert w.api.patches == 1


async def test_a_conflict_is_read_again_and_tried_again() -> None:
    async with world("kubernetes") as w:
        assert w.api is not None
        w.api.faults.fail("patch", "deployments", 409, times=3)
        assert (await w.actuator.apply(order(4, 1))).changed
        assert w.api.calls.count(("get", "deployments")) == 4


@pytest.mark.parametrize(
    ("status", "kind"), [(500, Transient), (429, Transient), (403, Denied), (422, Rejected)]
)
async def test_faults_become_errors_of_their_reaction(status: int, kind: type[Exception]) -> None:
    async with world("kubernetes") as w:
        assert w.api is not None
        w.api.faults.fail("patch", "deployments", status, Retry_After="3")
        with pytest.raises(kind) as error:
            await w.actuator.apply(order(4, 1))
        assert error.value.retry_after_s == 3.0  # type: ignore[attr-defined]


async def test_a_server_that_hangs_is_a_timeout_not_a_wait() -> None:
    async with world("kubernetes") as w:
        assert w.api is not None
        came, _ = w.api.faults.hold("get", "deployments")
        with pytest.raises(Transient) as error:
            await asyncio.wait_for(w.actuator.apply(order(4, 1)), 10)
        assert came.is_set()
        assert error.value.code == "timeout"


async def test_a_kind_that_cannot_carry_the_epoch_is_refused() -> None:
    async with world("kubernetes") as w:
        with pytest.raises(Rejected) as error:
            await w.actuator.observe(ref(kind="DaemonSet"))
        assert error.value.code == "unsupported-kind"


async def test_start_up_times_are_told_once_and_not_for_pods_that_were_ready_before() -> None:
    async with world("kubernetes") as w:
        assert w.api is not None
        assert w.replicas is not None
        seen: list[Observation] = []
        task = asyncio.create_task(collect(w, seen))
        await until(lambda: bool(seen))
        await w.actuator.apply(order(4, 1))
        w.clock.advance(31.0)
        w.replicas.ready(BEGIN + 31.0)
        w.api.refresh()
        await until(lambda: any(o.ready == 4 for o in seen))
        await until(lambda: sum(len(o.started_s) for o in seen) >= 2)
        w.api.faults.drop_watches()  # The lists that follow show the same pods again.
        await asyncio.sleep(1.2)
        assert [s for o in seen for s in o.started_s] == [31.0, 31.0]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_watch_survives_faults_and_lists_again() -> None:
    async with world("kubernetes") as w:
        assert w.api is not None
        w.api.faults.fail("list", "deployments", 500, times=2)
        w.api.faults.fail("watch", "deployments", 410)
        seen: list[Observation] = []
        task = asyncio.create_task(collect(w, seen))
        await until(lambda: bool(seen))
        w.api.faults.drop_watches()
        await w.actuator.apply(order(6, 1))
        await until(lambda: any(o.desired == 6 for o in seen))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert w.api.calls.count(("watch", "deployments")) < 20  # It backs off.


async def test_it_asks_for_no_verb_that_rbac_does_not_grant_and_none_in_vain() -> None:
    async with world("kubernetes") as w:
        assert w.api is not None
        seen: list[Observation] = []
        task = asyncio.create_task(collect(w, seen))
        await until(lambda: bool(seen))
        await w.actuator.apply(order(4, 1))
        await w.actuator.observe(ref())
        await until(lambda: any(o.desired == 4 for o in seen))
        await w.actuator.apply(order(3, 2, leaving=("pod-1",)))
        await until(lambda: any(o.desired == 4 for o in seen))
        await until(lambda: ("watch", "pods") in w.api.calls)  # type: ignore[union-attr]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        asked = set(w.api.calls)
    role = next(d for d in yaml.safe_load_all(RBAC.read_text()) if d["kind"] == "ClusterRole")
    granted = {
        (verb, resource)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert asked <= granted
    assert {(v, r) for v, r in granted if r != "statefulsets"} == asked


async def collect(w: World, seen: list[Observation]) -> None:
    async for observation in w.actuator.watch([ref()]):
        seen.append(observation)


async def until(condition: object) -> None:
    assert callable(condition)
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not happen within 5 s")

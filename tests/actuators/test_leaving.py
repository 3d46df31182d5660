"""Scale-in takes the pods with least to do: costs are set before the replicas are lowered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from actuators.errors import Denied, Transient
from actuators.kubernetes.leaving import COST_ANNOTATION, OURS_ANNOTATION
from actuators.protocol import TargetRef
from lab.kubeapi import Choosing
from models.domain.spec import Target
from tests.actuators.worlds import Replicas, World, order, world


class Chosen(Replicas):
    """Pods leave as a ReplicaSet's: the lowest cost first, no cost is 0, then the newest."""

    def scale_by_cost(self, replicas: int, now: float, costs: Mapping[str, int]) -> None:
        born = {pod.name: place for place, pod in enumerate(self._pods)}
        self._pods.sort(key=lambda pod: (-costs.get(pod.name, 0), born[pod.name]))
        self.scale(replicas, now)
        self._pods.sort(key=lambda pod: born.get(pod.name, len(born)))


def six(w: World) -> Chosen:
    assert w.api is not None
    pods = Chosen(6, "six")
    w.api.add("Deployment", "prod", "six", pods)
    return pods


def names(pods: Replicas) -> list[str]:
    return [pod.name for pod in pods.pods()]


def annotations(w: World, pod: str) -> dict[str, Any]:
    assert w.api is not None
    found = w.api._store.get("Pod", "prod", pod)
    assert found is not None
    return dict(found["metadata"].get("annotations") or {})


async def set_cost(w: World, pod: str, cost: str) -> None:
    actuator: Any = w.actuator
    body = {"metadata": {"annotations": {COST_ANNOTATION: cost}}}
    await actuator._api.patch_pod("prod", pod, body)


def test_the_double_is_one_whose_pods_are_chosen() -> None:
    assert isinstance(Chosen(1), Choosing)
    assert not isinstance(Replicas(1), Choosing)


async def test_those_named_leave_and_no_other() -> None:
    async with world("kubernetes") as w:
        pods = six(w)
        await w.actuator.apply(order(4, 1, name="six", leaving=("six-2", "six-5")))
        assert names(pods) == ["six-1", "six-3", "six-4", "six-6"]
        assert w.api is not None
        patches = [call for call in w.api.calls if call[0] == "patch"]
        assert patches == [("patch", "pods")] * 2 + [("patch", "deployments")]


async def test_without_names_the_platform_chooses_and_no_pod_is_touched() -> None:
    async with world("kubernetes") as w:
        pods = six(w)
        await w.actuator.apply(order(4, 1, name="six"))
        assert names(pods) == ["six-1", "six-2", "six-3", "six-4"]
        assert w.api is not None
        assert ("patch", "pods") not in w.api.calls
        assert ("list", "pods") not in w.api.calls


async def test_the_first_named_goes_first_if_fewer_go_than_were_named() -> None:
    async with world("kubernetes") as w:
        pods = six(w)
        await w.actuator.apply(order(5, 1, name="six", leaving=("six-3", "six-1")))
        assert names(pods) == ["six-1", "six-2", "six-4", "six-5", "six-6"]


async def test_pods_that_left_and_still_tell_of_themselves_are_passed_over() -> None:
    """Those that left have least to do, and are named again; the next ones go in their place."""
    async with world("kubernetes") as w:
        pods = six(w)
        await w.actuator.apply(order(5, 1, name="six", leaving=("six-3", "six-5", "six-2")))
        assert names(pods) == ["six-1", "six-2", "six-4", "six-5", "six-6"]
        await w.actuator.apply(order(4, 2, name="six", leaving=("six-3", "six-5", "six-2")))
        assert names(pods) == ["six-1", "six-2", "six-4", "six-6"]
        actuator: Any = w.actuator
        going = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
        await actuator._api.patch_pod("prod", "six-2", going)
        await w.actuator.apply(order(3, 3, name="six", leaving=("six-2", "six-4", "six-1")))
        assert "six-4" not in names(pods)
        assert annotations(w, "six-1") == {}


async def test_a_mark_of_an_earlier_scale_in_is_taken_away() -> None:
    async with world("kubernetes") as w:
        pods = six(w)
        assert w.api is not None
        w.api.faults.fail("patch", "deployments", 500)
        with pytest.raises(Transient):  # It was not carried out after all.
            await w.actuator.apply(order(5, 1, name="six", leaving=("six-1",)))
        assert annotations(w, "six-1")[COST_ANNOTATION] == "-1"
        await w.actuator.apply(order(5, 2, name="six", leaving=("six-6",)))
        assert names(pods) == ["six-1", "six-2", "six-3", "six-4", "six-5"]
        assert annotations(w, "six-1") == {}


async def test_a_cost_that_a_user_has_set_is_left_alone() -> None:
    async with world("kubernetes") as w:
        pods = six(w)
        await set_cost(w, "six-2", "50")
        await w.actuator.apply(order(4, 1, name="six", leaving=("six-2", "six-5")))
        assert annotations(w, "six-2") == {COST_ANNOTATION: "50"}
        assert "six-2" in names(pods)
        assert "six-5" not in names(pods)
        await w.actuator.apply(order(3, 2, name="six", leaving=("six-2", "six-4", "six-3")))
        assert names(pods) == ["six-1", "six-2", "six-3"]


async def test_pods_of_others_are_not_touched() -> None:
    async with world("kubernetes") as w:
        six(w)
        assert w.api is not None
        w.api.add("Deployment", "prod", "other", Chosen(2, "other"))
        await set_cost(w, "six-1", "-7")
        await w.actuator.apply(order(1, 1, leaving=("six-6",)))
        assert OURS_ANNOTATION not in annotations(w, "six-6")


async def test_scale_out_marks_nobody() -> None:
    async with world("kubernetes") as w:
        six(w)
        await w.actuator.apply(order(8, 1, name="six", leaving=("six-1",)))
        assert annotations(w, "six-1") == {}


async def test_a_pod_that_has_gone_is_passed_over() -> None:
    async with world("kubernetes") as w:
        pods = six(w)
        assert w.api is not None
        w.api.faults.fail("patch", "pods", 404)
        await w.actuator.apply(order(4, 1, name="six", leaving=("six-2", "six-5", "six-9")))
        assert pods.desired == 4


@pytest.mark.parametrize(("status", "kind"), [(403, Denied), (500, Transient)])
async def test_who_cannot_choose_does_not_scale_in(status: int, kind: type[Exception]) -> None:
    async with world("kubernetes") as w:
        pods = six(w)
        assert w.api is not None
        w.api.faults.fail("patch", "pods", status)
        with pytest.raises(kind):
            await w.actuator.apply(order(4, 1, name="six", leaving=("six-2",)))
        assert pods.desired == 6


async def test_a_conflict_afterwards_does_not_mark_again() -> None:
    async with world("kubernetes") as w:
        pods = six(w)
        assert w.api is not None
        w.api.faults.fail("patch", "deployments", 409, times=2)
        await w.actuator.apply(order(5, 1, name="six", leaving=("six-2",)))
        assert w.api.calls.count(("patch", "pods")) == 1
        assert "six-2" not in names(pods)


async def test_pods_of_a_stateful_set_leave_by_number() -> None:
    async with world("kubernetes") as w:
        assert w.api is not None
        w.api.add("StatefulSet", "prod", "set", Replicas(3, "set"))
        target = TargetRef(
            workload="prod/set",
            variant="default",
            namespace="prod",
            target=Target(kind="StatefulSet", name="set"),
        )
        made = order(2, 1, name="set", leaving=("set-1",))
        await w.actuator.apply(
            type(made)(
                ref=target,
                replicas=made.replicas,
                epoch=made.epoch,
                decision=made.decision,
                leaving=made.leaving,
            )
        )
        assert ("patch", "pods") not in w.api.calls
        assert (await w.actuator.observe(target)).desired == 2

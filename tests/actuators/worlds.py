"""Platforms to run the contract on: memory, dry run, and Kubernetes on the facade."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from actuators.clock import ManualClock
from actuators.dryrun import DryRunActuator
from actuators.kubernetes import KubernetesActuator, connect
from actuators.memory import MemoryActuator
from actuators.protocol import Actuator, Order, TargetRef
from lab.kubeapi import KubeApi, PodView
from models.domain.decision import Epoch
from models.domain.spec import Target

BEGIN = 1_700_000_000.0


class Replicas:
    """Replicas that are ready when told to be."""

    def __init__(self, replicas: int, prefix: str = "pod") -> None:
        self._prefix = prefix
        self._desired = 0
        self._pods: list[PodView] = []
        self._made = 0
        self.scale(replicas, BEGIN)
        self.ready(BEGIN)

    @property
    def desired(self) -> int:
        return self._desired

    def pods(self) -> list[PodView]:
        return list(self._pods)

    def scale(self, replicas: int, now: float) -> None:
        self._desired = replicas
        while len(self._pods) < replicas:
            self._made += 1
            name = f"{self._prefix}-{self._made}"
            self._pods.append(PodView(name=name, uid=name, created_at=now, ready_at=None))
        del self._pods[replicas:]

    def ready(self, now: float) -> None:
        self._pods = [
            PodView(name=p.name, uid=p.uid, created_at=p.created_at, ready_at=p.ready_at or now)
            for p in self._pods
        ]


@dataclass
class World:
    actuator: Actuator
    clock: ManualClock
    api: KubeApi | None
    replicas: Replicas | None
    applies: bool


def ref(name: str = "bot", kind: str = "Deployment") -> TargetRef:
    return TargetRef(
        workload=f"prod/{name}",
        variant="default",
        namespace="prod",
        target=Target(kind=kind, name=name),
    )


def order(
    replicas: int, sequence: int, *, name: str = "bot", leaving: tuple[str, ...] = ()
) -> Order:
    epoch = Epoch(1, 0, 1, sequence)
    decision = f"prod/{name}@{epoch}"
    return Order(ref=ref(name), replicas=replicas, epoch=epoch, decision=decision, leaving=leaving)


@asynccontextmanager
async def world(kind: str) -> AsyncIterator[World]:
    clock = ManualClock(BEGIN)
    if kind in {"memory", "dry-run"}:
        memory = MemoryActuator(clock)
        memory.add(ref(), 2)
        actuator: Actuator = DryRunActuator(memory) if kind == "dry-run" else memory
        yield World(actuator, clock, None, None, applies=kind == "memory")
        await actuator.close()
        return
    api = KubeApi(clock, token="secret")
    await api.start()
    replicas = Replicas(2)
    api.add("Deployment", "prod", "bot", replicas)
    client = await connect(api.kubeconfig())
    kubernetes = KubernetesActuator(client, clock=clock, request_timeout_s=2.0, resync_s=1e6)
    try:
        yield World(kubernetes, clock, api, replicas, applies=True)
    finally:
        await kubernetes.close()
        await api.stop()

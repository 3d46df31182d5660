"""Traffic of the scale bench: of every workload one event a second, half gauges, half requests.

Rule: all chance comes from the seed, so that every run has the same demand; what an event says is
worked out ahead, only its time is put in when it is sent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SEED = 10_000
PER_MESSAGE = 100
"""Events of one message, as a client's batch has them."""

CAPACITY = {"concurrency": 4, "tokens": 400}
"""Demand that one replica serves."""

REPLICAS = 10.0
"""Replicas that an average workload needs."""

CHANGES = 0.02
"""Share of workloads whose demand goes to another level in a second."""

JUMP = 0.5
"""Of levels, the standard deviation of the logarithm: one in five is more than half as much again,
which no forecast had room for."""

NOISE = 0.02
"""Of a level, from one second to the next."""


def name_of(number: int) -> str:
    """A workload's name."""
    return f"default/w{number:06d}"


def unit_of(number: int) -> str:
    """Even ones report requests in flight, odd ones tokens of finished requests."""
    return "tokens" if number % 2 else "concurrency"


def spec_of(number: int) -> bytes:
    """The AgentScaler of a workload, as users write it."""
    namespace, _, name = name_of(number).partition("/")
    unit = unit_of(number)
    return json.dumps(
        {
            "apiVersion": "foretide.dev/v1alpha1",
            "kind": "AgentScaler",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "target": {"kind": "Deployment", "name": name},
                "demand": {"unit": unit, "perReplica": CAPACITY[unit]},
                "replicas": {"min": 1, "max": 200},
                "slo": {"latencySeconds": 2.0, "violations": 0.01},
            },
        }
    ).encode()


class Demand:
    """Demand of all workloads, second after second."""

    def __init__(self, workloads: int) -> None:
        """Levels to begin with, in each workload's unit."""
        self._chance = np.random.default_rng(SEED)
        self._unit = np.array([CAPACITY[unit_of(number)] for number in range(workloads)])
        self._usual = REPLICAS * self._unit * self._chance.lognormal(0.0, 0.4, workloads)
        self._level = self._usual.copy()

    def second(self) -> NDArray[np.int64]:
        """Demand of the next second."""
        chance, count = self._chance, len(self._level)
        moved = chance.random(count) < CHANGES
        self._level[moved] = (self._usual * chance.lognormal(0.0, JUMP, count))[moved]
        noise = 1.0 + NOISE * chance.standard_normal(count)
        return np.maximum(self._level * noise, 1.0).astype(np.int64)


class Events:
    """What workloads say of their demand, as bytes of a message."""

    def __init__(self, workloads: int) -> None:
        """Heads of all events are made once."""
        self._heads = [
            (
                f'{{"v":1,"kind":"{"request" if number % 2 else "resource"}",'
                f'"workload":"{name_of(number)}","at":'
            ).encode()
            for number in range(workloads)
        ]

    def message(self, demand: Sequence[int], first: int, at: float) -> bytes:
        """The events of workloads from ``first`` on, ``PER_MESSAGE`` of them or what is left."""
        stamp = b"%.6f" % at
        events = []
        for number in range(first, min(first + PER_MESSAGE, len(self._heads))):
            if number % 2:
                tail = b',"latency_s":0.%d,"tokens_in":%d,"tokens_out":%d}' % (
                    100 + demand[number] % 900,
                    demand[number] // 2,
                    demand[number] - demand[number] // 2,
                )
            else:
                tail = b',"pod":"p0","in_flight":%d,"queue_depth":0}' % demand[number]
            events.append(self._heads[number] + stamp + tail)
        return b"[" + b",".join(events) + b"]"

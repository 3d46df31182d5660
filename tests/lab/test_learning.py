"""Capacity learned on the plant that serves request by request, against queueing theory."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import pytest

from lab.plant import Plant
from lab.plant.account import Account
from lab.plant.foretide import Foretide
from lab.plant.learning import learn
from lab.plant.theory import mmck
from lab.plant.truth import (
    BEGIN,
    SERVICES,
    agent,
    arrivals,
    parameters,
    share_slow,
    true_capacity,
)

SERVICE = dataclasses.replace(SERVICES[0], rate=12.0, replicas=4)
"""4 slots a replica, 0.5 s a request: M/M/4n, at an SLO of 4 s."""

HOURS = 1.25
PERIOD_S, WIDTH_S = 10, 4


def slower_than(rate: float, servers: int, slo_s: float) -> float:
    """P(sojourn > slo) of M/M/c with mean service 0.5 s: the service, and the wait before it.

    Who waits (with chance w) waits an exponential time of rate c mu - rate.
    """
    mu = 2.0
    waits = mmck(rate=rate, mean_s=1 / mu, servers=servers).waits
    theta = servers * mu - rate
    served = math.exp(-mu * slo_s)
    both = (theta * served - mu * math.exp(-theta * slo_s)) / (theta - mu)
    return (1 - waits) * served + waits * both


def critical_rate(servers: int, slo_s: float, budget: float) -> float:
    low, high = 0.0, 2.0 * servers
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if slower_than(middle, servers, slo_s) <= budget else (low, middle)
        )
    return low


def as_measured(rate: float) -> float:
    """What the meter makes of a Poisson rate: the highest mean of 4 s in each 10 s, averaged."""
    chance = random.Random(1)
    peaks = []
    for _ in range(2000):
        seconds = [0] * PERIOD_S
        at = chance.expovariate(rate)
        while at < PERIOD_S:
            seconds[int(at)] += 1
            at += chance.expovariate(rate)
        means = [sum(seconds[b : b + WIDTH_S]) / WIDTH_S for b in range(PERIOD_S - WIDTH_S + 1)]
        peaks.append(max(means))
    return fmean(peaks)


def test_theory_and_plant_agree_on_what_is_slow() -> None:
    made = arrivals(SERVICE, lambda _: 14.5, 2000, 1)
    old = dataclasses.replace(SERVICE.variant, initial_replicas=2)
    plant = Plant(made, parameters(SERVICE, old), seed=1, begin=BEGIN, tell=False)
    plant.advance(BEGIN + 2100)
    assert abs(plant.account.violation_share() - slower_than(14.5, 8, 4.0)) < 0.02


def test_what_never_ends_is_slow_too() -> None:
    """200 requests of 5,000 s in the mean, on 4 slots: none ends within a minute."""
    endless = dataclasses.replace(SERVICE, tokens_out=200_000)
    assert share_slow(endless, endless.variant, 1, 200 / 60, 60.0, 1) > 0.9


def test_every_run_s_books_are_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    settled: list[int] = []
    settle = Account.settle

    def watched(account: Account, at: float, arrived_at: Sequence[float]) -> None:
        settle(account, at, arrived_at)
        settled.append(account.arrived)

    monkeypatch.setattr(Account, "settle", watched)
    learn(SERVICE, {"requests": 5.0}, unit="requests", hours=0.02, after_s=30)
    assert len(settled) == 1
    settled.clear()
    runs: list[Plant] = []
    begun = Plant.__init__

    def counted(plant: Plant, *given: Any, **more: Any) -> None:
        begun(plant, *given, **more)
        runs.append(plant)

    monkeypatch.setattr(Plant, "__init__", counted)
    true_capacity(SERVICE, SERVICE.variant, replicas=1, seconds=400, runs=1)
    assert len(settled) == len(runs) > 2


def test_it_comes_near_to_the_true_capacity_and_notices_a_slower_release() -> None:
    """Of a fleet of 2 to 4 replicas; then a release that takes half as long again."""
    replicas = 3
    true = as_measured(critical_rate(4 * replicas, 4.0, 0.01)) / replicas
    found = learn(
        SERVICE,
        {"requests": true},
        unit="requests",
        hours=HOURS,
        after_s=900,
        then={"requests": true / 1.5},
    )
    assert found.learned is not None
    assert 0.75 * true <= found.learned <= 1.25 * true
    assert found.violations <= SERVICE.violations
    assert found.noticed_s is not None
    assert found.noticed_s <= 600
    assert found.lowered_s is not None
    assert found.lowered_s <= 600
    assert found.after is not None
    assert found.after < 0.8 * found.learned


def test_the_run_is_the_same_each_time_and_tells_whole_seconds() -> None:
    def run() -> Foretide:
        made = arrivals(SERVICE, lambda _: 12.0, 300, 3)
        old = dataclasses.replace(SERVICE.variant, initial_replicas=2)
        plant = Plant(made, parameters(SERVICE, old), seed=3, begin=BEGIN)
        made_run = Foretide(plant, agent(SERVICE))
        for _ in range(300):
            made_run.second()
        return made_run

    first, second = run(), run()
    assert first.forecasts == second.forecasts
    assert first.plant.account.served == second.plant.account.served
    window = first.planner.fleet.merge.window("lab/service")
    told = window.total("finished", int(BEGIN) + 225, int(BEGIN) + 299)
    ended = [at for at, _ in first.plant.account.latencies if at >= BEGIN + 225]
    assert told == len(ended)

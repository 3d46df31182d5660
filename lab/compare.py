"""Running a policy on the plant in simulated time, to compare with what ran live.

Rule: the same arrivals, parameters and seed for everybody; only the policy differs.
"""

from __future__ import annotations

import dataclasses

import msgspec

from lab.plant import Account, Gauge, Plant, PlantParameters
from lab.policies import Policy, Static, View
from lab.traces import Arrival

DRAIN_S = 600.0
"""Longest that a run waits for the last requests, trace seconds."""


class Sample(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The plant at one moment: seconds since the begin, and counts."""

    at: float
    in_system: int
    desired: int
    ready: int
    alive: int


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a run served and cost.

    ``latency_p*_s`` are None when nothing was served; ``violation_share`` is 0 to 1 of requests
    that ended; ``series`` has a sample a second, ``latencies`` (seconds since begin, latency).
    """

    policy: str
    served: int
    dropped: int
    latency_p50_s: float | None
    latency_p95_s: float | None
    violation_share: float
    replica_hours: float
    actions: int
    peak_replicas: int
    series: tuple[Sample, ...]
    latencies: tuple[tuple[float, float], ...]


def result_of(policy: str, account: Account, begin: float) -> RunResult:
    """The result of a run that is over (``Plant.close``)."""
    return RunResult(
        policy=policy,
        served=account.served,
        dropped=account.dropped,
        latency_p50_s=account.latency_s(0.5),
        latency_p95_s=account.latency_s(0.95),
        violation_share=account.violation_share(),
        replica_hours=account.replica_seconds / 3600.0,
        actions=account.actions,
        peak_replicas=max((row[4] for row in account.series), default=0),
        series=tuple(
            Sample(at=at - begin, in_system=n, desired=desired, ready=ready, alive=alive)
            for at, n, desired, ready, alive in account.series
        ),
        latencies=tuple((at - begin, latency) for at, latency in account.latencies),
    )


def run_policy(
    arrivals: tuple[Arrival, ...], parameters: PlantParameters, policy: Policy, *, seed: int
) -> RunResult:
    """Run ``policy`` over the whole trace and a drain."""
    begin = 0.0
    plant = Plant(arrivals, parameters, seed=seed, begin=begin)
    end = arrivals[-1].at_s
    use: dict[str, float] = {}
    now = begin
    while now < end or (not plant.drained and now < end + DRAIN_S):
        now += policy.period_s if now + policy.period_s < end else 1.0
        use.clear()
        for event in plant.advance(now):
            if isinstance(event, Gauge):
                use[event.pod] = event.busy_ratio
        names = {pod.name for pod in plant.pods() if pod.ready_at is not None and not pod.deleting}
        ratios = [ratio for pod, ratio in use.items() if pod in names]
        view = View(
            now=now,
            desired=plant.desired,
            ready=plant.ready,
            use_ratio=sum(ratios) / len(ratios) if ratios else None,
            # Requests, as capacity is counted in slots: the gateway knows what it holds and what
            # it has handed on, with or without a ready pod.
            demand=float(plant.in_system),
        )
        if now <= end:
            plant.scale(policy.desired(view), now)
    plant.close()
    return result_of(policy.name, plant.account, begin)


def static_peak(
    arrivals: tuple[Arrival, ...], parameters: PlantParameters, *, seed: int
) -> RunResult:
    """The fewest constant replicas that keep the violation budget on this very trace.

    Chosen after the fact, so no real operator could have; all of them ready from the beginning.
    """
    result = None
    for replicas in range(1, parameters.max_replicas + 1):
        begun = dataclasses.replace(parameters, initial_replicas=replicas)
        result = run_policy(arrivals, begun, Static(replicas), seed=seed)
        if result.violation_share <= parameters.violations:
            return result
    if result is None:
        raise ValueError("max_replicas must be at least 1")
    return result

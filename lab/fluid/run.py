"""Running a policy against a trial: it is asked, its answer holds from that moment on.

Rule: a policy sees arrivals of seconds that are over, replicas as they are, and nothing else.
Each is asked at its own period (HPA 15 s, KPA 2 s, Foretide every second), which costs no
accuracy: the plant is exact in continuous time, so periods need no common tick.
Flow: Trial -> Observed -> policy -> Schedule -> score.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lab.fluid.schedule import Schedule, Standing
from lab.fluid.trial import Observed, Trial
from lab.policies import Policy, View

METRIC_S = 60.0
"""What a polled metric is a mean of, seconds: Prometheus' usual ``rate(...[1m])``."""

TOLD_EVERY = 2000
"""Asks between two words of progress."""

Progress = Callable[[float], None]
"""Told how much is done, 0 to 1."""


def silent(share: float) -> None:
    """Nobody wants to know."""
    del share


Due = tuple[float, float, float]
"""A forecast: due in seconds since the begin, centre and upper quantile of demand per second."""


class Stream(Protocol):
    """A policy that hears each second's arrivals as telemetry, in place of a polled metric."""

    name: str
    forecasts: list[Due]
    regret: float | None

    def second(
        self, now: float, arrived: int | None, asked: int, ready: int, began: Sequence[float]
    ) -> int:
        """Replicas to ask for at ``now``, when a second is over.

        ``arrived`` in it (None: telemetry was silent); ``began``: how long those took to start
        that became ready in it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """What a policy asked for, what it forecast, and how long it thought per answer.

    ``regret``: what it paid over the best of its own candidates, as it told of it last, a share;
    None: it has none, or told nothing.
    """

    policy: str
    asked: Schedule
    forecasts: Sequence[Due] = field(default_factory=tuple)
    us_per_decision: float | None = None
    regret: float | None = None


def run_polled(
    trial: Trial,
    observed: Observed,
    policy: Policy,
    *,
    metric_s: float = METRIC_S,
    progress: Progress = silent,
) -> Run:
    """Ask ``policy`` every ``period_s``; the name in the result is the policy's own.

    The use it sees is demand over ready capacity and may exceed 1, as a rate per pod does where a
    resource metric saturates: that is the stronger signal.
    """
    standing = Standing(trial.initial(), trial.startup_s)
    spent, asks, now = 0.0, 0, policy.period_s
    end, capacity = trial.end_s, trial.capacity
    clock = time.perf_counter
    while now < end:
        ready = standing.ready(now)
        demand = observed.rate(now, metric_s)
        use = None if demand is None or ready == 0 else demand / (ready * capacity)
        view = View(now=now, desired=standing.asked, ready=ready, use_ratio=use, demand=demand)
        before = clock()
        wished = policy.desired(view)
        spent += clock() - before
        standing.ask(now, min(max(wished, trial.least), trial.most))
        asks += 1
        if asks % TOLD_EVERY == 0:
            progress(now / end)
        now = policy.period_s * (asks + 1)
    return Run(
        policy=policy.name,
        asked=standing.schedule(),
        us_per_decision=spent / asks * 1e6 if asks else None,
    )


def run_stream(
    trial: Trial, observed: Observed, policy: Stream, *, progress: Progress = silent
) -> Run:
    """Let ``policy`` hear every second; it answers at the end of each."""
    standing = Standing(trial.initial(), trial.startup_s)
    spent, before_ready = 0.0, standing.asked
    seconds = int(trial.end_s)
    clock = time.perf_counter
    for second in range(seconds):
        now = second + 1.0
        ready = standing.ready(now)
        began = (trial.startup_s,) * max(ready - before_ready, 0)
        before_ready = ready
        begun = clock()
        wished = policy.second(now, observed.arrived(second), standing.asked, ready, began)
        spent += clock() - begun
        standing.ask(now, min(max(wished, trial.least), trial.most))
        if second % TOLD_EVERY == 0:
            progress(second / seconds)
    return Run(
        policy=policy.name,
        asked=standing.schedule(),
        forecasts=policy.forecasts,
        us_per_decision=spent / seconds * 1e6,
        regret=policy.regret,
    )

"""What a backtest's figures rest on, in sentences for a reader who was not there.

Rule: whatever would change a figure is said, with its number.
"""

from __future__ import annotations

import math

from lab.fluid.run import METRIC_S
from lab.fluid.trial import MEAN_REPLICAS, MEAN_USE, MOST, USABLE, Trial, default_capacity
from lab.fluid.verdict import duration
from lab.traces import TraceError


def premises(trial: Trial, spec: str | None = None) -> tuple[str, ...]:
    """Demand, replica, budget, what policies see, and what the fluid plant does not have.

    ``spec``: the workload whose spec was given; None: none was.
    """
    series = trial.series
    unknown = sum(math.isnan(value) for value in series.values.tolist())
    missing = f" {unknown} steps that nobody measured count for nothing." if unknown else ""
    return (
        f"Demand: {len(series.values):,} steps of {series.step_s} s. The first half is warm-up, "
        f"the last {duration(trial.end_s - trial.begin_s)} are scored.{missing}",
        f"A replica serves {trial.capacity * series.step_s:,.4g} a step{_chosen(trial)}, takes "
        f"{trial.startup_s:g} s to start, and costs from being asked for to being given up; it "
        "goes at once.",
        f"Replicas: {_bounds(trial)}. All policies begin with {trial.initial():,}.",
        f"A request is a violation when it arrives while demand, the mean of its step, is above "
        f"{USABLE:g} of what ready replicas serve. Allowed: {trial.violations:.2%} of requests.",
        "Cost is replica-seconds, as a multiple of the clairvoyant's, the cheapest schedule that "
        "has no violation: it knows the future.",
        f"{_settings(spec)} Foretide hears of arrivals each second, polled policies "
        f"see means of {METRIC_S:g} s (KPA of its own windows). A step's arrivals are spread over "
        f"its seconds from seed {trial.seed}.",
        "hpa-tuned and static were chosen afterwards, on the scored half itself.",
        "The plant is fluid: no single requests, so no latencies, no batching, no failing "
        "replicas, and every start takes equally long.",
    )


def _settings(spec: str | None) -> str:
    """Whose settings each policy had."""
    if spec is None:
        return "Every policy at its defaults."
    return (
        f"Foretide by the spec of {spec}, and told what a replica serves; that spec's bounds and "
        "budget hold for every policy, which else are at their defaults."
    )


def _chosen(trial: Trial) -> str:
    """Whether capacity is the one that is taken where nobody says."""
    try:
        usual = default_capacity(trial.series)
    except TraceError:
        return ""
    if not math.isclose(usual, trial.capacity, rel_tol=1e-9):
        return ""
    return (
        f" (nobody said, so that the first half's mean is {MEAN_REPLICAS:g} replicas at {MEAN_USE})"
    )


def _bounds(trial: Trial) -> str:
    return f"at least {trial.least:,}, " + (
        "no upper bound" if trial.most >= MOST else f"at most {trial.most:,}"
    )

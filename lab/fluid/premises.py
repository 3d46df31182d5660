"""What a backtest's figures rest on, in sentences for a reader who was not there.

Rule: whatever would change a figure is said, with its number.
"""

from __future__ import annotations

import math

from lab.fluid.run import METRIC_S
from lab.fluid.trial import MEAN_REPLICAS, MEAN_USE, MOST, USABLE, Trial, allowed, default_capacity
from lab.fluid.verdict import duration
from lab.traces import TraceError
from models.domain.spec import AgentScaler


def premises(trial: Trial, spec: AgentScaler | None = None) -> tuple[str, ...]:
    """Demand, replica, budget, what policies see, and what the fluid plant does not have.

    ``spec``: what Foretide ran by; None: nobody gave one.
    """
    series = trial.series
    unknown = sum(math.isnan(value) for value in series.values.tolist())
    missing = f" {unknown} steps that nobody measured count for nothing." if unknown else ""
    but = f" beyond those that {trial.most:,} replicas force" if trial.most_too_few else ""
    return (
        f"Demand: {len(series.values):,} steps of {series.step_s} s. The first half is warm-up, "
        f"the last {duration(trial.end_s - trial.begin_s)} are scored.{missing}",
        f"A replica serves {trial.capacity * series.step_s:,.4g} a step{_chosen(trial)}, takes "
        f"{trial.startup_s:g} s to start, and costs from being asked for to being given up; it "
        "goes at once.",
        f"Replicas: {_bounds(trial)}. All policies begin with {trial.initial():,}.",
        f"A request is a violation when it arrives while demand, the mean of its step, is above "
        f"{USABLE:g} of what ready replicas serve. Allowed: {allowed(trial.violations)} of "
        "requests.",
        "Cost is replica-seconds, as a multiple of the clairvoyant's, the cheapest schedule that "
        f"has no violation{but}: it knows the future.",
        f"{_settings(spec)} Foretide hears of arrivals each second, polled policies "
        f"see means of {METRIC_S:g} s (KPA of its own windows). {_within_a_step(trial)}",
        "hpa-tuned and static were chosen afterwards, on the scored half itself.",
        "The plant is fluid: no single requests, so no latencies, no batching, no failing "
        "replicas, and every start takes equally long.",
    )


def _settings(spec: AgentScaler | None) -> str:
    """Whose settings each policy had."""
    if spec is None:
        return "Every policy at its defaults."
    holds = "bounds hold" if spec.spec.slo is None else "bounds and budget hold"
    return (
        f"Foretide by the spec of {spec.workload}, and told what a replica serves; that spec's "
        f"{holds} for every policy, which else are at their defaults."
    )


def _within_a_step(trial: Trial) -> str:
    """Where in a step demand comes, and who is told whose it is."""
    series = trial.series
    if series.seconds is not None:
        spread = "Demand of each second is as it was recorded."
    elif series.whole:
        spread = f"A step's arrivals are spread over its seconds from seed {trial.seed}."
    else:
        spread = "A step's demand is the same in each of its seconds."
    if not series.tenants:
        return spread
    return (
        f"{spread} Foretide is told whose arrivals they are as they come; live only requests that "
        "ended name a tenant."
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

"""What a trial cannot show: bounds that decide it, a past too short, a spec with other units.

Rule: what makes a row meaningless is refused with what to do; what makes it say little is said,
one line each on stderr, before the work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from streams.cli import gaps

if TYPE_CHECKING:
    from lab.fluid.trial import Trial
    from lab.traces import Series
    from models.domain.spec import AgentScaler

SHORT_S = 6 * 3600
"""Below this the warm-up half has under three hours (docs/results-why.md)."""

WHOLE_PER_S = 1000
"""Rates from here on are told without decimals."""

SOURCE = "--spec"


def runnable(scaler: AgentScaler, names: Sequence[str], source: str = SOURCE) -> None:
    """Refuse a spec under which Foretide, if it is asked for, would do nothing.

    Raises ``click.BadParameter``.
    """
    if scaler.spec.mode == "Paused" and "foretide" in names:
        raise click.BadParameter(
            f"the spec of {scaler.workload} has mode: Paused, under which Foretide does nothing; "
            f"write Active (or give one that says so){_without(names)}",
            param_hint=source,
        )
    if len(scaler.spec.variants) > 1:
        raise click.BadParameter(
            f"{scaler.workload} has {len(scaler.spec.variants)} variants; the fluid plant has one "
            "kind of replica: give a spec with one target (--spec)",
            param_hint=source,
        )


def sizable(
    scaler: AgentScaler, names: Sequence[str], capacity: float | None, source: str = SOURCE
) -> None:
    """Refuse a spec that, live, gives Foretide nothing to size by.

    ``capacity``: what the command line says of a replica; with it the trial is run, and says what
    it shows (``of_capacity``).  Raises ``click.BadParameter``.
    """
    if "foretide" not in names or capacity is not None:
        return
    if per_replica(scaler) is None and scaler.spec.slo is None:
        raise click.BadParameter(
            f"the spec of {scaler.workload} has neither demand.perReplica nor slo, and with "
            "neither nothing is ever scaled: add slo.latencySeconds (what a replica serves is then "
            "learned) or demand.perReplica, or say what one serves here (--capacity-per-replica)"
            f"{_without(names)}",
            param_hint=source,
        )


def _without(names: Sequence[str]) -> str:
    """What else helps, where others were asked for than Foretide."""
    return ", or leave foretide out of --policies" if len(names) > 1 else ""


def per_replica(scaler: AgentScaler) -> float | None:
    """What one replica serves within the SLO, of the one target that there is; None: not said."""
    spec = scaler.spec
    if spec.variants and spec.variants[0].per_replica is not None:
        return spec.variants[0].per_replica
    return spec.demand.per_replica


def alone(scaler: AgentScaler) -> AgentScaler:
    """The spec as a trial runs it: without its pool, which nobody else takes of, and acting.

    A Shadow's past is somebody else's doing, from which it must not learn; in a trial it acts.
    """
    mode = "Active" if scaler.spec.mode == "Shadow" else scaler.spec.mode
    spec = scaler.spec.model_copy(update={"pool": None, "mode": mode})
    return scaler.model_copy(update={"spec": spec})


NOTABLE = 0.01
"""Of a trace's requests: fewer that are left out are not worth a note."""


def of_rows(series: Series) -> list[str]:
    """That rows of a file are left out of the series that was made of it."""
    told = []
    if series.replaced:
        told.append(
            f"{series.replaced:,} rows of {series.name} are left out, as a later one is of the "
            "same second or the same step (a clock that was set back, or drifts)"
        )
    every = series.begun + math.fsum(value for value in series.values.tolist() if value > 0)
    if series.begun > NOTABLE * every:
        told.append(
            f"{series.begun:,} of {every:,.0f} requests of {series.name} are left out: its last "
            f"step of {series.step_s} s is not over (a shorter --step leaves out fewer)"
        )
    return told


def of_spec(scaler: AgentScaler) -> list[str]:
    """What of a spec a trial does not have."""
    spec, told = scaler.spec, []
    if spec.pool is not None:
        told.append(f"pool {spec.pool} limits nothing here: a trial has one workload alone")
    if spec.mode == "Shadow":
        told.append("mode: Shadow is run as Active here: what Foretide would have done")
    if spec.pause.any:
        told.append("the spec's pause holds in the trial: Foretide does only what it leaves")
    if spec.drain.budget_seconds is not None:
        told.append(
            "drain.budgetSeconds limits nothing here: the plant has no requests in flight, so that "
            "there is no work to wait for"
        )
    if spec.schedules:
        told.append(
            "the spec's schedules hold for Foretide alone, and the trial begins at midnight UTC"
        )
    return told


def of_slo(scaler: AgentScaler, names: Sequence[str], trial: Trial) -> list[str]:
    """That a trial judges no shorter time than a step."""
    slo, step_s = scaler.spec.slo, trial.series.step_s
    if "foretide" not in names or (slo is not None and slo.latency_seconds >= step_s):
        return []
    said = "no slo is given" if slo is None else f"the slo's {slo.latency_seconds:g} s are less"
    return [
        f"a step of {step_s} s is judged by its mean, and {said}: here a request may take as long "
        "as a step, so that nothing is kept for seconds that nobody judges"
    ]


def of_capacity(
    scaler: AgentScaler, names: Sequence[str], trial: Trial, *, assumed: bool
) -> list[str]:
    """That Foretide is told here what, live, it has to learn.

    ``assumed``: nobody said what a replica serves, so that the trace's own mean decides it.
    """
    if "foretide" not in names or per_replica(scaler) is not None:
        return []
    serves = f"{trial.capacity * trial.series.step_s:.6g} a step"
    if assumed:
        serves += ", by the trace's own mean; --capacity-per-replica says another"
    live = "live nothing is scaled by such a spec"
    missing = "neither demand.perReplica nor slo"
    if scaler.spec.slo is not None:
        live, missing = "live it is learned from load and latency", "no demand.perReplica"
    return [
        f"the spec has {missing}: {live}; a trial has no latencies, so here Foretide is told from "
        f"the begin on what a replica serves ({serves})"
    ]


def of_unit(scaler: AgentScaler) -> list[str]:
    """What of the spec's demand a trace, which has no unit, cannot carry."""
    demand, serves = scaler.spec.demand, per_replica(scaler)
    if demand.unit == "requests":
        return []
    if serves is None and "unit" not in demand.model_fields_set:
        return []
    said = "" if serves is None else f", perReplica {serves:g},"
    return [
        f"demand in {demand.unit}{said} cannot be held against a trace, which has a number "
        "a step and no unit: a replica serves what the trace's own mean asks of it; say it with "
        "--capacity-per-replica"
    ]


def of_trial(trial: Trial) -> list[str]:
    """What bounds and length decide before any policy does."""
    series = trial.series
    bounds = [*_most(trial), *_least(trial)]
    return [*bounds, *_nothing(trial), *_late(trial), *of_length(series), *gaps.cautions(series)]


def _most(trial: Trial) -> list[str]:
    import numpy as np  # noqa: PLC0415 - heavy

    from lab.fluid.trial import USABLE, allowed  # noqa: PLC0415 - heavy

    over = trial.above_most
    if not over.any():
        return []
    rates = np.nan_to_num(trial.rates[trial.series.half :], nan=0.0)
    holds = USABLE * trial.capacity * trial.most
    share = float(rates[over].sum() / rates.sum())
    over_by = f", which is over the budget of {allowed(trial.violations)}"
    budget = "" if share <= trial.violations else over_by
    return [
        f"max {trial.most} replicas holds {_rate(holds)} within the SLO, and serves "
        f"{_rate(holds / USABLE)}; the trace asks up to {_rate(float(rates.max()))}: at least "
        f"{share:.2%} violates{budget}, and what is above is unserved, for every policy that obeys "
        "max"
    ]


def _least(trial: Trial) -> list[str]:
    import numpy as np  # noqa: PLC0415 - heavy

    from lab.fluid.trial import USABLE  # noqa: PLC0415 - heavy

    peak = float(np.nan_to_num(trial.rates, nan=0.0).max())
    if trial.least <= 1 or peak > USABLE * trial.capacity * trial.least:
        return []
    return [
        f"min {trial.least} replicas holds all that the trace asks (up to {_rate(peak)}): every "
        "policy stays there"
    ]


def _nothing(trial: Trial) -> list[str]:
    import numpy as np  # noqa: PLC0415 - heavy

    if np.nansum(trial.rates[trial.series.half :]) > 0:
        return []
    return [
        "nothing is asked for in the scored half: costs are those of waiting for nothing, and no "
        "budget can be missed"
    ]


def _late(trial: Trial) -> list[str]:
    scored_s = trial.end_s - trial.begin_s
    if trial.startup_s < scored_s:
        return []
    return [
        f"start-up takes {trial.startup_s:g} s, and {scored_s:g} s are scored: nothing that is "
        "asked for in them is ready before they end"
    ]


def of_length(series: Series) -> list[str]:
    """That a short series teaches little."""
    length_s = series.length_s
    if length_s >= SHORT_S:
        return []
    return [
        f"there is little to learn from in {length_s / 3600:.2g} h: half of it is warm-up, and the "
        'other half is scored; days say more (docs/results-why.md, "An hour is no past")'
    ]


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f}/s" if per_s >= WHOLE_PER_S else f"{per_s:.4g}/s"


def say(told: Sequence[str]) -> None:
    """Each on a line of stderr."""
    for line in told:
        click.echo(f"note: {line}", err=True)

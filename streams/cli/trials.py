"""Trials as the command line asks for them: of a trace, or of a recording.

Rule: whatever is wrong is told with the option that says it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli import cautions, gaps

if TYPE_CHECKING:
    from lab.fluid.trial import Trial
    from lab.traces import Composed, Series
    from models.domain.spec import AgentScaler
    from streams.recorded import Recorded

STARTUP_S = 155.0
"""Of a trace, where nobody says: a published delay in the middle of what there is."""

STEP_S = 60
"""Of a recording, as of a trace that does not say its own."""


def opened(trace: Path, *, form: str | None, step: int | None, seed: int) -> Series:
    """The series of a trace file.  Raises ``click.BadParameter``."""
    from lab.traces import TraceError, open_series  # noqa: PLC0415 - heavy

    try:
        return open_series(trace, form=form, step_s=step, seed=seed)  # type: ignore[arg-type]
    except TraceError as error:
        raise click.BadParameter(str(error), param_hint="--trace") from error


def of_trace(
    whole: Series,
    *,
    scaler: AgentScaler | None,
    startup: float | None,
    capacity: float | None,
    violations: float | None,
    seed: int,
    hours: float | None,
    recipe: str | None,
) -> tuple[Trial, Composed]:
    """The trial of a trace; bounds and budget are the spec's, where there is one."""
    from lab.fluid.trial import MOST, USABLE, default_capacity  # noqa: PLC0415 - heavy
    from lab.traces import TraceError  # noqa: PLC0415 - heavy

    composed = shaped(whole, hours, recipe, "--trace")
    series = composed.series
    given = None if capacity is None else capacity / series.step_s
    least, most, budget = 1, MOST, 0.01
    if scaler is not None:
        least, most = scaler.spec.replicas.min, scaler.spec.replicas.max
        if scaler.spec.slo is not None:
            budget = scaler.spec.slo.violations
        if given is None:
            serves = cautions.per_replica(scaler)
            if serves is not None and scaler.spec.demand.unit == "requests":
                given = serves / USABLE
    try:
        usual = default_capacity(series) if given is None else given
    except TraceError as error:
        raise click.BadParameter(str(error), param_hint="--trace") from error
    made = _trial(
        series=series,
        capacity=usual,
        startup_s=STARTUP_S if startup is None else startup,
        least=least,
        most=most,
        violations=budget if violations is None else violations,
        seed=seed,
    )
    return made, composed


def of_recording(
    recorded: Recorded,
    *,
    step: int | None,
    startup: float | None,
    capacity: float | None,
    seed: int,
    hours: float | None = None,
    recipe: str | None = None,
) -> tuple[Trial, Composed]:
    """The trial of a recording, in the unit of its spec.

    ``capacity`` is what one replica serves in a step, ``startup`` seconds; None: as recorded.
    """
    from lab.fluid.trial import USABLE  # noqa: PLC0415 - heavy
    from lab.traces import TraceError  # noqa: PLC0415 - heavy

    spec = recorded.spec.spec
    try:
        series = recorded.series(step or STEP_S)
    except TraceError as error:
        raise click.ClickException(str(error)) from error
    composed = shaped(series, hours, recipe, "--from")
    per_replica = cautions.per_replica(recorded.spec)
    step_s = composed.series.step_s
    if capacity is None and per_replica is None:
        raise click.ClickException(
            f"the spec of {recorded.workload} has no demand.perReplica: say what one replica "
            f"serves in {step_s} s (--capacity-per-replica), or give a spec that says it (--spec)"
        )
    started = recorded.startup_s if startup is None else startup
    if started is None:
        raise click.ClickException(
            f"no replica of {recorded.workload} became ready while it was recorded, so how long "
            "one takes is not known: say it (--startup)"
        )
    made = _trial(
        series=composed.series,
        capacity=(per_replica or 0.0) / USABLE if capacity is None else capacity / step_s,
        startup_s=started,
        least=spec.replicas.min,
        most=spec.replicas.max,
        violations=0.01 if spec.slo is None else spec.slo.violations,
        seed=seed,
    )
    known = f"the median of {len(recorded.started_s)}" if startup is None else "as given"
    told = f"{recorded.unit} as recorded, second by second; start-up {started:g} s, {known}"
    return made, dataclasses.replace(composed, told=(told, *composed.told))


def _trial(**given: Any) -> Trial:  # noqa: ANN401 - as Trial has them
    from lab.fluid.trial import Trial  # noqa: PLC0415 - heavy

    try:
        return Trial(**given)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def shaped(series: Series, hours: float | None, recipe: str | None, source: str) -> Composed:
    """The first ``hours`` of it (None: all), composed (None: as it is).

    What is mostly gaps, or too long, is refused; ``source`` is the option that names it.
    """
    from lab.traces import LEAST_STEPS, Composed, TraceError, compose  # noqa: PLC0415 - heavy

    if hours is not None:
        steps, step_s = int(hours * 3600 // series.step_s), series.step_s
        if steps < LEAST_STEPS:
            raise click.BadParameter(
                f"{hours:g} h are {steps} steps of {step_s} s; at least {LEAST_STEPS} are needed, "
                f"which is {LEAST_STEPS * step_s / 3600:.3g} h",
                param_hint="--hours",
            )
        if steps > len(series.values):
            whole_h = len(series.values) * step_s / 3600
            click.echo(f"{source} has {whole_h:.3g} h: --hours {hours:g} is all of it", err=True)
        series = series.first(hours)
    gaps.refuse(series, source)
    gaps.unscored(series, source)
    gaps.too_long(series, source)
    if recipe is None:
        return Composed(series=series, told=())
    try:
        return compose(series, recipe)
    except TraceError as error:
        raise click.BadParameter(str(error), param_hint="--compose") from error


def scaler(path: Path) -> AgentScaler:
    """The one AgentScaler of a file."""
    from streams.specs import read_specs  # noqa: PLC0415 - heavy

    found = read_specs((path,))
    if found.faults:
        faults = "\n".join(str(fault) for fault in found.faults)
        raise click.BadParameter(faults, param_hint="--spec")
    if len(found.scalers) != 1:
        raise click.BadParameter(
            f"{path} has {len(found.scalers)} AgentScalers; exactly one is needed",
            param_hint="--spec",
        )
    return found.scalers[0]

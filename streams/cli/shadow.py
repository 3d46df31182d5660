"""``foretide shadow``: what Foretide would have done, against what the running autoscaler did.

Rule: both on the same recorded demand, by the laboratory's scoring; results on stdout.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli import cautions, gaps, options, outputs, recordings, rows, trials
from streams.cli.bars import bars

if TYPE_CHECKING:
    from lab.fluid.backtest import Backtest
    from lab.fluid.shadow import Ran
    from lab.fluid.trial import Trial
    from streams.recorded import Recorded


@click.command("shadow")
@recordings.source("A recording (foretide record). Default: the step log's topic on Kafka.")
@recordings.workload
@options.bootstrap
@click.option(
    "--spec",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="In place of the recorded AgentScaler.",
)
@click.option(
    "--startup",
    type=options.Number(0, 86_400),
    metavar="SECONDS",
    help="From asking for a replica until it serves, of Foretide's. Default: the recorded median.",
)
@click.option(
    "--step",
    type=click.IntRange(1, 3600),
    default=trials.STEP_S,
    show_default=True,
    metavar="SECONDS",
    help="Length of a step: an overload is judged by its mean.",
)
@click.option(
    "--capacity-per-replica",
    "capacity",
    type=options.Number(0, min_open=True),
    metavar="X",
    help="What one replica serves in a step, in the unit of the spec's demand. Default: as its "
    "demand.perReplica says.",
)
@outputs.as_json("Rows")
def command(
    *,
    log: str | None,
    workload: str | None,
    bootstrap: str | None,
    spec: Path | None,
    startup: float | None,
    step: int,
    capacity: float | None,
    json_out: str | None,
) -> None:
    """Score what Foretide would have done beside what the running autoscaler did.

    The replicas that ran are those that telemetry reported (records of kind replicas). The first
    half of the recording is what Foretide learns from, the second is scored, for both. For a spec
    in mode Shadow this is the proof before it is made Active.

    \b
    Examples:
      foretide shadow --workload prod/support-bot
      foretide shadow --from recording --json rows.json
    """
    from lab.fluid.shadow import shadow  # noqa: PLC0415 - heavy

    outputs.writable({"--json": json_out}, {"--from": log, "--spec": spec})
    scaler = None if spec is None else trials.scaler(spec)
    source = log or f"{options.settings(bootstrap=bootstrap).topic_prefix}steps"
    recorded = recordings.opened(source, workload=workload, spec=scaler, bootstrap=bootstrap)
    given_by = "--from" if spec is None else "--spec"
    cautions.runnable(recorded.spec, ("foretide",), given_by)
    cautions.sizable(recorded.spec, ("foretide",), capacity, given_by)
    trial, composed = trials.of_recording(
        recorded, step=step, startup=startup, capacity=capacity, seed=1
    )
    ran = _ran(recorded, trial)
    names = ("foretide",)
    cautions.say([*cautions.of_spec(recorded.spec), *cautions.of_slo(recorded.spec, names, trial)])
    cautions.say(cautions.of_capacity(recorded.spec, names, trial, assumed=False))
    cautions.say(cautions.of_trial(trial))
    with bars() as progress:
        found = shadow(trial, ran, spec=cautions.alone(recorded.spec), progress=progress)
    if json_out is not None:  # First: whoever reads the table may go before its end.
        with outputs.written(json_out) as out:
            out.write(json.dumps(_as_json(recorded, found), allow_nan=False) + "\n")
    if json_out != outputs.STDOUT:
        _show(recorded, found, composed.told)


def _ran(recorded: Recorded, trial: Trial) -> Ran:
    from lab.fluid.shadow import Ran  # noqa: PLC0415 - heavy

    scored = recorded.begin + trial.begin_s
    if not recorded.replicas or recorded.replicas[0].at > scored:
        raise click.ClickException(
            f"telemetry did not report the replicas of {recorded.workload} before the scored half "
            "of the recording: run a worker with the actuate role (it reports what the platform "
            "shows, whoever scales it), or publish records of kind replicas"
        )
    reports = [(r.at - recorded.begin, r.desired, r.ready, r.starting) for r in recorded.replicas]
    return Ran.of([report for report in reports if report[0] < trial.end_s])


def _as_json(recorded: Recorded, found: Backtest) -> dict[str, object]:
    trial = found.trial
    return {
        "workload": recorded.workload,
        "unit": recorded.unit,
        "startup_s": trial.startup_s,
        "step_s": trial.series.step_s,
        "violations_budget": trial.violations,
        "scored_from": recorded.begin + trial.begin_s,
        "scored_s": trial.end_s - trial.begin_s,
        "measured_violation": _measured(recorded, trial),
        "rows": rows.as_builtins(found),
    }


def _measured(recorded: Recorded, trial: Trial) -> float | None:
    """Of the scored half."""
    return recorded.measured_violation(trial.begin_s, trial.end_s)


def _show(recorded: Recorded, found: Backtest, told: tuple[str, ...]) -> None:
    from lab.fluid.shadow import COSTS, table, verdict  # noqa: PLC0415 - heavy
    from lab.fluid.table import assumptions  # noqa: PLC0415 - heavy

    measured = _measured(recorded, found.trial)
    outputs.show(table(found, recorded.workload, measured))
    missing = gaps.told(found.trial.series)
    for line in (
        verdict(found, measured),
        *rows.unserved(found),
        *told,
        *missing,
        *assumptions(found.trial),
        COSTS,
    ):
        click.echo(line)

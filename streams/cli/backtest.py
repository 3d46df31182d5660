"""``foretide backtest``: policies side by side on a trace, by the rules of docs/laboratory.md.

Rule: progress on stderr, results on stdout and in files; files are written when all is done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli import cautions, gaps, options, outputs, recordings, rows, trials
from streams.cli.bars import bars

if TYPE_CHECKING:
    from lab.fluid.backtest import Backtest
    from lab.traces import Composed
    from models.domain.spec import AgentScaler

FORMATS = ("azure-llm", "mooncake", "json-lines", "servegen", "series", "nab")
"""As ``lab.traces.FORMATS`` (a test says so), which is heavy to import."""


@click.command("backtest")
@click.option(
    "--trace",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Azure LLM CSV, Mooncake or own JSON lines, ServeGen client CSV, step,value or NAB CSV; "
    "plain or .gz (docs/laboratory.md).",
)
@recordings.source(
    "In place of a trace: a recording of yours (foretide record), or the step log's topic."
)
@recordings.workload
@options.bootstrap
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="Of the trace. Default: by its first line."
)
@click.option(
    "--step",
    type=click.IntRange(1, 86_400),
    metavar="SECONDS",
    help="Length of a step: requests are counted by it; a series is taken to have it, no values "
    "are put together. Default: as the file is named (x.300s.csv: 300), or 60.",
)
@click.option(
    "--startup",
    type=options.Number(0, 86_400),
    metavar="SECONDS",
    help="From asking for a replica until it serves. Default: 155; of a recording its median.",
)
@click.option(
    "--policies",
    metavar="NAME,...",
    help="Of foretide, hpa, hpa-tuned, keda, kpa, article-linear, article-steps, predictive-hpa, "
    "static, clairvoyant. Default: all.",
)
@click.option(
    "--spec",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An AgentScaler: replica bounds, budget, and Foretide's behaviour.",
)
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    metavar="N",
    help="Of the chance in which second of a step requests come.",
)
@click.option(
    "--capacity-per-replica",
    "capacity",
    type=options.Number(0, min_open=True),
    metavar="X",
    help="What one replica serves in a step, in the series' unit. Default: such that the first "
    "half's mean demand is 20 replicas at 0.7.",
)
@click.option(
    "--hours",
    type=options.Number(0, min_open=True),
    metavar="HOURS",
    help="Only the trace's first so many. Default: all of it.",
)
@click.option(
    "--violations",
    type=options.Number(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="The budget: share of requests that may violate; 0.01 is 1 %. Default: 0.01. Not with a "
    "spec, given or recorded: it is the spec's.",
)
@click.option(
    "--compose",
    "recipe",
    metavar="SEED|step10x",
    help="Make the trace harder first: a whole number gives tenants, flash crowds and an outage of "
    "that seed; step10x one step to ten times the demand.",
)
@outputs.as_json("Rows, and what was run,")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="OUT",
    help="A report in one HTML file.",
)
@click.option(
    "--series",
    "series_out",
    type=outputs.FILE,
    metavar="OUT",
    help="What each policy had at the begin of every step, and Foretide's forecast that was due in "
    "it, as CSV; -: stdout (docs/laboratory.md).",
)
def command(
    *,
    trace: Path | None,
    log: str | None,
    workload: str | None,
    bootstrap: str | None,
    form: str | None,
    step: int | None,
    startup: float | None,
    policies: str | None,
    spec: Path | None,
    seed: int,
    capacity: float | None,
    hours: float | None,
    violations: float | None,
    recipe: str | None,
    json_out: str | None,
    html: Path | None,
    series_out: str | None,
) -> None:
    """Run policies on a trace or a recording in the fluid plant, and score them alike.

    \b
    Examples:
      foretide backtest --trace week.60s.csv
      foretide backtest --trace week.60s.csv --startup 300 --policies foretide,hpa,hpa-tuned
      foretide backtest --trace week.60s.csv --compose 7 --json rows.json --series steps.csv
      foretide backtest --from recording --workload prod/support-bot
    """
    from lab.fluid.backtest import backtest  # noqa: PLC0415 - heavy

    names = _named(policies)
    _fitting(trace, log, form, has_budget=spec is not None or log is not None, budget=violations)
    if trace is not None and workload is not None:
        raise click.BadParameter("a trace has no workloads", param_hint="--workload")
    if trace is not None and bootstrap is not None:
        raise click.BadParameter("a trace is read from its file", param_hint="--bootstrap")
    if str(html) == outputs.STDOUT:
        raise click.BadParameter("a report is written to a file: name one", param_hint="--html")
    outputs.writable(
        {"--json": json_out, "--series": series_out, "--html": None if html is None else str(html)},
        {"--trace": trace, "--from": log, "--spec": spec},
    )
    scaler = None if spec is None else trials.scaler(spec)
    if scaler is not None:
        cautions.runnable(scaler, names)
        cautions.sizable(scaler, names, capacity)
    if log is not None:
        recorded = recordings.opened(log, workload=workload, spec=scaler, bootstrap=bootstrap)
        scaler = recorded.spec
        cautions.runnable(scaler, names, "--from")
        cautions.sizable(scaler, names, capacity, "--from")
        trial, composed = trials.of_recording(
            recorded,
            step=step,
            startup=startup,
            capacity=capacity,
            seed=seed,
            hours=hours,
            recipe=recipe,
        )
    elif trace is not None:
        whole = trials.opened(trace, form=form, step=step, seed=seed)
        trial, composed = trials.of_trace(
            whole,
            scaler=scaler,
            startup=startup,
            capacity=capacity,
            violations=violations,
            seed=seed,
            hours=hours,
            recipe=recipe,
        )
    notes = [] if trace is None else cautions.of_rows(whole)
    if scaler is not None:
        assumed = log is None and capacity is None
        notes += [
            *(cautions.of_unit(scaler) if assumed else ()),
            *cautions.of_spec(scaler),
            *cautions.of_slo(scaler, names, trial),
            *cautions.of_capacity(scaler, names, trial, assumed=assumed),
        ]
        scaler = cautions.alone(scaler)
    notes += cautions.of_trial(trial)
    cautions.say(notes)
    ran = rows.Ran(
        trace=None if trace is None else trace.name,
        recording=log,
        form=whole.form if trace is not None else "recording",
        unit=None if log is None else recorded.unit,
        spec=scaler,
        policies=names,
        hours=hours,
        compose=recipe,
    )
    with bars() as progress:
        found = backtest(trial, names, spec=scaler, progress=progress)
    # Files first: whoever reads the table may go before its end.
    if html is not None:
        _report(html, found, composed, scaler, notes)
    _write(found, ran, json_out, series_out)
    if "-" not in {json_out, series_out}:
        _show(found, composed)


def _fitting(
    trace: Path | None, log: str | None, form: str | None, *, has_budget: bool, budget: float | None
) -> None:
    """Refuse options that do not go together."""
    if (trace is None) == (log is None):
        raise click.UsageError("give either --trace FILE or --from FOLDER|TOPIC")
    if budget is not None and has_budget:
        raise click.BadParameter(
            "a spec has its own budget: set slo.violations in it (--spec), or leave this out",
            param_hint="--violations",
        )
    if log is not None and form is not None:
        raise click.BadParameter("a recording has no format", param_hint="--format")


def _named(policies: str | None) -> list[str]:
    from lab.fluid.registry import POLICIES  # noqa: PLC0415 - heavy

    asked = list(POLICIES) if policies is None else [n.strip() for n in policies.split(",")]
    names = list(dict.fromkeys(asked))
    unknown = [name for name in names if name not in POLICIES]
    if unknown:
        raise click.BadParameter(
            f"no policy {', '.join(map(repr, unknown))}; there are: {', '.join(POLICIES)}",
            param_hint="--policies",
        )
    return names


def _write(found: Backtest, ran: rows.Ran, json_out: str | None, series_out: str | None) -> None:
    from lab.fluid import series_csv  # noqa: PLC0415 - heavy

    if json_out is not None:
        with outputs.written(json_out) as out:
            out.write(json.dumps(rows.document(found, ran), allow_nan=False) + "\n")
    if series_out is not None:
        with outputs.written(series_out) as out:
            series_csv.write(found, out)


def _report(
    path: Path, found: Backtest, composed: Composed, spec: AgentScaler | None, notes: Sequence[str]
) -> None:
    from lab.fluid.report import rendered  # noqa: PLC0415 - heavy

    with outputs.written(str(path)) as out:
        out.write(rendered(found, composed.told, spec, notes))


def _show(found: Backtest, composed: Composed) -> None:
    from lab.fluid.backtest import recovery_s  # noqa: PLC0415 - heavy
    from lab.fluid.table import COSTS, assumptions, legend, table  # noqa: PLC0415 - heavy

    outputs.show(table(found.rows, found.trial))
    legends = (*rows.unserved(found), *legend(found.rows))
    missing = gaps.told(found.trial.series)
    for line in (*legends, *composed.told, *missing, *assumptions(found.trial), COSTS):
        click.echo(line)
    if composed.stepped_s is not None:
        parts = []
        for name, run in found.runs:
            took = None if run is None else recovery_s(found.trial, run, composed.stepped_s)
            parts.append(f"{name} {'never' if took is None else f'{took:g}'}")
        click.echo(f"seconds from the step to enough ready replicas: {', '.join(parts)}")

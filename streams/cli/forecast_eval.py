"""``foretide forecast-eval``: the live forecaster on a trace, and how far it missed.

Rule: progress on stderr, results on stdout and in files; files are written when all is done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli import cautions, gaps, outputs, trials
from streams.cli.backtest import FORMATS
from streams.cli.bars import bars

if TYPE_CHECKING:
    from lab.forecast import Row
    from lab.traces import Series

LONGEST_S = 86_400


def _horizons(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    """Whole seconds, each once, in the order given."""
    del ctx, param
    found: dict[int, None] = {}
    for part in value.split(","):
        text = part.strip()
        if not text.isdecimal() or not 0 < int(text) <= LONGEST_S:
            raise click.BadParameter(
                f"{text!r} is not a whole number of seconds from 1 to {LONGEST_S}; write 60,300,900"
            )
        found[int(text)] = None
    return tuple(found)


@click.command("forecast-eval")
@click.option(
    "--trace",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Azure LLM CSV, Mooncake or own JSON lines, ServeGen client CSV, step,value or NAB CSV; "
    "plain or .gz (docs/laboratory.md).",
)
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
    "--horizon",
    "horizons",
    default="60,300,900",
    show_default=True,
    metavar="SECONDS,...",
    callback=_horizons,
    help="How far ahead to look.",
)
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    metavar="N",
    help="Of the chance in what a ServeGen file leaves open.",
)
@outputs.as_json("Rows")
def command(
    *,
    trace: Path,
    form: str | None,
    step: int | None,
    horizons: tuple[int, ...],
    seed: int,
    json_out: str | None,
) -> None:
    """Walk a trace once with the forecaster that runs live; score the second half.

    \b
    Examples:
      foretide forecast-eval --trace week.60s.csv
      foretide forecast-eval --trace hour.jsonl --step 10 --horizon 60,300 --json rows.json
    """
    from lab.forecast import evaluate  # noqa: PLC0415 - heavy

    outputs.writable({"--json": json_out}, {"--trace": trace})
    series = trials.opened(trace, form=form, step=step, seed=seed)
    gaps.refuse(series, "--trace")
    gaps.unscored(series, "--trace")
    gaps.too_many(series, "--trace")
    _within(series, horizons)
    cautions.say(
        [
            *cautions.of_rows(series),
            *cautions.of_length(series),
            *gaps.cautions(series),
            *_still(series, horizons),
            *_rounded(series, horizons),
        ]
    )
    with bars() as begin:
        told = {horizon: begin(f"{horizon} s ahead") for horizon in horizons}
        rows = evaluate(series, horizons, lambda horizon, share: told[horizon](share))
    left_out = _left_out(rows, series, horizons)
    if not any(row.scored for row in rows):
        raise click.ClickException(
            f"{series.name}: nothing could be scored: {'; '.join(left_out)}; give a longer trace"
        )
    cautions.say(left_out)
    if json_out is not None:  # First: whoever reads the table may go before its end.
        _write(rows, json_out)
    if json_out != "-":
        _show(rows, series)


def _within(series: Series, horizons: Sequence[int]) -> None:
    """Refuse horizons of which none is within the trace.  Raises ``click.BadParameter``."""
    longest = (len(series.values) - series.half) * series.step_s
    if any(series.step_s <= horizon <= longest for horizon in horizons):
        return
    raise click.BadParameter(
        f"{series.name} has steps of {series.step_s} s, of which the scored half has {longest} s: "
        f"give one from {series.step_s} to {longest}, or a longer trace",
        param_hint="--horizon",
    )


def _still(series: Series, horizons: Sequence[int]) -> list[str]:
    """What figures mean where nothing moves, from the first of what is looked ahead from on."""
    import numpy as np  # noqa: PLC0415 - heavy

    from lab.forecast.evaluate import ahead  # noqa: PLC0415 - heavy

    before = max(ahead(horizon, series.step_s) for horizon in horizons)
    scored = series.values[max(series.half - before, 0) :]
    if np.nanmin(scored) < np.nanmax(scored):
        return []
    return [
        f"the scored half is {np.nanmax(scored):g} throughout: the last value is never wrong, and "
        "rel_mae of whoever says the same is 1"
    ]


def _rounded(series: Series, horizons: Sequence[int]) -> list[str]:
    """Horizons that are no whole steps, and what they are scored as."""
    from lab.forecast.evaluate import ahead  # noqa: PLC0415 - heavy

    step_s = series.step_s
    return [
        f"{horizon} s ahead is scored as {ahead(horizon, step_s) * step_s} s: steps are {step_s} s"
        for horizon in horizons
        if horizon > step_s and horizon % step_s
    ]


def _left_out(rows: Sequence[Row], series: Series, horizons: Sequence[int]) -> list[str]:
    """Horizons that nothing was scored of, and why."""
    scored = {row.horizon_s for row in rows if row.scored}
    told = []
    for horizon in horizons:
        if horizon in scored:
            continue
        why = f"no step of the scored half has a value, and another {horizon} s before it"
        if horizon < series.step_s:
            why = f"shorter than a step of {series.step_s} s"
        told.append(f"{horizon} s ahead is left out: {why}")
    return told


def _write(rows: Sequence[Row], path: str) -> None:
    import msgspec  # noqa: PLC0415 - with the rest

    with outputs.written(path) as out:
        told = [{"horizon": row.horizon_s} | msgspec.to_builtins(row) for row in rows]
        out.write(json.dumps({"rows": told}, allow_nan=False) + "\n")


def _show(rows: Sequence[Row], series: Series) -> None:
    from lab.forecast.table import notes, table  # noqa: PLC0415 - heavy

    scored = [row for row in rows if row.scored]
    outputs.show(table(scored, series))
    for line in (*notes(scored, series), *gaps.told(series)):
        click.echo(line)

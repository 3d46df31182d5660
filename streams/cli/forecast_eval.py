"""``foretide forecast-eval``: the live forecaster on a trace, and how far it missed.

Rule: progress on stderr, results on stdout and in files; files are written when all is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli import options
from streams.cli.backtest import FORMATS

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
    help="Length of a step of the series. Default: as the file is named (x.300s.csv: 300), or 60.",
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
@click.option(
    "--json",
    "json_out",
    type=click.Path(dir_okay=False, allow_dash=True, writable=True),
    metavar="OUT",
    help="Rows as JSON; -: stdout.",
)
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
    from lab.traces import TraceError, open_series  # noqa: PLC0415 - heavy

    try:
        series = open_series(trace, form=form, step_s=step, seed=seed)  # type: ignore[arg-type]
    except TraceError as error:
        raise click.BadParameter(str(error), param_hint="--trace") from error
    options.writable(json_out)
    longest = (len(series.values) - series.half) * series.step_s
    if min(horizons) > longest:
        raise click.BadParameter(
            f"the scored half of {series.name} has {longest} s; give a shorter one",
            param_hint="--horizon",
        )
    with _progress(horizons) as progress:
        rows = evaluate(series, horizons, progress)
    if json_out != "-":
        _show(rows, series)
    if json_out is not None:
        _write(rows, json_out)


@contextmanager
def _progress(horizons: Sequence[int]) -> Iterator[Callable[[int, float], None]]:
    """A bar a horizon on stderr, gone when all is done."""
    from rich.console import Console  # noqa: PLC0415 - heavy
    from rich.progress import Progress  # noqa: PLC0415 - heavy

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks = {horizon: bars.add_task(f"{horizon} s ahead", total=1.0) for horizon in horizons}

        def told(horizon_s: int, share: float) -> None:
            bars.update(tasks[horizon_s], completed=share)

        yield told


def _write(rows: Sequence[Row], path: str) -> None:
    import msgspec  # noqa: PLC0415 - with the rest

    with options.writing(path), click.open_file(path, "w", encoding="utf-8") as out:
        told = [{"horizon": row.horizon_s} | msgspec.to_builtins(row) for row in rows]
        out.write(json.dumps({"rows": told}, allow_nan=False) + "\n")


def _show(rows: Sequence[Row], series: Series) -> None:
    from rich.console import Console  # noqa: PLC0415 - heavy

    from lab.forecast.table import notes, table  # noqa: PLC0415 - heavy

    Console(width=None if click.get_text_stream("stdout").isatty() else 90).print(
        table(rows, series)
    )
    for line in notes(rows, series):
        click.echo(line)

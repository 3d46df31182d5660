"""``python -m lab.results``: all of the document's backtests, then the document.

Rule: progress on stderr; the document is written when all is done, never in part.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from lab.results import figures, plan
from lab.results.cache import Cache, fingerprint
from lab.results.document import Written, document, verdicts
from lab.results.running import run
from lab.results.sources import LeftOut, Source, added, shipped

KEPT = Path(".cache/report")
WHY, FORECASTS = "results-why.md", "forecasting.md"


@click.command()
@click.option("--quick", is_flag=True, help="Two traces, two start-ups, three seeds.")
@click.option(
    "--traces",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Adds the traces of a folder; their rows are marked: not shipped.",
)
@click.option("--hours", type=click.FloatRange(1), help="Of a trace before it is composed.")
@click.option("--weeks", is_flag=True, help="Composes whole weeks too, 20 minutes more.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of results.md and images/. Default: docs, of a quick one .cache/report/quick.",
)
@click.option(
    "--docs", default=Path("docs"), type=click.Path(file_okay=False, path_type=Path), hidden=True
)
def main(
    *,
    quick: bool,
    traces: Path | None,
    hours: float | None,
    weeks: bool,
    jobs: int,
    out: Path | None,
    docs: Path,
) -> None:
    """Make docs/results.md and its figures again."""
    # As Ctrl-C: its processes end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if quick and weeks:
        raise click.UsageError("a quick report composes no whole weeks: leave one of the two out")
    chosen = plan.sized(plan.QUICK if quick else plan.FULL, composed_hours=hours, weeks=weeks)
    into = out or (KEPT / "quick" if quick else docs)
    sources = shipped() if chosen.traces is None else shipped(chosen.traces)
    left_out: list[LeftOut] = []
    for found in () if traces is None else added(traces):
        if isinstance(found, Source):
            sources.append(found)
        else:
            left_out.append(found)
            _say(f"left out: {found.name}: {found.why}")
    known = {source.name: source for source in [*shipped(), *sources]}
    code = fingerprint()
    cells = plan.cells(chosen, sources)
    founds = run(cells, known, Cache(KEPT, code), jobs=jobs, say=_say)
    why = docs / WHY
    written = Written(
        command="make report"
        + (" QUICK=1" if quick else "")
        + (" TRACES=folder" if traces else "")
        + (f" HOURS={hours:g}" if hours else "")
        + (" WEEKS=1" if weeks else ""),
        jobs=jobs,
        code=code,
        plan=chosen,
        sources=sources,
        left_out=[one.name for one in left_out if one.demandless],
        why=why.read_text(encoding="utf-8") if why.exists() else None,
        forecasts=(docs / FORECASTS).exists(),
    )
    images = into / "images"
    images.mkdir(parents=True, exist_ok=True)
    made = {
        "vs-tuned": figures.against_tuned(
            verdicts(founds, "traces"), verdicts(founds, "weeks"), verdicts(founds, "compositions")
        )
    }
    for trace in chosen.swept:
        swept = [f for f in founds if f.cell.part == "frontier" and f.cell.trace == trace]
        made[f"frontier-{trace}"] = figures.frontier(trace, swept)
    for name, text in made.items():
        (images / f"results-{name}.svg").write_text(text, encoding="utf-8")
    (into / "results.md").write_text(document(founds, written), encoding="utf-8")
    _say(f"{into / 'results.md'} and {len(made)} figures are written")


def _say(text: str) -> None:
    click.echo(text, err=True)


if __name__ == "__main__":
    sys.exit(main())

"""The rows of an evaluation as a table, in 80 columns.

Rule: what does not apply is a dash; figures of quantiles are over the mean demand.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from lab.forecast.row import ENOUGH_SCORED, Row
from lab.traces import Series

COLUMNS = ("horizon", "rel MAE", "covered", "by day", "pinb 95", "pinb 99", "width", "µs")


def table(rows: Sequence[Row], series: Series) -> Table:
    """One line per model and horizon."""
    made = Table(
        title=f"{series.name}, steps of {series.step_s} s",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    made.add_column("model", no_wrap=True)
    for name in COLUMNS:
        made.add_column(name, justify="right", no_wrap=True)
    before = rows[0].horizon_s if rows else 0
    for row in rows:
        if row.horizon_s != before:
            made.add_section()
            before = row.horizon_s
        made.add_row(
            row.model,
            f"{row.horizon_s} s",
            _plain(row.rel_mae, 3),
            _percent(row.coverage),
            _days(row),
            _plain(row.pinball_95, 4),
            _plain(row.pinball_99, 4),
            _plain(row.width, 3),
            _plain(row.us_per_update, 0),
        )
    return made


def notes(rows: Sequence[Row], series: Series) -> tuple[str, ...]:
    """What the table of ``rows`` rests on, in a few lines."""
    scored = max((row.scored for row in rows), default=0)
    no_days = all(row.coverage_day_min is None for row in rows)
    return (
        *_dashes(scored, no_days=no_days),
        f"{len(series.values)} steps; the first {series.half} are warm-up, the rest are scored",
        "rel MAE: over the last value's; covered: at or below the 0.95 quantile, and the worst "
        "whole days;",
        "pinball and width (0.95 quantile above the centre) over the mean demand; last-value's "
        "quantile is of a day's residuals",
        "µs: median of one update with its quantile",
        *_slept(rows),
    )


def _dashes(scored: int, *, no_days: bool) -> tuple[str, ...]:
    """What a dash is, and what is missing where no row has days."""
    plain = "-: only the mixture and the last value have quantiles, only the mixture an update"
    if not no_days:
        return (plain,)
    return (
        f"{plain}; by day takes whole days and {ENOUGH_SCORED:,} scored steps, here are {scored:,}",
    )


def _slept(rows: Sequence[Row]) -> list[str]:
    """Who is scored over fewer steps than others at the same horizon."""
    most = {row.horizon_s: 0 for row in rows}
    for row in rows:
        most[row.horizon_s] = max(most[row.horizon_s], row.scored)
    return [
        f"{row.model} at {row.horizon_s} s: over the {row.scored} steps (of {most[row.horizon_s]}) "
        "that it said something of, as the last value there"
        for row in rows
        if row.scored < most[row.horizon_s]
    ]


def _plain(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _days(row: Row) -> str:
    if row.coverage_day_min is None or row.coverage_day_max is None:
        return "-"
    return f"{100 * row.coverage_day_min:.0f}-{100 * row.coverage_day_max:.0f}"

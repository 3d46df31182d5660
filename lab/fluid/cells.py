"""The report's table: columns, what they mean, and the rows in the order in which they are read.

Rule: who could have been run comes first, those that kept the budget by their cost, then the others
by their violations; who knew the trace stands apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.fluid.backtest import Backtest, Row
from lab.fluid.verdict import HINDSIGHT, share
from lab.report.axes import TIMES

NOT_REACHED = "\N{EN DASH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A heading, and what it means."""

    name: str
    meaning: str
    shown: Callable[[Row, Backtest], str]
    bad: Callable[[Row, Backtest], bool] = lambda _row, _found: False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows under a heading: policy, and (text, whether it is bad) by column."""

    name: str
    rows: Sequence[tuple[str, Sequence[tuple[str, bool]]]]


def _over(row: Row, found: Backtest) -> bool:
    return row.violation is not None and row.violation > found.trial.violations


COLUMNS = (
    Column(
        name="violations",
        meaning="share of requests that arrived while too few replicas were ready; red: over the "
        "budget",
        shown=lambda row, _: _share(row.violation),
        bad=_over,
    ),
    Column(
        name="cost",
        meaning="replica-seconds, as a multiple of the clairvoyant's",
        shown=lambda row, _: times(row.cost_ratio),
    ),
    Column(
        name="replica hours",
        meaning="the same in hours, starting replicas included",
        shown=lambda row, found: _number(found.replica_hours(row), 0),
    ),
    Column(
        name="vs best HPA",
        meaning="cost over that of the best HPA within the budget, of those that kept it",
        shown=lambda row, found: NOT_REACHED if _over(row, found) else _change(row.regret),
    ),
    Column(
        name="at equal violations",
        meaning="cost over that of the best of all HPAs at the violations that it really had; "
        "below 1 it is cheaper than any HPA could have been",
        shown=lambda row, _: times(row.cost_vs_tuned),
    ),
    Column(
        name="cost within 1 %",
        meaning="of its cheapest setting that kept 1 %",
        shown=lambda row, _: times(row.cost_at_1pct),
    ),
    Column(
        name="within 0.1 %",
        meaning="of its cheapest setting that kept 0.1 %",
        shown=lambda row, _: times(row.cost_at_01pct),
    ),
    Column(
        name="worst hour",
        meaning="violations in the worst hour",
        shown=lambda row, _: _share(row.worst_hour_violation),
    ),
    Column(
        name="worst tenant",
        meaning="violations of the worst tenant",
        shown=lambda row, _: _share(row.worst_tenant_violation),
    ),
    Column(
        name="unserved",
        meaning="requests that waited at the end of a step, as a share of all; who waits for n "
        "ends counts n times, so that it may exceed 100%",
        shown=lambda row, _: _share(row.unserved),
    ),
    Column(
        name="changes/h",
        meaning="how often another number was asked for",
        shown=lambda row, _: _number(row.actions_per_hour, 1),
    ),
    Column(
        name="µs/decision",
        meaning="time to think, on the machine that ran this",
        shown=lambda row, _: _number(row.us_per_decision, 0),
    ),
)


def columns(rows: Sequence[Row]) -> list[Column]:
    """Those that say something of ``rows``: tenants only where they are known."""
    tenants = any(row.worst_tenant_violation is not None for row in rows)
    return [column for column in COLUMNS if tenants or column.name != "worst tenant"]


def groups(found: Backtest) -> list[Group]:
    """All rows."""

    def order(row: Row) -> tuple[bool, float, float]:
        over = (row.violation or 0.0) if _over(row, found) else 0.0
        return row.cost_ratio is None, over, row.cost_ratio or 0.0

    fair = sorted((row for row in found.rows if row.policy not in HINDSIGHT), key=order)
    known = [row for row in found.rows if row.policy in HINDSIGHT]
    named = (("ran without knowing the trace", fair), ("with hindsight, to compare", known))
    return [
        Group(name=name, rows=[(row.policy, _cells(row, found)) for row in rows])
        for name, rows in named
        if rows
    ]


def _cells(row: Row, found: Backtest) -> list[tuple[str, bool]]:
    return [(column.shown(row, found), column.bad(row, found)) for column in columns(found.rows)]


def times(value: float | None) -> str:
    """A multiple."""
    return NOT_REACHED if value is None else f"{value:.2f}{TIMES}"


def _share(value: float | None) -> str:
    return NOT_REACHED if value is None else share(value)


def _change(value: float | None) -> str:
    if value is None:
        return NOT_REACHED
    return f"{value:+.1%}" if abs(value) < 0.1 else f"{value:+.0%}"  # noqa: PLR2004


def _number(value: float | None, decimals: int) -> str:
    if value is None:
        return NOT_REACHED
    return f"{value:,.{decimals}f}" if value >= 10 else f"{value:.1f}"  # noqa: PLR2004

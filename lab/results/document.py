"""The document: docs/results.md from finished cells; its words are in ``results.md.j2``.

Rule: every figure is a cell's, and beside every table stands the command that makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jinja2

from lab.results import tables
from lab.results.cell import Found, Part
from lab.results.plan import Plan
from lab.results.sources import Source
from lab.results.targets import Verdict, judge

WORST = 15
"""Rows of the ranking."""

NOT_WRITTEN = (
    "Nobody has written yet why targets are missed, nor where parameters come from "
    "(`docs/results-why.md`, which is put here)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the document is made of besides cells.  ``why`` is hand-written Markdown, or None."""

    command: str
    jobs: int
    code: str
    plan: Plan
    sources: Sequence[Source]
    left_out: Sequence[str]
    """Names of files of series that are not demand."""
    why: str | None
    forecasts: bool


def document(founds: Sequence[Found], written: Written) -> str:
    """The whole text."""
    plan = written.plan
    traces, compositions = verdicts(founds, "traces"), verdicts(founds, "compositions")
    weeks = verdicts(founds, "weeks")
    every = [*traces, *weeks, *compositions]
    stepped, swept = _of(founds, "steps"), _of(founds, "frontier")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lab.results", "."),
        autoescape=False,  # noqa: S701 - Markdown, not HTML; names of files are the reader's own
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("results.md.j2").render(
        command=written.command,
        count=len(founds),
        jobs=written.jobs,
        minutes=f"{sum(found.took_s for found in founds) / 60:.0f}",
        code=written.code[:12],
        hours=None if plan.hours is None else f"{plan.hours:g}",
        sources=tables.sources(written.sources),
        not_shipped=any(not source.shipped for source in written.sources),
        left_out=written.left_out,
        targets=tables.targets(traces, weeks, compositions),
        worst_count=min(WORST, len(every)),
        judged=len(every),
        worst=tables.worst(every, WORST),
        by_trace=tables.by_trace(traces, written.sources),
        why=NOT_WRITTEN if written.why is None else written.why.strip(),
        policies=tables.policies(_of(founds, "traces"), written.sources),
        seeds=f"{plan.seeds[0]} to {plan.seeds[-1]}",
        composed_hours=f"{plan.composed_hours:g}",
        weeks=tables.weeks(weeks),
        matrix=tables.matrix(compositions, plan),
        compositions=tables.compositions(compositions, plan),
        steps=tables.steps(stepped),
        step_policies=",".join(stepped[0].recovery_s),
        swept_startup=f"{plan.swept_startup_s:g}",
        frontiers=[
            (trace, tables.frontier([found for found in swept if found.cell.trace == trace]))
            for trace in plan.swept
        ],
        on_plant=tables.on_plant(_of(founds, "requests"), plan),
        served_seeds=len(plan.served_seeds),
        forecasts=written.forecasts,
    )


def verdicts(founds: Sequence[Found], part: Part) -> list[Verdict]:
    """Those of one part."""
    return [judge(found) for found in _of(founds, part)]


def _of(founds: Sequence[Found], part: Part) -> list[Found]:
    return [found for found in founds if found.cell.part == part]

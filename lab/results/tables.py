"""The document's tables.

Rule: all rows that were run, the worst first where they are ranked; a missed target is bold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lab.fluid.backtest import Row
from lab.results.cell import Cell, Found
from lab.results.markdown import cost, decimals, folded, mark, percent, signed_percent, table
from lab.results.plan import Plan
from lab.results.sources import DATA, Source
from lab.results.targets import TARGETS, Verdict, geometric_mean, worst_first

OURS = ("cost", "violation %", "vs tuned", "unserved %", "worst hour %", "actions/h")
BUDGET = 0.01
"""Of the per-request plant, as its parameters have it."""

TUNED = ("hpa-tuned: cost", "violation %", "unserved %", "worst hour %", "actions/h")


def sources(found: Sequence[Source]) -> str:
    """Which traces, and whose."""
    rows = [
        (s.name, f"`{s.path.name}`", s.about, "yes" if s.shipped else "*not shipped*")
        for s in found
    ]
    return table(("trace", "file", "what", "ships"), rows, left=4)


def targets(
    traces: Sequence[Verdict], weeks: Sequence[Verdict], compositions: Sequence[Verdict]
) -> str:
    """How many are kept, and the means; ``weeks`` are compositions of whole traces."""
    parts = (traces, weeks, compositions, [*traces, *weeks, *compositions])

    def row(text: str, of: Callable[[Sequence[Verdict]], str]) -> tuple[str, ...]:
        return text, *(of(part) for part in parts)

    rows = [row(text, lambda part, n=name: _kept(n, part)) for name, text in TARGETS.items()]  # type: ignore[misc]
    rows += [
        row("all that can be told", lambda p: f"{sum(v.missed == 0 for v in p)} of {len(p)}"),
        row(
            "cost over hpa-tuned's at equal violation, geometric mean of those within the budget "
            "(target 0.9)",
            lambda p: cost(_vs_tuned([v for v in p if v.kept["violation"]])),
        ),
        row(
            "cost over hpa-tuned's at equal violation, geometric mean of all, over the budget or "
            "not",
            lambda p: cost(_vs_tuned(p)),
        ),
        row(
            "cost over default HPA's, geometric mean, whatever either violated",
            lambda p: cost(geometric_mean(map(_vs_hpa, p))),
        ),
    ]
    return table(("target", "traces", "weeks composed", "hours composed", "all"), rows)


def worst(every: Sequence[Verdict], count: int) -> str:
    """The ``count`` worst, the worst first."""
    rows = [
        (
            v.found.cell.trace + (", whole" if v.found.cell.part == "weeks" else ""),
            f"{v.found.cell.startup_s:g}",
            v.found.cell.recipe or "-",
            str(v.missed),
            *_ours(v),
            *_tuned(v.tuned),
        )
        for v in worst_first(every)[:count]
    ]
    return table(("trace", "start-up s", "seed", "missed", *OURS, *TUNED), rows)


def by_trace(traces: Sequence[Verdict], known: Sequence[Source]) -> str:
    """Foretide on each trace at each start-up."""
    named = {source.name: _named(source) for source in known}
    rows = [
        (
            named[v.found.cell.trace],
            f"{v.found.cell.startup_s:g}",
            *_ours(v),
            percent(v.found.regret),
            *_tuned(v.tuned),
        )
        for v in traces
    ]
    return table(("trace", "start-up s", *OURS, "regret %", *TUNED), rows)


def policies(founds: Sequence[Found], known: Sequence[Source]) -> str:
    """Every policy, a folded table for each trace."""
    head = (
        *("start-up s", "policy", "cost", "violation %", "at 1 %", "at 0.1 %", "vs tuned"),
        *("unserved %", "worst hour %", "worst tenant %", "actions/h", "regret %", "µs"),
    )
    parts = []
    for source in known:
        own = [found for found in founds if found.cell.trace == source.name]
        rows = [
            (f"{found.cell.startup_s:g}", *_policy(row, found.cell.violations))
            for found in own
            for row in found.rows
        ]
        begin = f"`{command(own[0].cell, source)}`, and the other start-ups"
        summary = f"{_named(source)}, {own[0].scored_h:.4g} h scored"
        parts.append(folded(summary, f"{begin}\n\n{table(head, rows, left=2)}"))
    return "\n".join(parts)


def matrix(found: Sequence[Verdict], plan: Plan) -> str:
    """By trace and start-up: budgets kept of all seeds, and their mean cost over hpa-tuned's."""
    rows = []
    for trace in plan.composed:
        cells = []
        for startup in plan.startups_s:
            own = _composed(found, trace, startup)
            mean = cost(_vs_tuned(own))
            cells.append(f"{_kept('violation', own)}, {mean}")
        rows.append((trace, *cells))
    return table(("trace", *(f"{startup:g} s" for startup in plan.startups_s)), rows)


def weeks(found: Sequence[Verdict]) -> str:
    """Every seed of whole traces; empty: none were run."""
    head = ("trace", "start-up s", "seed", *OURS, *TUNED, "hpa: cost", "violation %")
    rows = [(v.found.cell.trace, f"{v.found.cell.startup_s:g}", *_composition(v)) for v in found]
    return table(head, rows) if rows else ""


def compositions(found: Sequence[Verdict], plan: Plan) -> str:
    """Every seed, a folded table for each trace and start-up."""
    head = ("seed", *OURS, *TUNED, "hpa: cost", "violation %")
    parts = []
    for trace in plan.composed:
        for startup in plan.startups_s:
            rows = [_composition(v) for v in _composed(found, trace, startup)]
            parts.append(folded(f"{trace}, start-up {startup:g} s", table(head, rows)))
    return "\n".join(parts)


def steps(founds: Sequence[Found]) -> str:
    """Seconds to enough ready replicas."""
    names = list(founds[0].recovery_s)
    rows = [
        (
            found.cell.trace,
            f"{found.cell.startup_s:g}",
            *("never" if (s := found.recovery_s[name]) is None else f"{s:.0f}" for name in names),
        )
        for found in founds
    ]
    return table(("level of", "start-up s", *names), rows)


def frontier(founds: Sequence[Found]) -> str:
    """Foretide's points."""
    rows = []
    for found in founds:
        row, budget = found.row("foretide"), found.cell.violations
        kept = row.violation is not None and row.violation <= budget
        values = (mark(percent(row.violation), kept), cost(row.cost_ratio), cost(row.cost_vs_tuned))
        rows.append((f"{budget * 100:g}", *values))
    return table(("budget %", "violation %", "cost", "vs tuned"), rows, left=0)


def on_plant(founds: Sequence[Found], plan: Plan) -> str:
    """Policies on the per-request plant: means over seeds, and the worst of them."""
    rows = []
    for trace in plan.served:
        own = [found for found in founds if found.cell.trace == trace]
        names = dict.fromkeys(row.policy for found in own for row in found.on_plant)
        for name in names:
            runs = [row for found in own for row in found.on_plant if row.policy == name]
            violations = [run.violation for run in runs]
            late = [run.latency_p95_s for run in runs if run.latency_p95_s is not None]
            kept = sum(violation <= BUDGET for violation in violations)
            rows.append(
                (
                    trace,
                    name,
                    decimals(_mean([run.replica_hours for run in runs]), 2),
                    percent(_mean(violations)),
                    mark(percent(max(violations)), max(violations) <= BUDGET),
                    f"{kept} of {len(own)}",
                    decimals(_mean(late), 1) if late else "-",
                    decimals(_mean([float(run.dropped) for run in runs]), 0),
                    decimals(_mean([run.actions / own[0].scored_h for run in runs])),
                )
            )
    head = (
        *("trace", "policy", "replica-hours", "violation %", "of the worst seed %"),
        *("budget kept", "p95 s", "dropped", "actions/h"),
    )
    return table(head, rows, left=2)


def command(cell: Cell, source: Source) -> str:
    """What makes a cell's figures by hand."""
    path = f"lab/traces/data/{source.path.name}" if source.path.parent == DATA else source.path.name
    words = ["foretide backtest", f"--trace {path}", f"--startup {cell.startup_s:g}"]
    if cell.hours is not None:
        words.append(f"--hours {cell.hours:g}")
    return " ".join(words)


def _named(source: Source) -> str:
    return source.name if source.shipped else f"{source.name} (not shipped: {source.path.name})"


def _composed(found: Sequence[Verdict], trace: str, startup_s: float) -> list[Verdict]:
    return [v for v in found if v.found.cell.trace == trace and v.found.cell.startup_s == startup_s]


def _kept(name: str, part: Sequence[Verdict]) -> str:
    told = [v.kept[name] for v in part if v.kept[name] is not None]
    return f"{sum(map(bool, told))} of {len(told)}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _vs_tuned(part: Sequence[Verdict]) -> float | None:
    return geometric_mean(v.ours.cost_vs_tuned for v in part)


def _vs_hpa(verdict: Verdict) -> float | None:
    ours, hpa = verdict.ours.cost_ratio, verdict.found.row("hpa").cost_ratio
    return None if ours is None or not hpa else ours / hpa


def _ours(v: Verdict) -> tuple[str, ...]:
    row, kept = v.ours, v.kept
    return (
        cost(row.cost_ratio),
        mark(percent(row.violation), kept["violation"]),
        mark(cost(row.cost_vs_tuned), kept["vs tuned"]),
        mark(percent(row.unserved), kept["unserved"]),
        mark(percent(row.worst_hour_violation), kept["worst hour"]),
        mark(decimals(row.actions_per_hour), kept["actions"]),
    )


def _tuned(row: Row) -> tuple[str, ...]:
    return (
        cost(row.cost_ratio),
        percent(row.violation),
        percent(row.unserved),
        percent(row.worst_hour_violation),
        decimals(row.actions_per_hour),
    )


def _composition(v: Verdict) -> tuple[str, ...]:
    hpa = v.found.row("hpa")
    seed = v.found.cell.recipe or "-"
    return seed, *_ours(v), *_tuned(v.tuned), cost(hpa.cost_ratio), percent(hpa.violation)


def _policy(row: Row, budget: float) -> tuple[str, ...]:
    within = None if row.violation is None else row.violation <= budget
    return (
        row.policy,
        cost(row.cost_ratio),
        mark(percent(row.violation), within),
        cost(row.cost_at_1pct),
        cost(row.cost_at_01pct),
        cost(row.cost_vs_tuned),
        percent(row.unserved),
        percent(row.worst_hour_violation),
        percent(row.worst_tenant_violation),
        decimals(row.actions_per_hour),
        signed_percent(row.regret),
        decimals(row.us_per_decision),
    )

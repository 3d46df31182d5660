"""The terminal view of a running loop: demand, forecast, replicas, latency, decisions.

Rule: a pure function of a state; works in 80 columns, without colour, and without a terminal.
Flow: the demo's state -> frame -> rich.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from models.domain.decision import Decision
from models.domain.outcome import Outcome

BARS = " ▁▂▃▄▅▆▇█"
KEPT = 60
"""Points of a sparkline."""


@dataclass(slots=True)
class ViewState:
    """What there is to see.  Demand in the spec's unit, times in seconds."""

    workload: str
    unit: str
    slo_s: float
    length_s: float
    speed: float
    elapsed_s: float = 0.0
    phase: str = "starting"
    served: int = 0
    waiting: int = 0
    desired: int = 0
    ready: int = 0
    starting: int = 0
    latency_p95_s: float | None = None
    demand: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    upper: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    replicas: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    latency: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    centre: float | None = None
    trust: str = "cold"
    decisions: deque[Decision] = field(default_factory=lambda: deque(maxlen=5))
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    event_to_patch_s: float | None = None


def sparkline(values: Sequence[float], top: float | None = None) -> str:
    """Values as bars, scaled to ``top`` (the largest if left out).

    >>> sparkline([0, 1, 2, 4])
    ' ▂▄█'
    """
    most = max(values, default=0.0) if top is None else top
    if most <= 0:
        return BARS[0] * len(values)
    steps = len(BARS) - 1
    return "".join(BARS[min(round(value / most * steps), steps)] for value in values)


def clock(seconds: float) -> str:
    """``mm:ss`` of a duration."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02d}:{rest:02d}"


def frame(state: ViewState) -> RenderableType:
    """One frame."""
    top = max([*state.demand, *state.upper], default=0.0)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=9)
    grid.add_column(width=42, no_wrap=True, overflow="crop")
    grid.add_column(width=22)
    now = state.demand[-1] if state.demand else None
    upper = state.upper[-1] if state.upper else None
    grid.add_row(
        "demand", Text(sparkline(_last(state.demand), top), "cyan"), _amount(now, state.unit)
    )
    grid.add_row(
        "forecast",
        Text(sparkline(_last(state.upper), top), "magenta"),
        f"up to {_number(upper)}, {state.trust}",
    )
    most = max(state.replicas, default=0.0)
    starting = f", {state.starting} starting" if state.starting else ""
    grid.add_row(
        "replicas",
        Text(sparkline(_last(state.replicas), most), "green"),
        f"{state.ready} ready{starting}",
    )
    late = state.latency_p95_s is not None and state.latency_p95_s > state.slo_s
    worst = max([*state.latency, state.slo_s])
    grid.add_row(
        "latency",
        Text(sparkline(_last(state.latency), worst), "red" if late else "yellow"),
        Text(f"p95 {_number(state.latency_p95_s)} s, SLO {state.slo_s:g}", "red" if late else ""),
    )
    return Group(
        Panel(
            grid,
            title=f"foretide · {state.workload}",
            subtitle=_progress(state),
            width=80,
        ),
        _decisions(state),
    )


def plain_line(state: ViewState) -> str:
    """One line for a log."""
    newest = state.decisions[-1] if state.decisions else None
    why = "" if newest is None else f" | last: {_change(newest)} ({newest.reason.value})"
    demand = state.demand[-1] if state.demand else None
    return (
        f"{clock(state.elapsed_s)} of {clock(state.length_s)} | {state.phase} | "
        f"demand {_number(demand)} | replicas {state.ready}+{state.starting} | "
        f"p95 {_number(state.latency_p95_s)} s | served {state.served}{why}"
    )


def _progress(state: ViewState) -> str:
    share = min(state.elapsed_s / state.length_s, 1.0) if state.length_s else 1.0
    bar = "━" * round(share * 16) + "─" * (16 - round(share * 16))
    reaction = ""
    if state.event_to_patch_s is not None:
        reaction = f" · event→patch {state.event_to_patch_s * 1e3:.0f} ms"
    return (
        f"{bar} {clock(state.elapsed_s)}/{clock(state.length_s)} at {state.speed:g}x"
        f" · {state.served} served{reaction}"
    )


def _decisions(state: ViewState) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), width=80, header_style="dim")
    for name, width in (("at", 8), ("replicas", 9), ("reason", 24), ("why", 23), ("became", 11)):
        table.add_column(name, width=width, no_wrap=True, overflow="ellipsis")
    for decision in reversed(state.decisions):
        at = dt.datetime.fromtimestamp(decision.at, dt.UTC).strftime("%H:%M:%S")
        outcome = state.outcomes.get(decision.id)
        became = "…" if outcome is None else outcome.result.value
        table.add_row(at, _change(decision), decision.reason.value, _why(decision), became)
    return table


def _why(decision: Decision) -> str:
    inputs = decision.inputs
    if inputs.forecast_quantile is None:
        return decision.trail[-1].why if decision.trail else ""
    return f"{_number(inputs.demand)} now, {_number(inputs.forecast_quantile)} ahead"


def _change(decision: Decision) -> str:
    before = sum(decision.from_.replicas.values())
    return f"{before} → {sum(decision.to.replicas.values())}"


def _last(values: Sequence[float]) -> list[float]:
    return list(values)[-42:]


def _amount(value: float | None, unit: str) -> str:
    words = {"concurrency": "in the system", "requests": "requests/s", "tokens": "tokens/s"}
    return f"{_number(value)} {words.get(unit, unit)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"

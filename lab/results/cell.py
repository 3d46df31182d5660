"""Cell: one backtest of the document, small enough to be kept and run on its own.

Rule: a cell says all that its figures depend on, besides the code and the trace's bytes.
Flow: plan -> Cell -> run_cell -> Found -> cache -> document.
"""

from __future__ import annotations

import time
from typing import Literal

from msgspec import Struct

from lab.fluid.backtest import Row, backtest, recovery_s
from lab.fluid.trial import Trial, default_capacity
from lab.results.sources import Source
from lab.traces import Composed, compose

Part = Literal["traces", "compositions", "steps", "frontier"]

SEED = 1


class Cell(Struct, frozen=True, kw_only=True):
    """``hours``: only the trace's first so many; ``recipe``: as ``--compose``."""

    part: Part
    trace: str
    startup_s: float
    policies: tuple[str, ...]
    recipe: str | None = None
    hours: float | None = None
    violations: float = 0.01


class Found(Struct, frozen=True, kw_only=True):
    """What came of a cell.

    ``frontier`` is hpa-tuned's, (violation, cost as a multiple of the clairvoyant's).
    ``recovery_s``: by policy, of ``step10x`` alone.  ``took_s`` is time on one core.
    """

    cell: Cell
    rows: tuple[Row, ...]
    frontier: tuple[tuple[float, float], ...]
    recovery_s: dict[str, float | None]
    scored_h: float
    took_s: float

    def row(self, policy: str) -> Row:
        """That policy's.  Raises ``StopIteration`` where it was not run."""
        return next(row for row in self.rows if row.policy == policy)


def run_cell(cell: Cell, source: Source) -> Found:
    """Run it, as ``foretide backtest`` would.  Raises ``TraceError``."""
    begun = time.process_time()
    series = source.series()
    if cell.hours is not None:
        series = series.first(cell.hours)
    composed = Composed(series=series, told=())
    if cell.recipe is not None:
        composed = compose(series, cell.recipe)
    trial = Trial(
        series=composed.series,
        capacity=default_capacity(composed.series),
        startup_s=cell.startup_s,
        violations=cell.violations,
        seed=SEED,
    )
    found = backtest(trial, cell.policies)
    recovery = {}
    if composed.stepped_s is not None:
        recovery = {
            name: None if run is None else recovery_s(trial, run, composed.stepped_s)
            for name, run in found.runs
        }
    return Found(
        cell=cell,
        rows=tuple(found.rows),
        frontier=tuple((violation, cost / found.unit) for violation, cost in found.tuned.points()),
        recovery_s=recovery,
        scored_h=(trial.end_s - trial.begin_s) / 3600,
        took_s=time.process_time() - begun,
    )

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
from lab.results.on_plant import OnPlant, run_on_plant
from lab.results.sources import Source
from lab.traces import Composed, compose, open_trace

Part = Literal["traces", "compositions", "weeks", "steps", "frontier", "requests"]

SEED = 1


class Cell(Struct, frozen=True, kw_only=True):
    """``hours``: only the trace's first so many; ``recipe``: as ``--compose``.

    Of ``requests``, which runs on the per-request plant, only the trace and ``seed`` count.
    """

    part: Part
    trace: str
    startup_s: float
    policies: tuple[str, ...]
    recipe: str | None = None
    hours: float | None = None
    violations: float = 0.01
    seed: int = SEED


class Found(Struct, frozen=True, kw_only=True):
    """What came of a cell.

    ``frontier`` is hpa-tuned's, (violation, cost as a multiple of the clairvoyant's).
    ``recovery_s``: by policy, of ``step10x`` alone.  ``took_s`` is time on one core.  ``regret`` is
    Foretide's over the best of its own candidates.
    """

    cell: Cell
    rows: tuple[Row, ...]
    frontier: tuple[tuple[float, float], ...]
    recovery_s: dict[str, float | None]
    scored_h: float
    took_s: float
    on_plant: tuple[OnPlant, ...] = ()
    regret: float | None = None

    def row(self, policy: str) -> Row:
        """That policy's.  Raises ``StopIteration`` where it was not run."""
        return next(row for row in self.rows if row.policy == policy)


def run_cell(cell: Cell, source: Source) -> Found:
    """Run it, as ``foretide backtest`` would.  Raises ``TraceError``."""
    begun = time.process_time()
    if cell.part == "requests":
        return _on_plant(cell, source, begun)
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
        seed=cell.seed,
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
        regret=next((run.regret for name, run in found.runs if name == "foretide" and run), None),
    )


def _on_plant(cell: Cell, source: Source, begun: float) -> Found:
    arrivals = open_trace(source.path)
    return Found(
        cell=cell,
        rows=(),
        frontier=(),
        recovery_s={},
        scored_h=arrivals[-1].at_s / 3600,
        on_plant=run_on_plant(arrivals, seed=cell.seed),
        took_s=time.process_time() - begun,
    )

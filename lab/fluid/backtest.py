"""Backtest: every policy on one trial, scored alike, as rows.

Rule: a figure that does not apply, or was not reached, is null, never a number that looks like one.
Flow: Setting -> runners -> Score -> Row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from msgspec import Struct

from lab.fluid.oracles import clairvoyant, static_peak
from lab.fluid.registry import POLICIES, Setting
from lab.fluid.run import Progress, Run, silent
from lab.fluid.schedule import EPSILON_S, ready
from lab.fluid.score import Score, score
from lab.fluid.trial import USABLE, Observed, Trial
from lab.fluid.tuned import Frontier, frontier
from models.domain.spec import AgentScaler

ONE_PERCENT, TENTH_PERCENT = 0.01, 0.001


class Row(Struct, frozen=True, kw_only=True):
    """One policy on the scored half.  Costs are multiples of the clairvoyant's.

    ``cost_at_1pct``, ``cost_at_01pct``: its cheapest setting within 1 % and 0.1 % violations; of
    a policy with one setting, its cost if it kept them.  ``cost_vs_tuned``: its cost over
    hpa-tuned's frontier at the violation it really had.  ``regret``: how much dearer it was than
    hpa-tuned within the budget, as a share; negative is cheaper.  The rest: ``lab.fluid.score``.
    None: does not apply, or not reached.
    """

    policy: str
    cost_ratio: float | None
    violation: float | None
    cost_at_1pct: float | None
    cost_at_01pct: float | None
    cost_vs_tuned: float | None
    unserved: float | None
    worst_hour_violation: float | None
    worst_tenant_violation: float | None
    actions_per_hour: float | None
    regret: float | None
    us_per_decision: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backtest:
    """The rows, and the runs behind them, in the order asked for; None: not reached.

    ``unit`` is the clairvoyant's cost, replica-seconds.
    """

    trial: Trial
    tuned: Frontier
    unit: float
    rows: Sequence[Row]
    runs: Sequence[tuple[str, Run | None]]

    def replica_hours(self, row: Row) -> float | None:
        """What a row cost, starting replicas included; None: cost does not apply to it."""
        return None if row.cost_ratio is None else row.cost_ratio * self.unit / 3600


def backtest(
    trial: Trial,
    names: Sequence[str],
    *,
    spec: AgentScaler | None = None,
    watched: Mapping[str, Score] = MappingProxyType({}),
    progress: Callable[[str], Progress] = lambda _: silent,
) -> Backtest:
    """Run the named policies.

    ``watched`` are scores of what ran elsewhere, which have rows before the others'.
    ``progress`` is told the name of what begins, and gives what is told of its progress.
    Raises ``ValueError`` for a name that is not there.
    """
    unknown = [name for name in names if name not in POLICIES]
    if unknown:
        raise ValueError(f"no policy {', '.join(unknown)}; there are: {', '.join(POLICIES)}")
    observed = Observed(trial)
    tuned = frontier(trial, observed, progress=progress("hpa-tuned"))
    setting = Setting(trial=trial, observed=observed, tuned=tuned, spec=spec)
    unit = score(trial, clairvoyant(trial)).cost
    rows = [_row(name, setting, None, scored, unit) for name, scored in watched.items()]
    runs = []
    for name in names:
        told = progress(name)
        run = POLICIES[name](setting, told)
        told(1.0)
        runs.append((name, run))
        scored = None if run is None else score(trial, run.asked)
        rows.append(_row(name, setting, run, scored, unit))
    return Backtest(trial=trial, tuned=tuned, unit=unit, rows=rows, runs=runs)


def _row(name: str, setting: Setting, run: Run | None, scored: Score | None, unit: float) -> Row:
    within = [_cost_at(name, setting, scored, budget) for budget in (ONE_PERCENT, TENTH_PERCENT)]
    best = setting.tuned.best(setting.trial.violations)
    at_equal = None if scored is None else setting.tuned.cost_at(scored.violation)
    compared = scored is not None and name != "clairvoyant"
    return Row(
        policy=name,
        cost_ratio=None if scored is None else _ratio(scored.cost, unit),
        violation=None if scored is None else scored.violation,
        cost_at_1pct=_ratio(within[0], unit),
        cost_at_01pct=_ratio(within[1], unit),
        cost_vs_tuned=None if scored is None else _ratio(scored.cost, at_equal),
        unserved=None if scored is None else scored.unserved,
        worst_hour_violation=None if scored is None else scored.worst_hour,
        worst_tenant_violation=None if scored is None else scored.worst_tenant,
        actions_per_hour=None if scored is None else scored.actions_per_hour,
        regret=(
            scored.cost / best.score.cost - 1
            if compared and scored is not None and best is not None and best.score.cost > 0
            else None
        ),
        us_per_decision=None if run is None else run.us_per_decision,
    )


def _cost_at(name: str, setting: Setting, scored: Score | None, budget: float) -> float | None:
    if name == "hpa-tuned":
        best = setting.tuned.best(budget)
        return None if best is None else best.score.cost
    if name == "static":
        scored = score(setting.trial, static_peak(setting.trial, budget))
    return scored.cost if scored is not None and scored.violation <= budget else None


def _ratio(cost: float | None, unit: float | None) -> float | None:
    return None if cost is None or not unit else cost / unit


def recovery_s(trial: Trial, run: Run, since_s: float) -> float | None:
    """Seconds from a step at ``since_s`` until ready replicas are enough; None: never.

    Enough is for the mean demand from then on: a single step may be above it by chance.
    """
    place = int((since_s + EPSILON_S) // trial.series.step_s)
    mean = float(np.nanmean(trial.rates[place:]))
    need = math.ceil(mean / (USABLE * trial.capacity) - 1e-9)
    standing = ready(run.asked, trial.startup_s)
    later = standing.at[(standing.at > since_s) & (standing.at < trial.end_s)]
    moments = np.concatenate([[since_s], later])
    enough = np.flatnonzero(standing.value(moments) >= need)
    return None if len(enough) == 0 else float(moments[enough[0]] - since_s)

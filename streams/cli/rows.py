"""Rows of a backtest as JSON, and beside them what was run.

Rule: who has the file alone can run it again: every setting that changes a figure stands in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from streams.cli import gaps

if TYPE_CHECKING:
    from lab.fluid.backtest import Backtest

UNSERVED = (
    "unserved: requests that wait at ends of steps, over all; one that waits for n ends counts n "
    "times, so that it may exceed 100%"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What was asked for.  ``form`` is the trace's format, ``recording`` what it came from.

    Of ``trace`` and ``recording`` one is None; ``spec`` is a workload's name, None: no spec.
    """

    trace: str | None
    recording: str | None
    form: str
    spec: str | None
    policies: Sequence[str]
    hours: float | None
    compose: str | None


def as_builtins(found: Backtest) -> list[dict[str, object]]:
    """The rows, each with what it cost in replica-hours (None where cost does not apply)."""
    import msgspec  # noqa: PLC0415 - with the rest

    from lab.fluid.shadow import replica_hours  # noqa: PLC0415 - heavy

    return [
        {**msgspec.to_builtins(row), "replica_hours": replica_hours(row, found)}
        for row in found.rows
    ]


def document(found: Backtest, ran: Ran) -> dict[str, object]:
    """``{"meta": ..., "rows": [...]}``."""
    return {"meta": _meta(found, ran), "rows": as_builtins(found)}


def _meta(found: Backtest, ran: Ran) -> dict[str, object]:
    trial = found.trial
    series = trial.series
    return {
        "version": metadata.version("foretide"),
        "trace": ran.trace,
        "recording": ran.recording,
        "format": ran.form,
        "compose": ran.compose,
        "hours": ran.hours,
        "spec": ran.spec,
        "policies": list(ran.policies),
        "seed": trial.seed,
        "steps": len(series.values),
        "step_s": series.step_s,
        "missing_steps": gaps.count(series),
        "warm_up_steps": series.half,
        "scored_steps": len(series.values) - series.half,
        "scored_from_s": trial.begin_s,
        "scored_s": trial.end_s - trial.begin_s,
        "startup_s": trial.startup_s,
        "capacity_per_replica": trial.capacity * series.step_s,
        "replicas_min": trial.least,
        "replicas_max": trial.most,
        "violations_budget": trial.violations,
    }


def unserved(found: Backtest) -> tuple[str, ...]:
    """What the column of that name counts, where anything waited at all that the table shows."""
    from lab.fluid.table import LEAST_SHOWN  # noqa: PLC0415 - heavy

    waited = any((row.unserved or 0.0) >= LEAST_SHOWN for row in found.rows)
    return (UNSERVED,) if waited else ()

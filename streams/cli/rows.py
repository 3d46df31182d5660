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
    from models.domain.spec import AgentScaler

UNSERVED = (
    "unserved: requests that wait at ends of steps, over all; one that waits for n ends counts n "
    "times, so that it may exceed 100%"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What was asked for.  ``form`` is the trace's format, ``recording`` what it came from.

    Of ``trace`` and ``recording`` one is None; ``unit`` is the recorded demand's, None: a trace's
    is not told.  ``spec`` is the spec as it was run, None: there is none.
    """

    trace: str | None
    recording: str | None
    form: str | None
    unit: str | None
    spec: AgentScaler | None
    policies: Sequence[str]
    hours: float | None
    compose: str | None


def as_builtins(found: Backtest) -> list[dict[str, object]]:
    """The rows, each with what it cost in replica-hours (None where cost does not apply)."""
    import msgspec  # noqa: PLC0415 - with the rest

    return [
        {**msgspec.to_builtins(row), "replica_hours": found.replica_hours(row)}
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
        "unit": ran.unit,
        "compose": ran.compose,
        "hours": ran.hours,
        "spec": None if ran.spec is None else ran.spec.workload,
        "spec_as_run": None if ran.spec is None else _as_run(ran.spec),
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


def _as_run(spec: AgentScaler) -> dict[str, object]:
    """All of it, as it would be written in a file: defaults may be others in another release."""
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True)


def unserved(found: Backtest) -> tuple[str, ...]:
    """What the column of that name counts, where anything waited at all that the table shows."""
    from lab.fluid.table import LEAST_SHOWN  # noqa: PLC0415 - heavy

    waited = any((row.unserved or 0.0) >= LEAST_SHOWN for row in found.rows)
    return (UNSERVED,) if waited else ()

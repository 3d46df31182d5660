"""Step: one turn of the core, with all that it depends on; the unit of the step log.

Rule: the same steps give the same decisions, byte for byte, live, replayed, or backtested.
Flow: plan -> Step -> Fleet; foretide.steps keeps a step by reference to the load log's offsets.
"""

from __future__ import annotations

from msgspec import Struct

from models.domain.decision import Decision
from models.domain.forecast import Forecast, Proposal
from models.domain.load import Load, Progress
from models.domain.spec import AgentScaler


class SpecChange(Struct, frozen=True, kw_only=True):
    """A spec as the workloads topic has it at ``revision``; None: it was deleted."""

    workload: str
    revision: int
    spec: AgentScaler | None


class Step(Struct, frozen=True, kw_only=True):
    """What happened to one load partition, in the order it is applied: specs, records, then now.

    ``now`` is Unix seconds.  ``tick`` lets silence speak: all workloads decide, not only those
    that were touched.  ``live`` is False while the past is read again: nothing is decided then.
    ``relearn`` names workloads whose state was lost: ``records`` are then their past, all else of
    the fleet stays as it is, and nothing is decided.
    """

    now: float
    generation: int
    era: int
    specs: tuple[SpecChange, ...] = ()
    records: tuple[Load | Progress, ...] = ()
    tick: bool = False
    live: bool = True
    relearn: tuple[str, ...] = ()


class StepResult(Struct, frozen=True, kw_only=True):
    """What came of a step, in order."""

    forecasts: tuple[Forecast, ...]
    proposals: tuple[Proposal, ...]
    decisions: tuple[Decision, ...]

"""``plan`` of one workload, told of its loads by the laboratory: the very Fleet that runs live.

Rule: nothing of the policy is here, and everything of the laboratory that runs Foretide goes
through here, whatever plant it runs on.
Flow: lab.plant.foretide, lab.fluid.foretide -> Load, SourceProgress -> Step -> Fleet -> StepResult.
"""

from __future__ import annotations

from collections.abc import Iterable

from models.domain.decision import Decision
from models.domain.load import Load, Progress, SourceProgress
from models.domain.spec import AgentScaler
from models.fleet import Fleet
from models.step import SpecChange, Step, StepResult

BEGIN = 1_699_920_000
"""Midnight UTC, Unix seconds, where a backtest begins: models may know the time of day."""

LATENESS_S = 2.0
VALID_S = 60.0
"""As a worker has them by default (``streams.settings``; a test says so)."""


class Planner:
    """One workload, which one source of telemetry tells of."""

    def __init__(self, spec: AgentScaler) -> None:
        """``spec`` holds from the first step on."""
        self.workload = spec.workload
        self.fleet = Fleet(lateness_s=LATENESS_S, valid_s=VALID_S)
        self.steps: list[Step] = []
        """Kept while ``keeps`` is set, to apply again."""
        self.keeps = False
        self._specs: tuple[SpecChange, ...] = (
            SpecChange(workload=spec.workload, revision=1, spec=spec),
        )

    def step(
        self, now: float, loads: Iterable[Load], reported: SourceProgress | None
    ) -> StepResult:
        """Decide at ``now``, Unix seconds.  ``reported`` None: telemetry was silent."""
        progress = () if reported is None else (Progress(sources=1, progress=(reported,)),)
        step = Step(
            now=now,
            generation=1,
            era=0,
            specs=self._specs,
            records=(*loads, *progress),
            tick=True,
        )
        self._specs = ()
        if self.keeps:
            self.steps.append(step)
        return self.fleet.apply(step)


def wanted(decisions: tuple[Decision, ...]) -> int | None:
    """Replicas of the newest decision, of all variants; None: nothing was decided."""
    return sum(decisions[-1].to.replicas.values()) if decisions else None

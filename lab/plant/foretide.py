"""Foretide on the plant, in simulated time: told second by second what a plant tells.

Rule: nothing of Foretide is here; records are folded by ``models.blocks`` as ``aggregate`` folds
them, applied by ``models.fleet`` as ``plan`` applies them, and the decision is carried out.
Flow: Plant.advance -> PlantTelemetry -> BlockFold -> Planner -> Plant.scale.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lab.planner import Planner, wanted
from lab.plant.plant import Plant
from lab.plant.telemetry import PlantTelemetry
from models.blocks import BlockFold
from models.columns import ColumnBuilder
from models.domain.decision import Decision
from models.domain.forecast import Forecast
from models.domain.load import Load, SourceProgress
from models.domain.spec import AgentScaler
from models.domain.telemetry import Telemetry
from models.scaler import Scaler


class Foretide:
    """One workload.  ``acts`` False: it decides and nothing is carried out."""

    def __init__(
        self, plant: Plant, spec: AgentScaler, *, acts: bool = True, names: bool = True
    ) -> None:
        """``spec`` holds from the first second on; ``plant`` stands at its begin, a whole one.

        Where ``spec`` names several variants they are the plant's, and each is told of, and
        scaled, by itself; ``names`` False: requests do not say whose they were.  Raises
        ``ValueError`` where the plant has others.
        """
        self._by_variant = len(spec.spec.variants) > 1
        named = {variant.name for variant in spec.spec.variants}
        there = {variant.name for variant in plant.parameters.fleet()}
        if self._by_variant and named != there:
            msg = f"the spec's variants are {sorted(named)}, the plant's {sorted(there)}"
            raise ValueError(msg)
        self.plant = plant
        self.planner = Planner(spec)
        self.acts = acts
        self.decisions: list[Decision] = []
        self.forecasts: list[Forecast] = []
        self.now = round(plant.begin)
        self._telemetry = PlantTelemetry(
            spec.workload, plant, by_variant=self._by_variant, names=names
        )
        self._fold = _Fold()
        self._variant: str | None = None
        self._leaving: tuple[str, ...] = ()

    def second(self) -> None:
        """Let one second pass."""
        self.now += 1
        now = float(self.now)
        told = self._telemetry.since(self.plant.advance(now), now)
        loads, reported = self._fold.second(told, self.now)
        result = self.planner.step(now, loads, reported)
        self.forecasts.extend(result.forecasts)
        self.decisions.extend(result.decisions)
        if self.acts:
            self._carry_out(result.decisions, now)
        self._roll()

    def _carry_out(self, decisions: tuple[Decision, ...], now: float) -> None:
        """The newest of ``decisions``, if there is one."""
        if self._by_variant:
            for decision in decisions[-1:]:
                for variant, replicas in decision.to.replicas.items():
                    self.plant.scale(replicas, now, variant)
            return
        total = wanted(decisions)
        if total is not None:
            self.plant.scale(total, now, self._variant)

    @property
    def scaler(self) -> Scaler:
        """The workload's."""
        return self.planner.fleet.scaler(self.planner.workload)

    def release(self, variant: str, *leaving: str) -> None:
        """A release: from now on replicas are of ``variant``, as many as there are.

        Those of ``leaving`` are given up once these are ready (blue and green); until then only
        ``variant`` is reported, as the platform shows one deployment.  Of a spec that does not
        name several variants; raises ``ValueError`` of another.
        """
        if self._by_variant:
            raise ValueError("a release is of one deployment, and the spec names several variants")
        self.plant.scale(self.plant.desired, float(self.now), variant)
        self._variant, self._leaving = variant, leaving
        self._telemetry.variant = variant if leaving else None

    @property
    def rolled(self) -> bool:
        """Whether no release is under way."""
        return not self._leaving

    def _roll(self) -> None:
        """Give up what leaves, once the new ones are ready."""
        if self._leaving and not self.plant.starting:
            for variant in self._leaving:
                self.plant.scale(0, float(self.now), variant)
            self._leaving = ()
            self._telemetry.variant = None


class _Fold:
    """One partition of telemetry whose records of a second are one message, and ``aggregate``."""

    def __init__(self) -> None:
        self._fold = BlockFold(0)
        self._offset = 0

    def second(self, told: Iterable[Telemetry], now: int) -> tuple[list[Load], SourceProgress]:
        """Fold what was told of the second that ends at ``now``."""
        columns = ColumnBuilder()
        columns.add(0, told)
        self._fold.fold(np.array([self._offset]), np.array([now - 1]), columns.build())
        self._offset += 1
        done = self._fold.block or 0
        reported = SourceProgress(source=0, position=self._offset, watermark=float(now), done=done)
        return self._fold.drain(), reported

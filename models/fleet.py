"""Fleet: the workloads of one load partition; the object that live, replay and backtest drive.

Rule: state changes only by ``apply(step)``; nothing here knows what time it is but by the step.
Flow: Step -> merge -> Scalers -> StepResult.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct

from models.domain.decision import Decision, Epoch, Hold, decision_id
from models.domain.forecast import Forecast, Proposal
from models.domain.load import Load, Progress
from models.domain.spec import AgentScaler
from models.merge import Merge
from models.scaler import Scaler, ScalerState
from models.step import SpecChange, Step, StepResult
from models.verdict import Verdict
from models.window import Window, WindowState

PRUNE_S = 60
"""How often windows that nobody needs are looked for."""

QUIET_S = 0.9
"""A workload that decided so short a time ago is passed over by a tick."""


class PlannerState(Struct, frozen=True, array_like=True):
    """What is known of a workload because it has a spec; ``spec`` as it was written, JSON."""

    revision: int
    spec: bytes
    generation: tuple[int, int]
    sequence: int
    decided_at: float
    scaler: ScalerState


class MemberState(Struct, frozen=True, array_like=True):
    """One workload as a snapshot has it; ``planner`` is None when it has no spec.

    ``position`` is the first step, by its offset in the step log, that is not in it.
    """

    workload: str
    position: int
    planner: PlannerState | None
    window: WindowState
    partials: list[Load]


class _Member:
    """One workload that has a spec."""

    __slots__ = ("decided_at", "generation", "revision", "scaler", "sequence", "spec", "window")

    def __init__(self, spec: AgentScaler, revision: int, window: Window) -> None:
        self.spec = spec
        self.revision = revision
        self.window = window
        self.scaler = Scaler(spec.workload, spec.spec, window)
        self.decided_at = -math.inf
        self.generation = (0, 0)
        self.sequence = 0

    def state(self) -> PlannerState:
        """All that is known of it, but for its window."""
        written = self.spec.model_dump_json(by_alias=True, exclude_unset=True)
        return PlannerState(
            revision=self.revision,
            spec=written.encode(),
            generation=self.generation,
            sequence=self.sequence,
            decided_at=self.decided_at,
            scaler=self.scaler.state(),
        )

    @classmethod
    def restored(cls, state: PlannerState, window: Window) -> _Member:
        """The member of a state.  Raises ``ValueError`` when its spec cannot be read."""
        spec = AgentScaler.model_validate_json(state.spec)
        made = cls(spec, state.revision, window)
        made.scaler = Scaler.restored(spec.workload, spec.spec, window, state.scaler)
        made.generation, made.sequence = state.generation, state.sequence
        made.decided_at = state.decided_at
        return made

    def next_epoch(self, step: Step) -> Epoch:
        """The next epoch: the sequence starts anew with each (era, generation)."""
        if (step.era, step.generation) != self.generation:
            self.generation = (step.era, step.generation)
            self.sequence = 0
        self.sequence += 1
        return Epoch(self.revision, step.era, step.generation, self.sequence)


NOTHING = StepResult(forecasts=(), proposals=(), decisions=())


class Fleet:
    """All workloads of one load partition."""

    def __init__(self, *, lateness_s: float, valid_s: float) -> None:
        """``lateness_s``: see ``Merge``; ``valid_s``: how long a decision may be applied."""
        self.merge = Merge(lateness_s=lateness_s)
        self._lateness_s = lateness_s
        self._valid_s = valid_s
        self._members: dict[str, _Member] = {}

    def apply(self, step: Step, *, without: AbstractSet[str] = frozenset()) -> StepResult:
        """Apply one step and decide.  Workloads decide in the order of their names.

        ``without``: workloads that have had this step already, from a snapshot.
        """
        if step.relearn:
            self._relearn(step, without)
            return NOTHING
        touched: set[str] = set()
        for change in step.specs:
            if change.workload not in without:
                self._respec(change)
                touched.add(change.workload)
        closed = False
        before = self.merge.closed_through
        for record in step.records:
            if isinstance(record, Load):
                if record.workload not in without and self._observe(record):
                    touched.add(record.workload)
            else:
                closed |= self.merge.progress(record)
        through = self.merge.closed_through
        ended: list[str] = []
        if closed and through is not None:
            ended = [
                name
                for name, held in self._members.items()
                if name not in without and held.scaler.close(through)
            ]
            self._forget_silent(before, through)
        if not step.live:
            return NOTHING
        touched.update(ended)
        if step.tick:
            # What was decided within the last second has nothing new to say of silence.
            since = step.now - QUIET_S
            touched.update(
                [
                    name
                    for name, held in self._members.items()
                    if held.decided_at <= since and name not in without
                ]
            )
        return self._decide(step, sorted(touched & self._members.keys()), sorted(ended))

    def workloads(self) -> tuple[str, ...]:
        """Names of the workloads that have a spec, sorted."""
        return tuple(sorted(self._members))

    def scaler(self, workload: str) -> Scaler:
        """The planner of a workload.  Raises ``KeyError`` for one that has no spec."""
        return self._members[workload].scaler

    def revisions(self) -> dict[str, int]:
        """Revision of the spec of each workload that has one."""
        return {name: held.revision for name, held in self._members.items()}

    def heard_of(self) -> list[str]:
        """Every workload that there is a state of, with a spec or without, sorted."""
        return sorted(self.merge.workloads() | self._members.keys())

    def states(self, workloads: Sequence[str], position: int) -> list[MemberState]:
        """The states of some workloads after the step before ``position``; the gone are left out.

        What is returned shares memory with the fleet: encode it before the next step.
        """
        known = self.merge.workloads() | self._members.keys()
        wanted = [name for name in workloads if name in known]
        partials = self.merge.open_partials(set(wanted))
        return [
            MemberState(
                workload=name,
                position=position,
                planner=None if (held := self._members.get(name)) is None else held.state(),
                window=self.merge.window(name).state(),
                partials=partials[name],
            )
            for name in wanted
        ]

    def restore(self, state: MemberState) -> None:
        """Take up a workload.  Raises ``ValueError`` when the state cannot be one."""
        window = Window.restored(state.window)
        if state.planner is not None:
            member = _Member.restored(state.planner, window)
            if member.spec.workload != state.workload:
                raise ValueError(f"the spec is of {member.spec.workload}, not {state.workload}")
            self._members[state.workload] = member
        self.merge.restore_window(state.workload, window, state.partials)

    def _relearn(self, step: Step, without: AbstractSet[str]) -> None:
        """Learn the past of some workloads in a fleet of their own, and take it over.

        As time went: what is complete is looked at after each word of progress, because a window
        holds no more than its last seconds.
        """
        names = set(step.relearn) - without
        apart = Fleet(lateness_s=self._lateness_s, valid_s=self._valid_s)
        specs = tuple(change for change in step.specs if change.workload in names)
        held: list[Load | Progress] = []
        for record in step.records:
            if isinstance(record, Progress) or record.workload in names:
                held.append(record)
            if isinstance(record, Progress):
                apart.apply(_learning(step, specs, held))
                specs, held = (), []
        apart.apply(_learning(step, specs, held))
        for state in apart.states(sorted(names), 0):
            self.restore(state)

    def _forget_silent(self, before: int | None, through: int) -> None:
        """Once a minute, what has been heard of workloads without a spec, and is over."""
        if before is not None and before // PRUNE_S < through // PRUNE_S:
            self.merge.prune(self._members.keys())

    def _respec(self, change: SpecChange) -> None:
        member = self._members.get(change.workload)
        if change.spec is None:
            self._members.pop(change.workload, None)
            return
        if member is not None:
            member.spec = change.spec
            member.revision = change.revision
            member.scaler.update_spec(change.spec.spec)
            return
        # Telemetry may have come before its spec: what the window holds is not thrown away.
        window = self.merge.window(change.workload)
        member = self._members[change.workload] = _Member(change.spec, change.revision, window)
        if self.merge.closed_through is not None:
            member.scaler.close(self.merge.closed_through)

    def _observe(self, load: Load) -> bool:
        merged = self.merge.add(load)
        if merged is None:
            return False
        member = self._members.get(load.workload)
        if member is None:
            return False
        if merged.late:
            member.scaler.corrected(load)
        return True

    def _decide(self, step: Step, names: list[str], ended: list[str]) -> StepResult:
        forecasts: list[Forecast] = []
        proposals: list[Proposal] = []
        decisions: list[Decision] = []
        for name in ended:
            forecast = self._members[name].scaler.forecast()
            if forecast is not None:
                forecasts.append(forecast)
        for name in names:
            member = self._members[name]
            member.decided_at = step.now
            verdict = member.scaler.decide(step.now, member.window.cause)
            if isinstance(verdict, Hold):
                continue
            decision = self._decision(step, member, verdict)
            member.scaler.accept(decision)
            pool = member.spec.spec.pool
            if pool is None:
                decisions.append(decision)
            else:
                proposals.append(_proposal(pool, member, decision))
        return StepResult(
            forecasts=tuple(forecasts), proposals=tuple(proposals), decisions=tuple(decisions)
        )

    def _decision(self, step: Step, member: _Member, verdict: Verdict) -> Decision:
        epoch = member.next_epoch(step)
        workload = member.spec.workload
        return Decision(
            id=decision_id(workload, epoch),
            workload=workload,
            epoch=epoch,
            at=step.now,
            valid_until=step.now + self._valid_s,
            mode=verdict.mode,
            from_=verdict.from_,
            to=verdict.to,
            reason=verdict.reason,
            trail=verdict.trail,
            inputs=verdict.inputs,
            model=verdict.model,
            binding=verdict.binding,
            alternatives=verdict.alternatives,
            sizing=verdict.sizing,
        )


def _learning(step: Step, specs: Sequence[SpecChange], held: Sequence[Load | Progress]) -> Step:
    """A part of the past of ``step``, to learn from alone."""
    return Step(
        now=step.now,
        generation=step.generation,
        era=step.era,
        specs=tuple(specs),
        records=tuple(held),
        live=False,
    )


def _proposal(pool: str, member: _Member, decision: Decision) -> Proposal:
    spec, scaler = member.spec.spec, member.scaler
    return Proposal(
        pool=pool,
        weight=spec.weight,
        min_replicas=scaler.conditions.limits.at(decision.at, scaler.horizon_s).min,
        resources=dict(spec.resources),
        wanted=decision,
    )

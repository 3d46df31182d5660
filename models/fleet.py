"""Fleet: the workloads of one load partition; the object that live, replay and backtest drive.

Rule: state changes only by ``apply(step)``; nothing here knows what time it is but by the step.
Flow: Step -> merge -> Scalers -> StepResult.
"""

from __future__ import annotations

from models.domain.decision import Cause, Decision, Epoch, Hold, decision_id
from models.domain.forecast import Forecast, Proposal
from models.domain.load import Load
from models.domain.spec import AgentScaler
from models.merge import Merge
from models.scaler import Scaler
from models.step import SpecChange, Step, StepResult
from models.verdict import Verdict


class _Member:
    """One workload that has a spec."""

    __slots__ = ("cause", "forecast", "generation", "revision", "scaler", "sequence", "spec")

    def __init__(self, spec: AgentScaler, revision: int) -> None:
        self.spec = spec
        self.revision = revision
        self.scaler = Scaler(spec.workload, spec.spec)
        self.cause: Cause | None = None
        self.forecast: Forecast | None = None
        self.generation = (0, 0)
        self.sequence = 0

    def next_epoch(self, step: Step) -> Epoch:
        """The next epoch: the sequence starts anew with each (era, generation)."""
        if (step.era, step.generation) != self.generation:
            self.generation = (step.era, step.generation)
            self.sequence = 0
        self.sequence += 1
        return Epoch(self.revision, step.era, step.generation, self.sequence)


class Fleet:
    """All workloads of one load partition."""

    def __init__(self, *, lateness_s: float, valid_s: float) -> None:
        """``lateness_s``: see ``Merge``; ``valid_s``: how long a decision may be applied."""
        self.merge = Merge(lateness_s=lateness_s)
        self._valid_s = valid_s
        self._members: dict[str, _Member] = {}

    def apply(self, step: Step) -> StepResult:
        """Apply one step and decide.  Workloads decide in the order of their names."""
        touched: set[str] = set()
        for change in step.specs:
            self._respec(change)
            touched.add(change.workload)
        closed = False
        for record in step.records:
            if isinstance(record, Load):
                if self._observe(record):
                    touched.add(record.workload)
            else:
                closed |= self.merge.progress(record)
        through = self.merge.closed_through
        if closed and through is not None:
            for member in self._members.values():
                member.scaler.close(through)
        if not step.live:
            return StepResult(forecasts=(), proposals=(), decisions=())
        names = sorted(self._members) if step.tick else sorted(touched & self._members.keys())
        return self._decide(step, names, closed=closed)

    def workloads(self) -> tuple[str, ...]:
        """Names of the workloads that have a spec, sorted."""
        return tuple(sorted(self._members))

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
        member = self._members[change.workload] = _Member(change.spec, change.revision)
        # Telemetry may have come before its spec: what is still held is not thrown away.
        for second in self.merge.seconds(change.workload):
            member.scaler.observe(second)
        for load in self.merge.partials(change.workload):
            self._gauges(member, load, load.started_s)
        if self.merge.closed_through is not None:
            member.scaler.close(self.merge.closed_through)

    def _observe(self, load: Load) -> bool:
        merged = self.merge.add(load)
        if merged is None:
            return False
        member = self._members.get(load.workload)
        if member is None:
            return False
        member.scaler.observe(merged.second)
        self._gauges(member, load, merged.started_s)
        return True

    @staticmethod
    def _gauges(member: _Member, load: Load, started_s: tuple[float, ...]) -> None:
        for pod, gauge in load.pods.items():
            member.scaler.observe_pod(pod, gauge)
        for variant, report in load.replicas.items():
            member.scaler.observe_replicas(variant, report)
        # Start-up times carry no variant of their own when there is but one.
        variant = next(iter(load.replicas), "default")
        for value in started_s:
            member.scaler.observe_started(variant, value)
        at = load.sent_us / 1e6
        if member.cause is None or at >= member.cause.at:
            member.cause = Cause(source=load.source, offset=load.reach, at=at)

    def _decide(self, step: Step, names: list[str], *, closed: bool) -> StepResult:
        forecasts: list[Forecast] = []
        proposals: list[Proposal] = []
        decisions: list[Decision] = []
        if closed:
            for name in sorted(self._members):
                member = self._members[name]
                forecast = member.scaler.forecast(step.now)
                if forecast is not None and forecast != member.forecast:
                    member.forecast = forecast
                    forecasts.append(forecast)
        for name in names:
            member = self._members[name]
            verdict = member.scaler.decide(step.now, member.cause)
            if isinstance(verdict, Hold):
                continue
            decision = self._decision(step, member, verdict)
            member.scaler.accept(decision)
            pool = member.spec.spec.pool
            if pool is None:
                decisions.append(decision)
            else:
                proposals.append(_proposal(pool, member.spec, decision))
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
        )


def _proposal(pool: str, spec: AgentScaler, decision: Decision) -> Proposal:
    return Proposal(
        pool=pool,
        weight=spec.spec.weight,
        min_replicas=spec.spec.replicas.min,
        resources=dict(spec.spec.resources),
        wanted=decision,
    )

"""The Scaler: one workload, from seconds to a verdict.

Rule: no clock, no I/O; every change of state comes by a method call with its own time, so that
the same calls give the same verdicts.  ``decide`` records the wish it made, nothing else.
Flow: Second, gauges -> observe; complete seconds -> close; now -> decide.
"""

from __future__ import annotations

import math
from collections import deque

from models import sketch
from models.demand import LATENCY_S, STEP_S, DemandMeter
from models.domain.decision import Cause, Decision, Hold, Reason, State
from models.domain.forecast import Forecast
from models.domain.load import DEFAULT_VARIANT, PodGauge, ReplicaGauge
from models.domain.spec import ScalerSpec
from models.explanation import Explained, Known, verdict
from models.forecasting.forecaster import Forecaster
from models.horizon import StartUp
from models.policy import GUARDS, Context, Mark
from models.second import Second
from models.verdict import Verdict

LEVEL = 0.9
"""Quantile of demand that is sized for; sizing to the violation budget itself comes later."""

SLO_LEVEL = 0.95
"""Quantile of latency that is held against the SLO where latency alone decides."""

LATENCY_STEP = 0.25
LATENCY_STEP_S = 15
"""Where latency alone decides: a quarter more, at most every 15 s, HPA's period."""

WISHES_KEPT_S = 3600.0
"""HPA's longest stabilisation window."""

BOOT_STEPS = 60
"""Steps that may be learned at once when a workload's past is read for the first time."""


class Scaler:
    """One workload."""

    def __init__(self, workload: str, spec: ScalerSpec) -> None:
        """Knows nothing but its spec."""
        self.workload = workload
        self.spec = spec
        self.demand = _meter(spec)
        self.start_up = StartUp()
        self.forecaster = Forecaster()
        self.corrections = 0
        self._closed: int | None = None
        self._next_step: int | None = None
        self._replicas: dict[str, ReplicaGauge] = {}
        self._wished: deque[tuple[float, int]] = deque()
        self._scaled: deque[tuple[float, int, int]] = deque()
        self._last: Decision | None = None
        self._heard_us: int | None = None

    def update_spec(self, spec: ScalerSpec) -> None:
        """A new spec: what was learned stays, unless demand is measured otherwise."""
        if _meter(spec).measures() != self.demand.measures():
            self.demand = _meter(spec)
            self.forecaster = Forecaster()
            self._next_step = None
        self.spec = spec
        self._last = None

    def observe(self, second: Second) -> None:
        """Totals of one second so far; restates it.  After it was closed, it is a correction."""
        if self._closed is not None and second.second <= self._closed:
            self.corrections += 1
        self.demand.observe(second)

    def observe_pod(self, pod: str, gauge: PodGauge) -> None:
        """Gauges of one pod; the newest counts."""
        self.demand.observe_pod(pod, gauge)

    def observe_replicas(self, variant: str, gauge: ReplicaGauge) -> None:
        """Replicas of one variant as the platform reports them; the newest counts."""
        before = self._replicas.get(variant)
        if before is None or before.at_us <= gauge.at_us:
            self._replicas[variant] = gauge

    def observe_started(self, variant: str, started_s: float) -> None:
        """One start-up time."""
        del variant  # One horizon for all variants until they have capacities of their own.
        self.start_up.observe(started_s)

    @property
    def horizon_s(self) -> float:
        """How far ahead to look: start-up time plus the step it is noticed in, seconds."""
        return self.start_up.seconds() + STEP_S

    def close(self, through: int) -> None:
        """Every second up to ``through`` is complete; one never observed is a true zero."""
        if self._closed is not None and through <= self._closed:
            return
        self._closed = through
        if self.demand.first is None:
            return
        last = (through + 1) // STEP_S - 1
        first = -(-self.demand.first // STEP_S)
        if self._next_step is None:
            self._next_step = max(first, last - BOOT_STEPS)
        for step in range(self._next_step, last + 1):
            self.forecaster.close(
                step,
                self.demand.step(step),
                self.demand.starts(step),
                math.ceil(self.horizon_s / STEP_S),
            )
        self._next_step = max(self._next_step, last + 1)

    def forecast(self, now: float) -> Forecast | None:
        """The forecast of the newest closed step; None before there is one.

        ``at`` is the end of that step, so the record is the same whenever it is asked for.
        """
        del now
        outlook = self.forecaster.outlook
        quantile = self.forecaster.quantile(LEVEL)
        if outlook is None or quantile is None:
            return None
        return Forecast(
            workload=self.workload,
            at=float((outlook.step + 1) * STEP_S),
            horizon_s=float(outlook.horizon_steps * STEP_S),
            unit=self.demand.unit,
            demand=outlook.last,
            centre=outlook.centre,
            quantiles={f"{LEVEL:g}": max(quantile, outlook.centre)},
            trust=outlook.trust,
            model="bayes-lr" if outlook.trust == "predictive" else "last-value",
        )

    def decide(self, now: float, cause: Cause | None) -> Verdict | Hold:
        """What this workload should have at ``now`` (Unix seconds), or why there is no answer."""
        if not self._replicas:
            return Hold(reason="awaiting", why="the platform has not reported replicas yet")
        if self.spec.mode == "Paused":
            return Hold(reason="paused", why="the spec's mode is Paused")
        current = sum(gauge.desired for gauge in self._replicas.values())
        ready = sum(gauge.ready for gauge in self._replicas.values())
        wished = self._wish(now, current, ready)
        if wished is None:
            return Hold(reason="no-data", why="no demand has been seen yet")
        replicas, reason, why = wished
        context = Context(
            now=now,
            spec=self.spec,
            current=current,
            ready=ready,
            starting=sum(gauge.starting for gauge in self._replicas.values()),
            horizon_s=self.horizon_s,
            silent_s=None if self._closed is None else max(now - self._closed - 1, 0.0),
            latency_driven=self.spec.demand.per_replica is None,
            wished=self._wished,
            scaled=self._scaled,
        )
        self._record(now, replicas)
        marks: list[tuple[str, int, Mark]] = []
        final = replicas
        for guard in GUARDS:
            mark = guard(final, context)
            if mark is not None:
                marks.append((guard.__name__, final, mark))
                final = mark.replicas
        return self._settle(context, cause, Explained(replicas, reason, why, tuple(marks), final))

    def accept(self, decision: Decision) -> None:
        """The decision was sent: remember it for the rates and for what is still under way."""
        before = sum(decision.from_.replicas.values())
        after = sum(decision.to.replicas.values())
        self._last = decision
        if after != before:
            self._scaled.append((decision.at, before, after))
            while self._scaled[0][0] < decision.at - WISHES_KEPT_S:
                self._scaled.popleft()

    def _wish(self, now: float, current: int, ready: int) -> tuple[int, Reason, str] | None:
        """Replicas that demand asks for before any guard, and why; None: no demand seen yet."""
        capacity = self.spec.demand.per_replica
        if capacity is None:
            return self._wish_by_latency(now, current)
        short = self.demand.short()
        if short is None:
            return None
        ahead = self.forecaster.quantile(LEVEL)
        per = f"{capacity:g} a replica"
        if ahead is None:
            wish = max(_replicas_for(short, capacity), current)
            return (
                wish,
                Reason.DEMAND,
                f"{short:.2f} {self.demand.unit} now, {per}; no forecast yet",
            )
        if _replicas_for(short, capacity) > _replicas_for(ahead, capacity):
            reason = Reason.BURST if short > ready * capacity else Reason.DEMAND
            why = f"{short:.2f} {self.demand.unit} in the last {self.demand.window_s} s, {per}"
            return _replicas_for(short, capacity), reason, why
        why = f"{ahead:.2f} {self.demand.unit} in {self.horizon_s:.0f} s at q{LEVEL:g}, {per}"
        return _replicas_for(ahead, capacity), Reason.FORECAST, why

    def _wish_by_latency(self, now: float, current: int) -> tuple[int, Reason, str]:
        """Capacity is not known: latency alone decides, only upwards, one step at a time.

        After a step its effect is waited for, or the same slow requests would ask again.
        """
        slo = self.spec.slo
        latency = self.latency_s(LATENCY_STEP_S)
        last = self._scaled[-1][0] if self._scaled else None
        waiting = last is not None and now - last <= LATENCY_STEP_S
        if slo is not None and latency is not None and latency > slo.latency_seconds:
            if waiting:
                return current, Reason.CAPACITY_LEARNING, "waiting for the last step's effect"
            step = max(1, math.ceil(current * LATENCY_STEP))
            why = f"p{SLO_LEVEL * 100:g} latency {latency:.2f} s, SLO {slo.latency_seconds:g} s"
            return current + step, Reason.SLO_MISSED, why
        return current, Reason.CAPACITY_LEARNING, "capacity per replica is not given"

    def latency_s(self, seconds: int = LATENCY_S) -> float | None:
        """The SLO's quantile of latency over the last ``seconds``; None: nothing finished."""
        if self.demand.newest is None:
            return None
        return sketch.quantile(self.demand.latencies(self.demand.newest, seconds), SLO_LEVEL)

    def _record(self, now: float, wish: int) -> None:
        """Keep wishes; of equal ones in a row within a second the newest is enough."""
        wished = self._wished
        repeated = len(wished) > 1 and wished[-1][1] == wished[-2][1] == wish
        if repeated and wished[-1][0] - wished[-2][0] < 1.0:
            wished.pop()
        wished.append((now, wish))
        while wished[0][0] < now - WISHES_KEPT_S:
            wished.popleft()

    def _settle(
        self, context: Context, cause: Cause | None, explained: Explained
    ) -> Verdict | Hold:
        before = self._split(context.current, context.current)
        after = self._split(explained.final, context.current)
        last = self._last
        repeats = last is not None and last.to.replicas == after
        alive = last is not None and last.valid_until > context.now
        if after == before or (repeats and alive):
            return Hold(reason="unchanged", why=f"{explained.final} is what is asked for already")
        known = Known(
            spec=self.spec,
            forecaster=self.forecaster,
            level=LEVEL,
            demand=self.demand.short(),
            horizon_s=self.horizon_s,
            latency_s=self.latency_s(),
            corrections=self.corrections,
        )
        return verdict(
            known,
            context,
            cause,
            explained,
            State(replicas=before),
            State(replicas=after),
            reissued=repeats,
        )

    def _split(self, total: int, current: int) -> dict[str, int]:
        """Replicas per variant: the first variant takes what the others do not already have.

        Sharing between variants by cost and capacity is the allocator's, later.
        """
        names = [variant.name for variant in self.spec.variants] or [DEFAULT_VARIANT]
        held = {name: self._replicas[name].desired for name in names if name in self._replicas}
        split = {name: held.get(name, 0) for name in names}
        over = total - sum(split.values())
        for name in names if over > 0 else reversed(names):
            take = max(over, -split[name])
            split[name] += take
            over -= take
        del current
        return split


def _meter(spec: ScalerSpec) -> DemandMeter:
    patience_s = None if spec.slo is None else spec.slo.latency_seconds
    return DemandMeter(spec.demand.unit, patience_s=patience_s)


def _replicas_for(demand: float, capacity: float) -> int:
    """ceil(demand / capacity), with room for the rounding of sums: 16.000000001 / 8 is 2."""
    return math.ceil(demand / capacity - 1e-9)

"""The Scaler: one workload, from seconds to a verdict.

Rule: no clock, no I/O; every change of state comes by a method call with its own time, so that
the same calls give the same verdicts.  ``decide`` records the wish it made, nothing else.
Flow: Window; complete seconds -> close; now -> decide.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

from msgspec import Struct

from models import by_latency, sketch
from models.capacity import UNITS, Learner, LearnerState
from models.conditions import Conditions, ConditionsState
from models.demand import STEP_S, DemandMeter, Unit
from models.domain.decision import Cause, Decision, Hold, Reason, State
from models.domain.forecast import Forecast
from models.domain.load import DEFAULT_VARIANT, Load
from models.domain.spec import ScalerSpec, Variant
from models.explanation import Explained, Known, verdict
from models.forecasting.forecaster import Forecaster
from models.forecasting.outlook import ForecasterState, Outlook
from models.policy import GUARDS, Context, Mark, Wishes
from models.policy.context import MISSING_S
from models.policy.drain import leaving
from models.policy.stabilization import down_window_s, latency_window_s
from models.policy.tolerance import DOWN_DEFAULT, tolerated
from models.sizing import Sizing, SizingState, Stride
from models.variants import split
from models.verdict import Verdict
from models.window import Window
from models.wish import BY_DEMAND, Terms, Wish, replicas_for, words

LEVEL = 0.95
"""Quantile of demand that forecasts are published with, and sized to while they are cold."""

BUDGET = 0.01
"""Share of requests that may miss the SLO where the spec has none."""

UNCHANGED = Hold(reason="unchanged", why="what is asked for is there or on its way")
AWAITING = Hold(reason="awaiting", why="the platform has not reported replicas yet")
PAUSED = Hold(reason="paused", why="the spec's mode is Paused")
NO_DATA = Hold(reason="no-data", why="no demand has been seen yet")


class ScalerState(Struct, frozen=True, array_like=True):
    """A scaler as a snapshot has it, without its spec and its window."""

    corrections: int
    closed: int | None
    next_step: int | None
    highs: list[tuple[float, int]]
    lows: list[tuple[float, int]]
    scaled: list[tuple[float, int, int]]
    last: tuple[dict[str, int], float] | None
    measures: tuple[Unit, int]
    forecaster: ForecasterState
    sizing: SizingState
    stood: int | None
    conditions: ConditionsState
    learner: LearnerState | None


class Scaler:
    """One workload."""

    __slots__ = (
        "_closed",
        "_last",
        "_next_step",
        "_scaled",
        "_stood",
        "_wished",
        "conditions",
        "corrections",
        "demand",
        "forecaster",
        "learner",
        "sizing",
        "spec",
        "window",
        "workload",
    )

    def __init__(self, workload: str, spec: ScalerSpec, window: Window) -> None:
        """Knows its spec, and what ``window`` has seen."""
        self.workload = workload
        self.spec = spec
        self.window = window
        self.conditions = Conditions(spec, window)
        self.learner = _learner(window, spec)
        self.demand = self._meter(spec)
        self.forecaster = Forecaster()
        self.sizing = Sizing(STEP_S)
        self._stood: int | None = None
        """Replicas ready when the last step ended."""
        self.corrections = 0
        self._closed: int | None = None
        self._next_step: int | None = None
        self._wished = Wishes()
        self._scaled: list[tuple[float, int, int]] = []
        self._last: tuple[dict[str, int], float] | None = None
        """What was decided last, and until when it is valid."""

    def update_spec(self, spec: ScalerSpec) -> None:
        """A new spec: what was learned stays, unless demand is measured otherwise."""
        learner = _learner(self.window, spec)
        if learner is None or self.learner is None or not self.learner.respec(learner):
            self.learner = learner
        self._measure(spec)
        if _names(spec) != _names(self.spec):
            # What was reported of targets that are no more would count as replicas for ever.
            names, reported = _names(spec), self.window.replicas
            self.window.replicas = {name: reported[name] for name in names if name in reported}
        self.spec = spec
        self.conditions.respec(spec)
        self._last = None

    def _measure(self, spec: ScalerSpec) -> None:
        """Measure demand as the spec, or what was learned, says."""
        meter = self._meter(spec)
        if meter.measures() != self.demand.measures():
            self.forecaster = Forecaster()
            self.sizing = Sizing(STEP_S)
            self._next_step = None
        self.demand = meter

    def capacity(self) -> float | None:
        """What a ready replica serves within the SLO: as given, else as learned; None: unknown."""
        given = self.spec.demand.per_replica
        return given if given is not None or self.learner is None else self.learner.value

    def corrected(self, load: Load) -> None:
        """A second changed after it was closed."""
        self.corrections += 1
        self.conditions.late(load)

    @property
    def horizon_s(self) -> float:
        """How far ahead to look: start-up time plus the step it is noticed in, seconds."""
        growing = [v.name for v in self.spec.variants if v.max is None or self._desired(v) < v.max]
        return self.window.start_up.seconds(growing) + STEP_S

    def _desired(self, variant: Variant) -> int:
        reported = self.window.replicas.get(variant.name)
        return 0 if reported is None else reported.desired

    def close(self, through: int) -> bool:
        """Every second up to ``through`` is complete; one never heard of is a true zero.

        True when a step of the learner's grid ended, so that there is a new forecast.
        """
        if self._closed is not None and through <= self._closed:
            return False
        self.conditions.close(self._closed, through)
        self._closed = through
        first = self.demand.first_step()
        if first is None:
            return False
        if self._next_step is None:
            self._next_step = first
        last = self.demand.last_step(through)
        ended = False
        for step in range(max(self._next_step, first), last + 1):
            value = self.demand.step(step)
            if value is None:
                continue
            ahead = math.ceil(self.horizon_s / STEP_S)
            self.forecaster.close(step, value, self.demand.starts(step), ahead)
            self._size(step, value)
            ended = True
        self._next_step = max(self._next_step, last + 1)
        if ended:
            self.conditions.step(through)
        if self.learner is not None and self.learner.close(through, due=ended):
            self._measure(self.spec)
        return ended

    def _size(self, step: int, value: float) -> None:
        """Score what could have been done in a step that is over, and what was done."""
        outlook, spec = self.forecaster.outlook, self.spec
        capacity = self.capacity()
        if capacity is None or outlook is None:
            return
        reported = self.window.replicas.values()
        ready = sum(gauge.ready for gauge in reported) if reported else None
        stood, self._stood = self._stood, ready
        tolerance = spec.behavior.scale_down.tolerance
        centre, scale = self._outlook(outlook)
        limits = self.conditions.limits.at(float(self.demand.end_of(step)), self.horizon_s)
        self.sizing.close(
            Stride(
                demand=value,
                requests=self.demand.requests(step),
                patience_steps=self.demand.patience_steps,
                centre=centre,
                scale=scale,
                horizon_s=self.horizon_s,
                startup_steps=math.ceil(self.horizon_s / STEP_S) - 1,
                capacity=capacity,
                least=limits.min,
                most=limits.max,
                tolerance=DOWN_DEFAULT if tolerance is None else tolerance,
                budget=BUDGET if spec.slo is None else spec.slo.violations,
                desired=sum(gauge.desired for gauge in reported) if reported else None,
                ready=ready if stood is None or ready is None else min(ready, stood),
                slow=self._slow(step),
                open=self.demand.open,
                acting=spec.mode == "Active" and not spec.pause.any,
                window_s=spec.behavior.scale_down.stabilization_window_seconds,
            )
        )

    def _slow(self, step: int) -> tuple[int, int] | None:
        """Of the newest requests that ended, how many missed the SLO; None: not measured."""
        if self.spec.slo is None:
            return None
        counts, dropped = self.window.ended_of(self.demand.end_of(step) - 1)
        total = sum(counts.values()) + dropped
        slow = sketch.slower(counts, self.spec.slo.latency_seconds) + dropped
        return (slow, total) if total else None

    def _outlook(self, outlook: Outlook) -> tuple[float, float]:
        """Centre and scale of what is ahead; while cold it is wide, and not a matter of margins."""
        if outlook.trust == "cold":
            return self.forecaster.quantile(LEVEL) or outlook.last, 0.0
        return outlook.centre, outlook.scale

    def _ahead(self) -> float | None:
        """Demand to size for at the horizon; None before a step is over."""
        if self.forecaster.outlook is None:
            return None
        centre, scale = self._outlook(self.forecaster.outlook)
        scale = self.sizing.scale(centre, scale, self.demand.patience_steps)
        return max(centre + self.sizing.margin * scale, 0.0)

    def forecast(self) -> Forecast | None:
        """The forecast of the newest closed step; None before there is one.

        ``at`` is the end of that step, so the record is the same whenever it is asked for.
        """
        outlook = self.forecaster.outlook
        quantile = self.forecaster.quantile(LEVEL)
        if outlook is None or quantile is None:
            return None
        return Forecast(
            workload=self.workload,
            at=float(self.demand.end_of(outlook.step)),
            horizon_s=float(outlook.horizon_steps * STEP_S),
            unit=self.demand.unit,
            demand=outlook.last,
            centre=outlook.centre,
            quantiles={f"{LEVEL:g}": max(quantile, outlook.centre)},
            trust=outlook.trust,
            model="mixture" if outlook.trust == "predictive" else "last-value",
        )

    def decide(self, now: float, cause: Cause | None) -> Verdict | Hold:
        """What this workload should have at ``now`` (Unix seconds), or why there is no answer."""
        reported = self.window.replicas
        if not reported:
            return AWAITING
        paused = self.spec.mode == "Paused"
        current = ready = starting = 0
        for gauge in reported.values():
            current += gauge.desired
            ready += gauge.ready
            starting += gauge.starting
        if paused or not self._wished.highs:
            self._wished.add(now, current)  # What stands now is what stabilisation begins with.
        if paused:
            return PAUSED
        wished = self._wish(now, current, ready)
        if wished is None:
            return NO_DATA
        learner = self.learner
        if learner is not None and learner.value is not None:
            since_s = self._since(now)
            wished = by_latency.held(wished, self.window, learner, current, starting, since_s)
        conditions, closed = self.conditions, self._closed
        if conditions.quiet is not None and self._nothing_wished():
            wished = Wish(0, Reason.IDLE, "quiet", float(conditions.quiet_s(closed)))
        replicas = wished.replicas
        self._wished.add(now, replicas)
        silent_s = None if closed is None else max(now - closed - 1, 0.0)
        if silent_s is not None and self.demand.stale(int(now)):
            silent_s = max(silent_s, now - (self.window.last_gauge or 0) - 1)
        limits = conditions.limits.fixed or conditions.limits.at(now, self.horizon_s)
        missing = silent_s is not None and silent_s > MISSING_S
        if (
            not missing
            and limits.min <= current <= limits.max
            and not conditions.moves(replicas, current, closed)
            and self._stays(replicas, current, now)
        ):
            return UNCHANGED
        context = Context(
            now=now,
            spec=self.spec,
            current=current,
            ready=ready,
            starting=starting,
            horizon_s=self.horizon_s,
            silent_s=silent_s,
            latency_driven=self.capacity() is None,
            wished=self._wished,
            scaled=self._done(current),
            window_s=self._window_s,
            limits=limits,
            quiet_s=conditions.quiet_s(closed),
            event_s=conditions.event_s(closed),
            in_flight=conditions.in_flight(),
            ended_per_s=conditions.ended_per_s(ready),
            frozen=conditions.frozen,
            doublings=conditions.swings.doublings(now),
        )
        return self._guarded(wished, context, cause)

    @property
    def _window_s(self) -> float:
        """The scale-in window where the user set none: the followed candidate's."""
        if self.capacity() is None:
            return latency_window_s(self.horizon_s)
        return float(self.sizing.window_s)

    def _guarded(self, wished: Wish, context: Context, cause: Cause | None) -> Verdict | Hold:
        """What the guards make of a wish, unless it is what is there or was decided already."""
        marks: list[tuple[str, int, Mark]] = []
        final = wished.replicas
        for guard in GUARDS:
            mark = guard(final, context)
            if mark is not None:
                marks.append((guard.__name__, final, mark))
                final = mark.replicas
        if final == context.current:
            return UNCHANGED
        variants, reported = self.spec.variants, self.window.replicas
        before, after = (split(total, variants, reported) for total in (context.current, final))
        last = self._last
        repeats = last is not None and last[0] == after
        alive = last is not None and last[1] > context.now
        if after == before or (repeats and alive):
            return UNCHANGED
        why = words(wished, self._terms())
        demand = wished.value if wished.kind in BY_DEMAND else None
        explained = Explained(wished.replicas, wished.reason, why, demand, tuple(marks), final)
        return verdict(
            self._known(),
            context,
            cause,
            explained,
            State(replicas=before),
            State(replicas=after, leaving=leaving(final, context)),
            reissued=repeats,
        )

    def _nothing_wished(self) -> bool:
        """Silent for long enough, and expected to stay so: the median asks for no replica."""
        if not self.conditions.silent(self._closed):
            return False
        outlook, capacity = self.forecaster.outlook, self.capacity()
        return outlook is None or capacity is None or outlook.centre < capacity / 2

    def _stays(self, replicas: int, current: int, now: float) -> bool:
        """Whether the guards would come back to ``current``, which most often they do.

        It is known without asking them where there is no change, where it is within tolerance,
        and where a scale-in is held by a wish of its window; only then is it True.
        """
        if replicas == current or tolerated(replicas, current, self.spec.behavior):
            return True
        if replicas > current:
            return False
        highest = self._wished.highest(now - down_window_s(self.spec, self._window_s))
        return highest is not None and highest >= current

    def _done(self, current: int) -> Sequence[tuple[float, int, int]]:
        """Changes that were ordered, without the newest if it was not carried out."""
        scaled = self._scaled
        return scaled[:-1] if scaled and scaled[-1][1] == current else scaled

    def accept(self, decision: Decision) -> None:
        """The decision was sent: remember it for the rates and for what is still under way."""
        before = sum(decision.from_.replicas.values())
        after = sum(decision.to.replicas.values())
        self._last = decision.to.replicas, decision.valid_until
        if after != before:
            window_s = down_window_s(self.spec, self._window_s)
            self.conditions.ordered(decision.at, before, after, window_s)
            self._scaled.append((decision.at, before, after))
            behavior = self.spec.behavior
            policies = [
                *(behavior.scale_up.policies or ()),
                *(behavior.scale_down.policies or ()),
            ]
            kept_s = max(
                [
                    by_latency.STEP_S,
                    self.conditions.kept_s(),
                    *(policy.period_seconds for policy in policies),
                ]
            )
            while self._scaled[0][0] < decision.at - kept_s:
                self._scaled.pop(0)

    def _wish(self, now: float, current: int, ready: int) -> Wish | None:
        """Replicas that demand asks for before any guard, and why; None: no demand seen yet."""
        capacity = self.capacity()
        if capacity is None:
            return by_latency.upwards(self.window, self.learner, current, self._since(now))
        short = self.demand.short(self._closed)
        if short is None:
            return None
        outlook, sizing = self.forecaster.outlook, self.sizing
        if outlook is None:
            replicas = max(replicas_for(short, capacity), current)
            return Wish(replicas, Reason.DEMAND, "short", short)
        # A rise that is no noise counts at once; what may be noise, when its step is over.
        rises = self.demand.surely(short, self._closed) > sizing.now
        present = short if rises else sizing.now
        ahead = self._ahead() or 0.0
        if sizing.projected > max(present, ahead):
            projected = sizing.projected
            return Wish(replicas_for(projected, capacity), Reason.BURST, "ramp", projected)
        now_wanted, ahead_wanted = replicas_for(present, capacity), replicas_for(ahead, capacity)
        if now_wanted > ahead_wanted:
            reason = Reason.BURST if present > ready * capacity else Reason.DEMAND
            return Wish(now_wanted, reason, "newest", present)
        return Wish(ahead_wanted, Reason.FORECAST, "ahead", ahead)

    def _since(self, now: float) -> float:
        """Seconds since replicas were last changed."""
        return now - self._scaled[-1][0] if self._scaled else math.inf

    def _terms(self) -> Terms:
        """What a wish is told with."""
        spec, learner, given = self.spec, self.learner, self.spec.demand.per_replica
        learned = "capacity per replica is not given" if learner is None else learner.words()
        return Terms(
            unit=self.demand.unit,
            per=learned if given is None else f"{given:g} a replica",
            horizon_s=self.horizon_s,
            margin=self.sizing.margin,
            level=by_latency.level(learner),
            slo_s=0.0 if spec.slo is None else spec.slo.latency_seconds,
        )

    def _known(self) -> Known:
        return Known(
            spec=self.spec,
            unit=self.demand.unit,
            capacity=self.capacity(),
            forecaster=self.forecaster,
            ahead=self._ahead(),
            sizing=None if self.capacity() is None else self.sizing.info(),
            demand=self.demand.short(self._closed),
            horizon_s=self.horizon_s,
            latency_s=by_latency.latency_s(self.window, self.learner),
            corrections=self.corrections,
        )

    def state(self) -> ScalerState:
        """All that is remembered."""
        return ScalerState(
            corrections=self.corrections,
            closed=self._closed,
            next_step=self._next_step,
            highs=self._wished.highs,
            lows=self._wished.lows,
            scaled=self._scaled,
            last=self._last,
            measures=self.demand.measures(),
            forecaster=self.forecaster.state(),
            sizing=self.sizing.state(),
            stood=self._stood,
            conditions=self.conditions.state(),
            learner=None if self.learner is None else self.learner.state(),
        )

    @classmethod
    def restored(
        cls, workload: str, spec: ScalerSpec, window: Window, state: ScalerState
    ) -> Scaler:
        """The scaler of a state: it goes on as the one that the state was taken of."""
        made = cls(workload, spec, window)
        made.corrections = state.corrections
        made._closed, made._next_step = state.closed, state.next_step
        made._wished.highs, made._wished.lows = state.highs, state.lows
        made._scaled = state.scaled
        made.conditions.restore(state.conditions)
        made._last = state.last
        if spec.slo is not None and state.learner is not None:
            made.learner = Learner.restored(window, spec.slo, state.learner)
            made.demand = made._meter(spec)
        if made.demand.measures() == state.measures:
            made.forecaster = Forecaster.restored(state.forecaster)
            made.sizing = Sizing.restored(STEP_S, state.sizing)
            made._stood = state.stood
        return made

    def _meter(self, spec: ScalerSpec) -> DemandMeter:
        patience_s = None if spec.slo is None else spec.slo.latency_seconds
        return DemandMeter(
            self.window,
            spec.demand.unit if self.learner is None else self.learner.unit,
            patience_s=patience_s,
            phase=zlib.crc32(self.workload.encode()) % STEP_S,
        )


def _names(spec: ScalerSpec) -> tuple[str, ...]:
    """Names that replicas are reported by."""
    return tuple(variant.name for variant in spec.variants) or (DEFAULT_VARIANT,)


def _learner(window: Window, spec: ScalerSpec) -> Learner | None:
    """Who learns the capacity; None: it is given, or there is no SLO to say what capacity is."""
    demand, slo = spec.demand, spec.slo
    if demand.per_replica is not None or slo is None:
        return None
    units = (demand.unit,) if "unit" in demand.model_fields_set else UNITS
    return Learner(window, slo, units)

"""The Scaler: one workload, from seconds to a verdict.

Rule: no clock, no I/O; every change of state comes by a method call with its own time, so that
the same calls give the same verdicts.  ``decide`` records the wish it made, nothing else.
Flow: Window; complete seconds -> close; now -> decide.
"""

from __future__ import annotations

from msgspec import Struct

from models import by_demand, by_latency
from models.capacity import Learner, Mix, MixState
from models.conditions import Conditions, ConditionsState
from models.demand import DemandMeter, Unit
from models.domain.decision import Cause, Decision, Hold, Reason, State
from models.domain.forecast import Forecast
from models.domain.load import Load
from models.domain.spec import ScalerSpec, Variant
from models.edge import Asked
from models.explanation import Explained, Known, verdict
from models.forecasting.outlook import ForecasterState
from models.foresight import Foresight, Given
from models.grid import STEP_S, phase_of
from models.past import Past
from models.policy import Context, guarded, stays
from models.policy.context import MISSING_S
from models.policy.drain import leaving
from models.policy.limits import Bounds
from models.policy.rate import longest_s
from models.policy.stabilization import down_window_s, latency_window_s
from models.policy.telemetry import believed
from models.sizing import SizingState
from models.variants import Counted, counted, names, split
from models.verdict import Verdict
from models.window import Window
from models.wish import BY_DEMAND, Terms, Wish, words

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
    mix: MixState


class Scaler:
    """One workload."""

    __slots__ = (
        "_closed",
        "conditions",
        "corrections",
        "demand",
        "foresight",
        "mix",
        "past",
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
        self.mix = Mix(window, spec)
        self.demand = self._meter(spec)
        self.foresight = Foresight()
        self.past = Past()
        self.corrections = 0
        self._closed: int | None = None

    def update_spec(self, spec: ScalerSpec) -> None:
        """A new spec: what was learned stays, unless demand is measured otherwise."""
        self.mix.respec(spec)
        self._measure(spec)
        if names(spec) != names(self.spec):
            self.window.keep(names(spec))
        self.spec = spec
        self.conditions.respec(spec)
        self.past.last = None

    def _measure(self, spec: ScalerSpec) -> None:
        """Measure demand as the spec, or what was learned, says."""
        meter = self._meter(spec)
        if meter.measures() != self.demand.measures():
            self.foresight.begin()
        self.demand = meter

    def capacity(self) -> float | None:
        """What the mean replica serves within the SLO: as given, else as learned; None: unknown."""
        serves = self.mix.serves()
        return None if serves is None else serves.each

    def capacities(self) -> dict[str, float]:
        """The same of each variant, in the order of the spec, where it is known."""
        return self.mix.capacities()

    @property
    def learner(self) -> Learner | None:
        """Who learns what all replicas together serve; None: it is given, or there is no SLO."""
        return self.mix.whole

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

        Not where there was no word of progress meanwhile: what was not heard of then may have
        been lost on its way, and is unknown.  True when a step of the learner's grid ended, so
        that there is a new forecast.
        """
        closed = self._closed
        if closed is not None and through <= closed:
            return False
        if closed is not None and through - closed > STEP_S:
            closed = self._after_silence(closed, through)
        self.conditions.close(closed, through)
        self._closed = through
        if self.window.first is None:
            return False
        steps = self.foresight.due(self.demand, through)
        ended = bool(steps) and self.foresight.close(steps, self._given())
        if ended:
            self.conditions.step(through, self._asked_for() if self.conditions.edge.tried else None)
        if self.mix.close(through, due=ended):
            self._measure(self.spec)
        return ended

    def _after_silence(self, closed: int, through: int) -> int:
        """The last second before those that are known, of those that are complete all at once."""
        known = self.window.missed(closed + 1, through)
        if known is None:
            return closed
        self.conditions.missed(known)
        return known - 1

    def _given(self) -> Given:
        """What holds while steps are closed."""
        limits = self.conditions.limits
        return Given(self.spec, self.demand, limits, self.horizon_s, self.capacity())

    def forecast(self) -> Forecast | None:
        """The forecast of the newest closed step; None before there is one."""
        return self.foresight.record(self.workload, self.demand)

    def decide(self, now: float, cause: Cause | None) -> Verdict | Hold:
        """What this workload should have at ``now`` (Unix seconds), or why there is no answer."""
        if not self.window.replicas:
            return AWAITING
        stand = counted(self.window.replicas)
        paused, wishes = self.spec.mode == "Paused", self.past.wished
        if paused or not wishes.highs:
            wishes.add(now, stand.desired)  # What stands now is what stabilisation begins with.
        if paused:
            return PAUSED
        wished = self._asked(now, stand)
        if wished is None:
            return NO_DATA
        silent_s, limits = self._silent_s(now), self._limits(now)
        wishes.add(now, believed(wished.replicas, stand.desired, silent_s, self.spec.fallback))
        if (
            (silent_s is None or silent_s <= MISSING_S)
            and limits.min <= stand.desired <= limits.max
            and not self.conditions.moves(wished.replicas, stand.desired, self._closed)
            and stays(
                wished.replicas,
                stand.desired,
                now,
                self.spec,
                wishes,
                self._window_s,
                self.mix.serves(),
                self.conditions.edge.held,
            )
        ):
            return UNCHANGED
        return self._guarded(wished, self._context(now, stand, silent_s, limits), cause)

    def _asked(self, now: float, stand: Counted) -> Wish | None:
        """What is wished for, by demand, by latency and by silence; None: no demand seen yet."""
        wished = self._wish(now, stand.desired, stand.ready)
        learner = self.learner
        if wished is not None and learner is not None and learner.value is not None:
            since_s = self.past.since_s(now)
            wished = by_latency.held(
                wished, self.window, learner, stand.desired, stand.starting, since_s
            )
        if wished is not None and self.conditions.quiet is not None and self._nothing_wished():
            quiet_s = float(self.conditions.quiet_s(self._closed))
            return Wish(0, Reason.IDLE, "quiet", quiet_s)
        return wished

    def _wish(self, now: float, current: int, ready: int) -> Wish | None:
        """Replicas that demand asks for, or latency where nobody knows what they serve."""
        serves = self.mix.serves()
        if serves is None:
            since_s = self.past.since_s(now)
            return by_latency.upwards(self.window, self.learner, current, since_s)
        return by_demand.wanted(self.demand, self.foresight, serves, self._closed, current, ready)

    def _nothing_wished(self) -> bool:
        """Silent for long enough, and expected to stay so: the median asks for no replica."""
        if not self.conditions.silent(self._closed):
            return False
        outlook, capacity = self.foresight.forecaster.outlook, self.capacity()
        return outlook is None or capacity is None or outlook.centre < capacity / 2

    def _silent_s(self, now: float) -> float | None:
        """How long telemetry has been missing; None: no second was ever complete."""
        if self._closed is None:
            return None
        silent_s = max(now - self._closed - 1, 0.0)
        if self.demand.stale(int(now)):
            return max(silent_s, now - (self.window.last_gauge or 0) - 1)
        return silent_s

    def _limits(self, now: float) -> Bounds:
        limits = self.conditions.limits
        return limits.fixed or limits.at(now, self.horizon_s)

    def _context(
        self, now: float, stand: Counted, silent_s: float | None, limits: Bounds
    ) -> Context:
        conditions, closed = self.conditions, self._closed
        return Context(
            now=now,
            spec=self.spec,
            current=stand.desired,
            ready=stand.ready,
            starting=stand.starting,
            horizon_s=self.horizon_s,
            silent_s=silent_s,
            latency_driven=self.capacity() is None,
            wished=self.past.wished,
            scaled=self.past.done(stand.desired),
            window_s=self._window_s,
            limits=limits,
            quiet_s=conditions.quiet_s(closed),
            event_s=conditions.event_s(closed),
            in_flight=conditions.in_flight(),
            sessions=conditions.sessions(),
            ended_per_s=conditions.ended_per_s(stand.ready),
            frozen=conditions.frozen,
            doublings=conditions.swings.doublings(now),
            edge=conditions.edge,
            serves=self.mix.serves(),
        )

    @property
    def _window_s(self) -> float:
        """The scale-in window where the user set none: the followed candidate's."""
        if self.capacity() is None:
            return latency_window_s(self.horizon_s)
        return float(self.foresight.sizing.window_s)

    def _guarded(self, wished: Wish, context: Context, cause: Cause | None) -> Verdict | Hold:
        """What the guards make of a wish, unless it is what is there or was decided already."""
        final, marks = guarded(wished.replicas, context)
        if final == context.current:
            return UNCHANGED
        variants, reported = self.spec.variants, self.window.replicas
        before, after = (split(total, variants, reported) for total in (context.current, final))
        repeats = self.past.repeats(after)
        if after == before or (repeats and self.past.valid(context.now)):
            return UNCHANGED
        why = words(wished, self._terms())
        demand = wished.value if wished.kind in BY_DEMAND else None
        explained = Explained(wished.replicas, wished.reason, why, demand, marks, final)
        return verdict(
            self._known(),
            context,
            cause,
            explained,
            State(replicas=before),
            State(replicas=after, leaving=leaving(final, context)),
            reissued=repeats,
        )

    def accept(self, decision: Decision) -> None:
        """The decision was sent: remember it for the rates and for what is still under way."""
        before = sum(decision.from_.replicas.values())
        after = sum(decision.to.replicas.values())
        self.past.said(decision)
        if after != before:
            window_s = down_window_s(self.spec, self._window_s)
            asked, serves = self._asked_for(before), self.mix.serves()
            self.conditions.ordered(decision.at, before, after, window_s, asked, serves)
            rates_s = longest_s(self.spec.behavior)
            kept_s = max(by_latency.STEP_S, self.conditions.kept_s(), rates_s)
            self.past.ordered(decision.at, before, after, kept_s)

    def _asked_for(self, current: int | None = None) -> Asked | None:
        """What replicas are asked for: in the step that has ended, or now, when ``current`` stand.

        None: not known.
        """
        asked, serves = self.foresight.asked, self.mix.serves()
        if asked is None or serves is None:
            return None
        mean, newest = asked
        if current is not None:
            now = by_demand.wanted(self.demand, self.foresight, serves, self._closed, current, 0)
            newest = newest if now is None else now.value
        return Asked(mean, newest, serves.needed(newest))

    def _terms(self) -> Terms:
        """What a wish is told with."""
        spec = self.spec
        return Terms(
            unit=self.demand.unit,
            per=self.mix.words(),
            horizon_s=self.horizon_s,
            margin=self.foresight.sizing.margin,
            level=by_latency.level(self.learner),
            slo_s=0.0 if spec.slo is None else spec.slo.latency_seconds,
        )

    def _known(self) -> Known:
        return Known(
            spec=self.spec,
            unit=self.demand.unit,
            serves=self.mix.serves(),
            capacities=self.mix.capacities(),
            forecaster=self.foresight.forecaster,
            ahead=self.foresight.ahead(self.demand),
            sizing=None if self.capacity() is None else self.foresight.sizing.info(),
            demand=self.demand.short(self._closed),
            horizon_s=self.horizon_s,
            latency_s=by_latency.latency_s(self.window, self.learner),
            corrections=self.corrections,
        )

    def state(self) -> ScalerState:
        """All that is remembered."""
        next_step, forecaster, sizing, stood = self.foresight.state()
        past = self.past
        return ScalerState(
            corrections=self.corrections,
            closed=self._closed,
            next_step=next_step,
            highs=past.wished.highs,
            lows=past.wished.lows,
            scaled=past.changes,
            last=past.last,
            measures=self.demand.measures(),
            forecaster=forecaster,
            sizing=sizing,
            stood=stood,
            conditions=self.conditions.state(),
            mix=self.mix.state(),
        )

    @classmethod
    def restored(
        cls, workload: str, spec: ScalerSpec, window: Window, state: ScalerState
    ) -> Scaler:
        """The scaler of a state: it goes on as the one that the state was taken of."""
        made = cls(workload, spec, window)
        made.corrections = state.corrections
        made._closed = state.closed
        made.past.wished.highs, made.past.wished.lows = state.highs, state.lows
        made.past.changes, made.past.last = state.scaled, state.last
        made.conditions.restore(state.conditions)
        made.mix.restore(state.mix)
        made.demand = made._meter(spec)
        if made.demand.measures() == state.measures:
            made.foresight.restore(state.next_step, state.forecaster, state.sizing, state.stood)
        return made

    def _meter(self, spec: ScalerSpec) -> DemandMeter:
        patience_s = None if spec.slo is None else spec.slo.latency_seconds
        return DemandMeter(
            self.window,
            self.mix.unit,
            patience_s=patience_s,
            phase=phase_of(self.workload),
        )

"""Conditions: what the guards go by besides numbers: bounds, silence, effects, work in flight.

Rule: what a spec does not ask for is not kept and costs nothing.
Flow: Scaler.close, Scaler.accept -> Conditions -> Context -> guards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from models.domain.load import Load, PodGauge
from models.domain.spec import ScalerSpec
from models.edge import NOWHERE, Asked, Edge
from models.effect import Effect, EffectState, Frozen
from models.in_system import FRESH_S
from models.policy.drain import LEFT_S
from models.policy.limits import Limits
from models.policy.tolerance import down
from models.quiet import Quiet, QuietState
from models.serves import Serves
from models.swings import Swings
from models.window import Window

ENDED_S = 20
"""What replicas end is averaged over so many seconds."""

SILENT_LEAST_S = 10
"""Silence that is shorter says nothing of demand, whatever the cooldown period."""

NOTHING: Mapping[str, int] = {}
NONE = Swings()


class ConditionsState(Struct, frozen=True, array_like=True):
    """As a snapshot has it."""

    quiet: QuietState | None = None
    effect: EffectState | None = None
    swings: Swings = NONE
    edge: Edge = NOWHERE


class Conditions:
    """Of one workload."""

    __slots__ = (
        "_event_s",
        "_heard",
        "_spec",
        "_window",
        "edge",
        "effect",
        "limits",
        "quiet",
        "swings",
    )

    def __init__(self, spec: ScalerSpec, window: Window) -> None:
        """Nothing has happened yet."""
        self._window = window
        self._heard: tuple[int | None, int] | None = None
        self._event_s: float | None = None
        self.quiet: Quiet | None = None
        """Where the spec lets it go to zero, at any time."""
        self.effect: Effect | None = None
        """Where there is an SLO to tell good from bad by."""
        self.swings = NONE
        self.respec(spec)

    def respec(self, spec: ScalerSpec) -> None:
        """A new spec; what it has in common with the last one is kept, of edges nothing."""
        self._spec = spec
        self.edge = NOWHERE
        self.limits = Limits(spec)
        self._heard = None
        if not self.limits.zero:
            self.quiet = None
        elif self.quiet is None:
            self.quiet = Quiet()
        if spec.slo is None:
            self.effect = None
        elif self.effect is None:
            self.effect = Effect()

    def close(self, closed: int | None, through: int) -> None:
        """Seconds after ``closed``, up to ``through``, are complete."""
        if self.quiet is not None:
            self.quiet.close(self._window, through if closed is None else closed + 1, through)

    def missed(self, known: int) -> None:
        """What happened before second ``known`` was in part not heard."""
        if self.quiet is not None:
            self.quiet.missed(known)
            self._heard = None

    def step(self, through: int, asked: Asked | None) -> None:
        """A step of the learner's grid is over with second ``through``.

        ``asked``: None: not known.
        """
        now, edge = through + 1.0, self.edge
        if edge is not NOWHERE:
            tolerance = down(self._spec.behavior)
            self.edge = NOWHERE if asked is None else edge.step(now, asked, tolerance)
        slo = self._spec.slo
        if self.effect is not None and slo is not None:
            ready = sum(gauge.ready for gauge in self._window.replicas.values())
            self.effect.step(now, ready, self._window, slo.latency_seconds, slo.violations)

    def late(self, load: Load) -> None:
        """A partial came for a second that was closed."""
        if self.quiet is not None:
            self.quiet.late(load)
            self._heard = None

    def ordered(
        self,
        at: float,
        before: int,
        after: int,
        window_s: float,
        asked: Asked | None,
        serves: Serves | None,
    ) -> None:
        """A decision was sent, to go from ``before`` to ``after``.

        ``window_s``: how long scale-in is stabilised for; ``asked`` is as for ``step``;
        ``serves``: what replicas do, None: not known.
        """
        self.swings = self.swings.after(at, before, after, window_s, serves)
        if asked is not None:
            tolerance = down(self._spec.behavior)
            self.edge = self.edge.after(at, asked, before, after, tolerance, serves)
        slo = self._spec.slo
        if self.effect is not None and slo is not None and self._spec.mode == "Active":
            self.effect.begin(at, before, after, self._window, slo.latency_seconds)

    def quiet_s(self, closed: int | None) -> int:
        """Complete seconds without anything to do; 0 where nobody looks.

        What was heard of seconds that are not complete ends a silence, and does not prolong it.
        """
        if self.quiet is None or self.event_s(closed) == 0.0:
            return 0
        if closed is not None and self._window.gauges_missing(closed):
            return 0
        return self.quiet.silent_s(closed)

    def event_s(self, closed: int | None) -> float | None:
        """Seconds since something happened; None: it never did, or nobody looks.

        Asked for twice in a decision, and found once: it is new only when something was heard.
        """
        if self.quiet is None:
            return None
        heard = closed, self._window.events
        if heard != self._heard:
            self._heard, self._event_s = heard, self.quiet.event_s(self._window, closed)
        return self._event_s

    def silent(self, closed: int | None) -> bool:
        """Whether it has been silent for so long that nothing more is wished for.

        Where the user has set a stabilisation of scale-in, it begins so long before the cooldown
        period is over: then the last replica is free to go when it is.
        """
        window_s = self._spec.behavior.scale_down.stabilization_window_seconds or 0
        cooldown_s = self._spec.replicas.cooldown_period_seconds
        return self.quiet_s(closed) >= max(cooldown_s - window_s, SILENT_LEAST_S)

    def moves(self, replicas: int, current: int, closed: int | None) -> bool:
        """Whether a guard may move to another number than is known without asking; mostly not."""
        if self._spec.pause.replicas is not None or self.frozen is not None:
            return True
        if self.quiet is None or (replicas and current):
            return False
        cooldown_s = self._spec.replicas.cooldown_period_seconds
        if current:
            return self.quiet_s(closed) >= cooldown_s
        event_s = self.event_s(closed)
        return event_s is not None and event_s <= cooldown_s

    @property
    def frozen(self) -> Frozen | None:
        """What was found to do harm, or nothing."""
        return None if self.effect is None else self.effect.frozen

    def in_flight(self) -> Mapping[str, int]:
        """Requests by pod, as pods reported them lately; none where the spec does not ask for it.

        A report that is ``FRESH_S`` behind what was heard of the workload says nothing of now.
        """
        asked = self._spec.drain
        if asked.budget_seconds is None and not asked.pod_deletion_cost:
            return NOTHING
        return {
            pod: gauge.in_flight + (gauge.queue_depth or 0)
            for pod, gauge in self._lately()
            if gauge.in_flight is not None
        }

    def sessions(self) -> Mapping[str, int]:
        """Sessions by pod that are not over, as ``in_flight``."""
        if not self._spec.drain.pod_deletion_cost:
            return NOTHING
        return {pod: gauge.sessions for pod, gauge in self._lately() if gauge.sessions is not None}

    def _lately(self) -> Iterator[tuple[str, PodGauge]]:
        oldest_us = ((self._window.newest or 0) - FRESH_S) * 1e6
        for pod, gauge in self._window.in_system.pods.items():
            if gauge.at_us >= oldest_us:
                yield pod, gauge

    def ended_per_s(self, ready: int) -> float:
        """Requests that one of ``ready`` replicas ends in a second."""
        newest = self._window.newest or 0
        ended = self._window.total("finished", newest - ENDED_S + 1, newest)
        return ended / ENDED_S / max(ready, 1)

    def kept_s(self) -> float:
        """How long past changes are needed for."""
        drain = self._spec.drain
        named_s = LEFT_S if drain.pod_deletion_cost else 0.0
        counted_s = 0.0 if drain.budget_seconds is None else max(drain.budget_seconds, FRESH_S)
        return max(named_s, counted_s)

    def state(self) -> ConditionsState:
        """All that is remembered."""
        return ConditionsState(
            quiet=None if self.quiet is None else self.quiet.state(),
            effect=None if self.effect is None else self.effect.state(),
            swings=self.swings,
            edge=self.edge,
        )

    def restore(self, state: ConditionsState) -> None:
        """Take up what was remembered, as far as the spec asks for it."""
        self.swings, self.edge = state.swings, state.edge
        if self.quiet is not None and state.quiet is not None:
            self.quiet = Quiet.restored(state.quiet)
            self._heard = None
        if self.effect is not None and state.effect is not None:
            self.effect = Effect.restored(state.effect)

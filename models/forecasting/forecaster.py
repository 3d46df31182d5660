"""The forecaster: a mixture of experts, and how far it misses.

Rule: causal, on the grid of steps; its scale is the workload's own recent misses, so that ten
times the demand is ten times the forecast; it says how far it is to be trusted and why (the trust
gate), with hysteresis.  A gap is no demand of zero: nothing is learned of it.
Flow: DemandMeter steps -> Forecaster -> Outlook -> Scaler.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping

from models.forecasting.bands import ANCHORS, Asked, Bands, Place
from models.forecasting.drift import Drift
from models.forecasting.experts import FURTHEST, NAMES, OWN, PRIOR, Moment, look, pack, unpack
from models.forecasting.grid import keep
from models.forecasting.leads import Leads, Opened
from models.forecasting.levels import Levels
from models.forecasting.mixture import SHARE_HALF_LIFE_S, Mixture
from models.forecasting.outlook import ForecasterState, Outlook
from models.forecasting.promises import MOST, Promise, Promises
from models.forecasting.residual import EVERY_S, FEATURES, HALF_LIFE_S, ResidualModel
from models.forecasting.season import Season
from models.forecasting.spread import PRIOR as PRIOR_MISS
from models.forecasting.spread import Scale, Spread
from models.forecasting.tenants import Tenants, several
from models.forecasting.trust import COLD_LABELS, Gate
from models.grid import STEP_S

VERSION = "mixture/2"

DRIFTED = 0.2
"""What the residuals of before a drift still count."""

APART_S = 30.0
YOUNG_LABELS = 360
"""After an hour of steps promises are made this far apart: those between overlap, tell next to
nothing more, and are two thirds of the work on the live grid."""

SHIFTED = 4.0
"""Scales from the average of 5 minutes beyond which demand is no noise there."""

FOLLOWED_S = 600.0
"""The furthest horizon for which another level is followed: beyond it a crowd may be over."""

_INPUTS = len(FEATURES) + OWN + 1
_ASKED = len(ANCHORS) + 2

_BEGIN = Place(0.0, 1.0)


class Forecaster:
    """One workload's forecaster; ``close`` it step by step, in order."""

    __slots__ = (
        "_bands",
        "_changes",
        "_drift",
        "_gate",
        "_known",
        "_labelled",
        "_labels",
        "_levels",
        "_missed",
        "_mixture",
        "_model",
        "_opened",
        "_place",
        "_promises",
        "_recent",
        "_season",
        "_spread",
        "_tenants",
        "outlook",
        "step_s",
    )

    def __init__(self, step_s: int = STEP_S) -> None:
        """Knows nothing.  ``step_s`` is the grid's step: 10 s live."""
        self.step_s = step_s
        self._model = ResidualModel()
        self._promises = Promises(_ASKED, _INPUTS)
        self._levels = Levels()
        self._season = Season()
        self._opened = Opened()
        self._spread = Spread()
        self._tenants: Tenants | None = None
        """None: demand was never known to be of several tenants."""
        self._mixture = Mixture(PRIOR)
        self._bands = Bands()
        self._place = _BEGIN
        """What the bands of the outlook are taken from."""
        self._drift = Drift()
        self._recent = (-1, 0.0, 0.0)
        self._labels = 0
        self._labelled = -1
        self._missed = 0.0
        """The largest miss, fading."""
        self._gate = Gate()
        self._known: tuple[float, float | None] | None = None
        """(level, quantile) asked for last, until one more step is over."""
        self._changes = array("f")
        """What the experts said of the outlook."""
        self.outlook: Outlook | None = None

    @property
    def learned(self) -> int:
        """Labels learned so far."""
        return self._labels

    def close(
        self,
        step: int,
        value: float,
        leads: Leads,
        horizon_steps: int,
        tenants: Mapping[str, float] | None = None,
    ) -> None:
        """Step ``step`` is over and its value known: learn what was promised of it, look ahead.

        ``tenants`` are parts of ``value`` by tenant; None: they are not known.
        Steps that are left out are gaps; a value that is no demand (NaN, infinite, negative) is
        as if it was left out.
        """
        if not 0.0 <= value < math.inf:
            return
        self._known = None
        self._learn(step, value)
        before, last, started = self._recent
        known = before >= 0
        elapsed_s = float(self.step_s * max(step - before, 1)) if known else float(self.step_s)
        at_s = (step + 0.5) * self.step_s
        self._levels.add(value, elapsed_s, self._unusual(horizon_steps), float(self.step_s))
        self._season.add(at_s, value)
        self._opened.add(leads.sessions, value, elapsed_s)
        scale, day = self._scale(value)
        starts, amount = leads.starts, self._opened.amount()
        adjacent = known and step == before + 1
        said = look(
            self._levels,
            self._season,
            Moment(
                last=value,
                back=value - last if adjacent else 0.0,
                starts=(starts - started) / (1.0 + starts + started) if adjacent else 0.0,
                opened=0.0 if amount is None else amount - value,
                scale=scale,
                at_s=at_s,
                step_s=self.step_s,
                ahead_s=float(horizon_steps * self.step_s),
                tenants=self._summed(step, value, horizon_steps, tenants),
            ),
        )
        self._recent = (step, value, starts)
        lowest = -value / scale
        expert = min(max(self._model.predict(said.features), lowest), FURTHEST)
        changes = (*said.changes, expert)
        self._changes = array("f", changes)
        mixed = max(self._mixture.predict(changes), lowest)
        trust, why = self._gate.trust(self._labels)
        change = mixed if trust == "predictive" else 0.0
        self._place = Place(change, min(day / scale, FURTHEST))
        if step % self._stride(horizon_steps) == 0:
            asked = self._bands.ask(self._place)
            self._promises.add(
                step + horizon_steps,
                value,
                scale if self._labels >= COLD_LABELS else -scale,
                (mixed, *self._place),
                (*asked.band, asked.near, asked.plain),
                pack(said, expert),
            )
        self.outlook = Outlook(
            step=step,
            horizon_steps=horizon_steps,
            last=value,
            centre=max(value + change * scale, 0.0) if change else value,
            scale=scale,
            trust=trust,
            why=why,
        )

    def _summed(
        self, step: int, value: float, horizon_steps: int, tenants: Mapping[str, float] | None
    ) -> float:
        """The change that the sum over tenants says, in demand; NaN: nothing."""
        if tenants is None:
            return math.nan
        if self._tenants is None:
            if not several(tenants, value):
                return math.nan
            self._tenants = Tenants()
        return self._tenants.close(step, tenants, value, horizon_steps, self.step_s)

    def experts(self) -> dict[str, float]:
        """Demand at the horizon as each expert says it, without those who sleep.

        Empty until a step was closed here.
        """
        outlook = self.outlook
        if outlook is None or not self._changes:
            return {}
        return {
            name: max(outlook.last + change * outlook.scale, 0.0)
            for name, change in zip(NAMES, self._changes, strict=True)
            if not math.isnan(change)
        }

    def quantile(self, level: float) -> float | None:
        """Demand at ``level`` at the horizon; None before the first step is closed."""
        if self._known is None or self._known[0] != level:
            self._known = level, self._quantile(level)
        return self._known[1]

    def _quantile(self, level: float) -> float | None:
        outlook = self.outlook
        if outlook is None:
            return None
        scale = outlook.scale
        change = self._bands.quantile(level, self._place)
        if change is not None and outlook.trust != "cold":
            # Scales from a quiet time make giants of a burst's residuals; what is added is never
            # more than was ever missed by within the window.
            reached = min(outlook.last + change * scale, outlook.centre + self._missed)
        else:
            # Nothing is known of tails yet: those of a Laplace distribution, which are wide.
            supposed = math.log(0.5 / max(1.0 - level, 1e-9))
            wide = max(scale, PRIOR_MISS * outlook.last)
            reached = outlook.last + max(change or supposed, supposed) * wide
        return max(reached, 0.0)

    def overload_probability(self, capacity: float) -> float | None:
        """Chance that demand at the horizon exceeds ``capacity``; None while cold."""
        outlook = self.outlook
        if outlook is None or outlook.trust == "cold":
            return None
        if capacity - outlook.centre > self._missed:
            return 0.0  # Never missed by so much within the window.
        return self._bands.above((capacity - outlook.last) / outlook.scale, self._place)

    def _unusual(self, horizon_steps: int) -> float:
        """How far from what it was demand is at another level; infinite where none is followed."""
        outlook = self.outlook
        if outlook is None or outlook.trust == "cold":
            return math.inf
        if horizon_steps * self.step_s > FOLLOWED_S:
            return math.inf
        return SHIFTED * outlook.scale

    def _stride(self, horizon_steps: int) -> int:
        """Of so many steps one is promised: no more than fit, later no closer than ``APART_S``."""
        apart = round(APART_S / self.step_s) if self._labels >= YOUNG_LABELS else 1
        return max(-(-horizon_steps // MOST), min(apart, horizon_steps), 1)

    def _scale(self, newest: float) -> Scale:
        return self._spread.scale(self._levels.averages[1], newest, self.step_s)

    def _learn(self, step: int, value: float) -> None:
        while (due := self._promises.due) is not None and due <= step:
            promise = self._promises.pop()
            if due == step:  # Else its step was a gap, or the horizon was shortened.
                self._settle(promise, value)

    def _settle(self, promise: Promise, value: float) -> None:
        """A promise's step is over, with ``value``."""
        overlap = float(len(self._promises) + 1)
        since = promise.due - self._labelled if self._labels else 1
        elapsed_s = float(self.step_s * max(since, 1))
        self._labels += 1
        self._labelled = promise.due
        scale = abs(promise.scale)
        actual = (value - promise.last) / scale
        centre = max(promise.last + promise.said * scale, 0.0)
        features, changes = unpack(promise.inputs)
        every = max(round(EVERY_S / elapsed_s), 1)
        if self._labels % every == 0:
            kept = keep(HALF_LIFE_S, every * elapsed_s)
            self._model.learn(features, actual, kept)
        kept = keep(SHARE_HALF_LIFE_S, elapsed_s)
        self._mixture.learn(changes, actual, overlap=overlap, kept=kept)
        self._spread.add(abs(value - centre), self._levels.averages[1], elapsed_s)
        faded = keep(HALF_LIFE_S, elapsed_s)
        self._missed = max(self._missed * faded, value - min(centre, promise.last))
        if promise.scale > 0:
            place = Place(promise.said, promise.day)
            asked = Asked(promise.asked[:-2], *promise.asked[-2:])
            self._bands.settle(actual, asked, overlap=overlap, kept=kept)
        else:
            # It was supposed, not known: what is known now is better.
            known, day = self._scale(promise.last)
            place = Place(promise.said * scale / known, day / known)
            actual *= scale / known
        self._bands.add(actual, place, elapsed_s)
        if self._drift.add(actual - place.centre, overlap):
            self._drifted()
        error = abs(value - promise.last - promise.mixed * scale)
        self._gate.add(error / scale, abs(value - promise.last) / scale, elapsed_s)

    def _drifted(self) -> None:
        """Misses are larger than they were: the past counts less."""
        self._bands.fade(DRIFTED)
        self._spread.forget()

    def state(self) -> ForecasterState:
        """All that was learned and promised."""
        return ForecasterState(
            model=self._model.state(),
            promises=self._promises.state(),
            levels=self._levels.state(),
            season=self._season.state(),
            opened=self._opened.state(),
            spread=self._spread.state(),
            weights=self._mixture.state(),
            bands=self._bands.state(),
            drift=self._drift.state(),
            gate=self._gate.state(),
            recent=self._recent,
            learned=(self._labels, self._labelled, self._missed),
            place=self._place,
            outlook=self.outlook,
            tenants=None if self._tenants is None else self._tenants.state(),
        )

    @classmethod
    def restored(cls, state: ForecasterState, step_s: int = STEP_S) -> Forecaster:
        """The forecaster of a state: it goes on as the one that the state was taken of."""
        made = cls(step_s)
        made._model = ResidualModel.restored(state.model)
        made._promises = Promises(_ASKED, _INPUTS, state.promises)
        made._levels = Levels(state.levels)
        made._season = Season(state.season)
        made._opened = Opened(state.opened)
        made._spread = Spread(state.spread)
        made._mixture = Mixture(PRIOR, state.weights)
        made._bands = Bands(state.bands)
        made._drift = Drift(state.drift)
        made._gate = Gate(state.gate)
        made._recent = state.recent
        made._labels, made._labelled, made._missed = state.learned
        made._place = Place(*state.place)
        made.outlook = state.outlook
        made._tenants = None if state.tenants is None else Tenants(state.tenants)
        return made

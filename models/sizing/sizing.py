"""Sizing of one workload: candidates' plants and ledger, and which of them is followed.

Rule: learns only from steps that are over; what really happened (violations, replicas paid for)
corrects the budget that is planned with, within bounds.
Flow: Stride (a step's numbers) -> Sizing.close -> margin, window, projection -> Scaler.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from models.demand import sure
from models.domain.decision import SizingInfo
from models.sizing.candidates import MARGINS, moved_to, named, nearest, numbered
from models.sizing.choice import Standing, budget_left, choose
from models.sizing.counting import averaged, steps_to_know
from models.sizing.ledger import Ledger, LedgerState
from models.sizing.plants import HELD, Plants, PlantsState
from models.sizing.ramp import Ramp, RampState
from models.sizing.real import Real, RealState
from models.sizing.stride import Stride

CHOOSE_S = 300
"""How often the choice is made anew."""

FIRST = numbered(1, 5)
"""Followed until the first choice: a margin of 2.5 scales and HPA's window of 300 s."""


RECENT = 0.05
"""Of a step in means of the last minutes."""

ASKED_S = 600
"""What is asked for is averaged over so long, so that minutes that differ do not move it."""

LEAST_REQUESTS = 1e-6
"""In a step, of the last minutes: fewer are none."""


class SizingState(Struct, frozen=True, array_like=True):
    """A sizing as a snapshot has it."""

    steps: int
    step: int | None
    warm: int
    followed: int
    usual: tuple[float, float]
    """Requests and demand in a step, as a mean of the last minutes."""
    now: float
    saturated: bool
    real: RealState
    standing: Standing | None
    ramp: RampState
    plants: PlantsState | None
    ledger: LedgerState | None
    asked: tuple[float, float] = (0.0, 0.0)
    """Demand that replicas are asked for: the mean of ten minutes, and of the newest step."""


class Sizing:
    """One workload's sizing; ``close`` it step by step, in order."""

    __slots__ = (
        "_followed",
        "_ledger",
        "_level",
        "_plants",
        "_ramp",
        "_real",
        "_saturated",
        "_step_s",
        "_steps",
        "_usual",
        "_warm",
        "asked",
        "asking",
        "now",
        "standing",
        "step",
    )

    def __init__(self, step_s: int) -> None:
        """Knows nothing; steps are ``step_s`` seconds."""
        self._step_s = step_s
        self._steps = 0
        self._warm = 0
        """Steps since the forecaster was cold."""
        self._followed = FIRST
        self.step: int | None = None
        """The newest step that was closed."""
        self._usual = self._level = 0.0
        """Requests and demand in a step, as a mean of the last minutes."""
        self._saturated = False
        """Whether the newest step was more than replicas that were ready could do."""
        self._real = Real(step_s)
        self._ramp = Ramp(step_s)
        self._plants: Plants | None = None
        self._ledger: Ledger | None = None
        self.now = 0.0
        """Demand there is, noise averaged out, at the end of the last step."""
        self.standing: Standing | None = None
        self.asked = 0.0
        """Demand that the followed candidate asks for replicas for, as a mean of ten minutes."""
        self.asking = 0.0
        """The same of the newest step."""

    @property
    def margin(self) -> float:
        """Above the forecast's centre, in scales."""
        return named(self._followed)[0]

    @property
    def window_s(self) -> int:
        """Scale-in stabilisation."""
        return named(self._followed)[1]

    @property
    def projected(self) -> float:
        """Demand if a ramp that is under way goes on; 0 where there is none."""
        return self._ramp.projected

    def _count(self, stride: Stride) -> None:
        """Requests and demand of the last minutes; too few to be told apart from none are none."""
        if self._steps == 0:
            self._usual, self._level = stride.requests, stride.demand
        self._usual += RECENT * (stride.requests - self._usual)
        self._level += RECENT * (stride.demand - self._level)
        if self._usual < LEAST_REQUESTS:
            self._usual = self._level = 0.0

    def scale(self, centre: float, scale: float, patience_steps: int) -> float:
        """``scale`` of the forecast's misses without the noise that patience averages away."""
        steps = steps_to_know(self._usual, patience_steps)
        if steps == 1:
            return scale
        return averaged(scale, centre, self._level / self._usual, steps)

    def close(self, stride: Stride) -> None:
        """One more step is over."""
        gap = self.step is not None and stride.step != self.step + 1
        self.step = stride.step
        self._ramp.add(stride.demand, stride.horizon_s, gap=gap)
        self._count(stride)
        self.now, averaged_steps = self._present(stride)
        if self._plants is None or self._ledger is None:
            begin = stride.desired if stride.desired is not None else stride.least
            self._plants = Plants(self._step_s, begin)
            self._ledger = Ledger(self._step_s)
        plants, ledger = self._plants, self._ledger
        ready = plants.ready(stride.startup_steps)
        # While the forecaster is cold all candidates are alike, and for a start-up after it.
        self._warm = self._warm + 1 if stride.scale > 0 else 0
        scored = self._warm > stride.startup_steps
        counted = scored and not self._queueing(stride)
        if counted:
            ledger.add(self.now, ready, plants.asked, stride.capacity, averaged_steps)
        scale = self.scale(stride.centre, stride.scale, stride.patience_steps)
        wanted = np.maximum(stride.centre + MARGINS * scale, max(self.now, self.projected))
        self.asking = float(wanted[self._followed % len(MARGINS)])
        self.asked += (self.asking - self.asked) * self._share()
        wishes = np.ceil(wanted / stride.capacity - 1e-9)
        moved = plants.ask(
            np.clip(wishes, stride.least, stride.most).astype(np.float32),
            stride.tolerance,
            HELD if stride.window_s is None else stride.window_s // self._step_s,
        )
        if counted:
            ledger.act(moved, stride.capacity)
        self._real.close(stride, self.now, averaged_steps, scored=scored)
        self._steps += 1
        # A window that the user has set is the one that is kept, so it is the one that is scored.
        row = None if stride.window_s is None else nearest(stride.window_s)
        if row is not None:
            self._followed = moved_to(self._followed, row)
        if self._steps % (CHOOSE_S // self._step_s) == 0 and not ledger.idle:
            self._followed, self.standing = choose(
                ledger.missed(),
                ledger.cost(),
                ledger.actions_per_hour(),
                self._followed,
                stride.budget,
                budget_left(stride.budget, self._real.spent(stride.step)),
                row,
            )

    def _share(self) -> float:
        """Of a step in ``asked``: all of it where what came before was asked for while cold."""
        return 1.0 if not self._steps or self._warm == 1 else self._step_s / ASKED_S

    def _present(self, stride: Stride) -> tuple[float, int]:
        """Mean demand of the newest steps, and of how many.

        Of as many as are needed to know it, none beyond patience; a rise that is no noise
        (``sure``) is not averaged.
        """
        steps = steps_to_know(self._usual, stride.patience_steps)
        if steps == 1 or stride.requests <= 0:
            return stride.demand, 1
        mean = self._ramp.mean(steps)
        if sure(stride.demand, stride.requests) > mean:
            return stride.demand, 1
        return mean, steps

    def _queueing(self, stride: Stride) -> bool:
        """Whether what was measured is a queue rather than demand, which no candidate is told by.

        Where demand is counted by occupancy or by completions, what comes after a saturated step is
        what piled up in it: with other replicas there would have been another queue, or none.  The
        first such step is demand still, and counts.
        """
        before = self._saturated
        self._saturated = (
            not stride.open
            and stride.ready is not None
            and stride.demand > stride.ready * stride.capacity
        )
        return before and self._saturated

    def info(self) -> SizingInfo:
        """For the record of a decision."""
        standing = self.standing
        return SizingInfo(
            margin=self.margin,
            window_s=self.window_s,
            violations=None if standing is None else round(standing.violations, 6),
            cost=None if standing is None else round(standing.cost, 6),
            budget=None if standing is None else round(standing.budget, 6),
            price=None if standing is None else standing.price,
            kept=None if standing is None else standing.kept,
            violated=_rounded(self.violated),
            regret=_rounded(self.regret),
        )

    @property
    def violated(self) -> float | None:
        """Share that really missed the SLO over the last day; None: not known yet."""
        return self._real.violated

    @property
    def regret(self) -> float | None:
        """What was paid over the cheapest candidate that kept the spec's budget, as a share.

        None: no choice was made yet, no candidate kept it, or the cheapest had no replicas.
        """
        cost = self._real.cost
        if self._ledger is None or self.standing is None or cost is None:
            return None
        best = self._ledger.cheapest(self.standing.allowed)
        return cost / best - 1.0 if best else None

    def state(self) -> SizingState:
        """All that is remembered."""
        return SizingState(
            steps=self._steps,
            warm=self._warm,
            followed=self._followed,
            step=self.step,
            usual=(self._usual, self._level),
            now=self.now,
            saturated=self._saturated,
            real=self._real.state(),
            standing=self.standing,
            ramp=self._ramp.state(),
            plants=None if self._plants is None else self._plants.state(),
            ledger=None if self._ledger is None else self._ledger.state(),
            asked=(self.asked, self.asking),
        )

    @classmethod
    def restored(cls, step_s: int, state: SizingState) -> Sizing:
        """The sizing of a state: it goes on as the one that the state was taken of."""
        made = cls(step_s)
        made._steps, made.step, made._warm = state.steps, state.step, state.warm
        made._usual, made._level = state.usual
        made._followed = state.followed
        made.now, made.standing = state.now, state.standing
        made.asked, made.asking = state.asked
        made._saturated = state.saturated
        made._real = Real.restored(step_s, state.real)
        made._ramp = Ramp.restored(step_s, state.ramp)
        if state.plants is not None and state.ledger is not None:
            made._plants = Plants.restored(step_s, state.plants)
            made._ledger = Ledger.restored(step_s, state.ledger)
        return made


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)

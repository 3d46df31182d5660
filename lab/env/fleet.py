"""FleetEnv: one service on the per-request plant, scaled every ``period_s``.

Rule: the same seed, the same start-up times; the same actions, the same rewards.
Flow: action -> Plant.scale -> Plant.advance -> observation, reward.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from lab.plant import Plant, PlantParameters, Started
from lab.traces import Arrival

PERIOD_S = 15.0
"""As Kubernetes' HPA is asked."""

PRICE_S = 100.0
"""Replica-seconds that a violation costs.  A budget of 1 % makes one violation worth a hundred
requests, and a hundred requests of the default plant, about 2 s each in one of 4 slots at a use of
a half, take 100 replica-seconds."""

MOST_PER_S = 1e6
"""Arrivals a second, at which the observation ends."""

OBSERVED = ("in_system", "arrivals_per_s", "ready", "starting", "desired", "replicas_alive")

Observation = NDArray[np.float32]


class FleetEnv(gymnasium.Env[Observation, np.int64]):
    """Scale a service through a trace.

    *Observation*, ``Box(6,)`` of float32, at the end of each period: requests waiting or being
    served; arrivals a second in the period; replicas ready, starting, asked for, and alive (those
    cost: ready, starting and draining).
    *Action*, ``Discrete``: replicas to ask for, less ``min_replicas``.
    *Reward*: minus (replica-seconds of the period + ``price_s`` for each request that ended in it
    too late, was dropped or lost) / ``period_s``.  Two replicas and no violation: -2.
    *Episode*: the trace and what it takes to drain, at most ``drain_s``; then ``truncated``, since
    a service does not end.  ``info`` has ``at_s``, ``violations``, ``served`` and
    ``replica_seconds`` so far, and at the end what is overdue among the violations.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": ["ansi"],
        "render_fps": 4,
    }

    def __init__(
        self,
        arrivals: Sequence[Arrival],
        parameters: PlantParameters | None = None,
        *,
        period_s: float = PERIOD_S,
        price_s: float = PRICE_S,
        drain_s: float = 120.0,
        render_mode: str | None = None,
    ) -> None:
        """``parameters`` None: the default plant.  ``render_mode``: ``ansi``, or None for none.

        Raises ``ValueError`` for what cannot be run, ``TypeError`` for a trace that was not read.
        """
        if isinstance(arrivals, str | Path):
            raise TypeError(f"arrivals is {arrivals!r}: read the trace first, open_trace(path)")
        if not arrivals:
            raise ValueError("no arrivals: there is nothing to scale for")
        if not 0 < period_s <= 3600:  # noqa: PLR2004 - an hour
            raise ValueError(f"period_s is {period_s!r}, above 0 and at most 3600 was expected")
        if not 0 <= price_s < float("inf"):
            raise ValueError(f"price_s is {price_s!r}, at least 0 and finite was expected")
        if render_mode not in {None, *self.metadata["render_modes"]}:
            raise ValueError(f"render_mode is {render_mode!r}, 'ansi' or None was expected")
        self.render_mode = render_mode
        self.arrivals = tuple(arrivals)
        self.parameters = parameters or PlantParameters()
        if len(self.parameters.fleet()) > 1:
            raise ValueError(
                f"the plant has {len(self.parameters.fleet())} variants; the action is one number"
            )
        self.period_s = period_s
        self.price_s = price_s
        self.drain_s = drain_s
        most = self.parameters.max_replicas
        # Draining replicas may stand beside the most that can be asked for.
        alive = float(2 * most + self.parameters.initial_replicas)
        slots = self.parameters.fleet()[0].slots
        inside = float(self.parameters.queue_limit + 1 + alive * slots)
        self._most = np.array([inside, MOST_PER_S, alive, alive, most, alive], np.float32)
        self.observation_space = gymnasium.spaces.Box(
            low=np.zeros(len(OBSERVED), np.float32), high=self._most, dtype=np.float32
        )
        self._actions = most - self.parameters.min_replicas + 1
        self.action_space = gymnasium.spaces.Discrete(self._actions)
        self._plant: Plant | None = None
        self._shown = ""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """The begin of the trace.  ``options`` are not used.  Chance is of start-up times."""
        super().reset(seed=seed, options=options)
        self._plant = Plant(
            self.arrivals,
            self.parameters,
            seed=int(self.np_random.integers(2**31)),
            begin=0.0,
        )
        return self._told(self._plant, 0, 0.0)

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Ask for replicas, and let a period pass."""
        plant = self._plant
        if plant is None:
            raise gymnasium.error.ResetNeeded("reset() comes before the first step()")
        if not self.action_space.contains(action):
            raise gymnasium.error.InvalidAction(
                f"action is {action!r}, a whole number below {self._actions} was expected"
            )
        account = plant.account
        before_s, before = account.spent_s(plant.now), account.violations
        plant.scale(self.parameters.min_replicas + int(action), plant.now)
        arrived = sum(
            isinstance(event, Started) for event in plant.advance(plant.now + self.period_s)
        )
        spent_s = account.spent_s(plant.now) - before_s
        end_s = self.arrivals[-1].at_s
        over = plant.now >= end_s and (plant.drained or plant.now >= end_s + self.drain_s)
        if over:
            plant.close()  # What is overdue by now is a violation too.
            self._plant = None
        late = account.violations - before
        reward = -(spent_s + self.price_s * late) / self.period_s
        found, info = self._told(plant, arrived, reward)
        return found, reward, False, over, info

    def render(self) -> str | None:
        """The newest period in a line; None: no ``render_mode`` was given."""
        return self._shown if self.render_mode == "ansi" else None

    def _told(
        self, plant: Plant, arrived: int, reward: float
    ) -> tuple[Observation, dict[str, Any]]:
        found, info = self._observe(plant, arrived), self._info(plant)
        if self.render_mode is not None:
            inside, per_s, ready, starting, desired, _ = found.tolist()
            self._shown = (
                f"{plant.now:8.0f} s  {per_s:7.2f} requests/s  {inside:5.0f} in the system  "
                f"{ready:3.0f} ready  {starting:3.0f} starting  {desired:3.0f} desired  "
                f"{info['violations']:5} violations  reward {reward:9.2f}"
            )
        return found, info

    def _observe(self, plant: Plant, arrived: int) -> Observation:
        found = (
            plant.in_system,
            arrived / self.period_s,
            plant.ready,
            plant.starting,
            plant.desired,
            len(plant.pods()),
        )
        clipped: Observation = np.clip(np.array(found, np.float32), 0.0, self._most)
        return clipped

    def _info(self, plant: Plant) -> dict[str, Any]:
        account = plant.account
        return {
            "at_s": plant.now,
            "served": account.served,
            "violations": account.violations,
            "replica_seconds": account.spent_s(plant.now),
        }

"""Plants: what each candidate would have asked for, and what of it would have been ready.

Rule: one step of all candidates is a few operations on arrays; memory does not grow with windows
or start-ups, because extremes are kept by buckets of steps: a window or a start-up is at most one
bucket too long, which errs towards more replicas and later readiness, never the other way.
Flow: wishes of a step -> Plants -> asked, ready -> Ledger.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.sizing.candidates import SHAPE, WINDOWS_S

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

HELD = 6
"""Closed buckets of a scale-in window."""

STARTING = 8
"""Closed buckets of a start-up, at most."""

CALM = 1.1
"""Buckets become shorter again only where so much longer a start-up would fit them too, so that
one which wavers at an edge does not make plants forget."""


class PlantsState(Struct, frozen=True, array_like=True):
    """All plants as a snapshot has them; arrays of 32-bit floats as bytes."""

    step: int
    stride: int
    held: bytes
    rising: bytes
    asked: bytes
    least: bytes
    falling: bytes


class Plants:
    """A virtual plant a candidate, ``SHAPE``; replicas are whole numbers in 32-bit floats."""

    __slots__ = ("_buckets", "_falling", "_held", "_least", "_rising", "_step", "_stride", "asked")

    def __init__(self, step_s: int, replicas: int = 0) -> None:
        """``replicas`` stand ready in each; steps are ``step_s`` seconds."""
        self._buckets = [max(int(window_s) // (step_s * HELD), 1) for window_s in WINDOWS_S]
        """Steps of a bucket, by window."""
        self._step = 0
        self._stride = 1
        """Steps of a bucket of a start-up."""
        self._held = np.full((HELD, *SHAPE), replicas, np.float32)
        self._rising = np.zeros(SHAPE, np.float32)
        """The highest wish of the open bucket."""
        self._least = np.full((STARTING, *SHAPE), replicas, np.float32)
        self._falling = np.full(SHAPE, replicas, np.float32)
        """The least asked for in the open bucket."""
        self.asked = np.full(SHAPE, replicas, np.float32)
        """What each asks for now."""

    def ready(self, startup_steps: int) -> Floats:
        """Replicas that are ready now in each: the least asked for during a start-up."""
        stride = max(-(-startup_steps // STARTING), 1)
        calm = max(math.ceil(CALM * startup_steps / STARTING), 1)
        if stride > self._stride or calm < self._stride:
            # Another start-up was learned: what is known is the least of all that is remembered.
            self._falling = np.minimum(self._least.min(axis=0), self._falling)
            self._least[...] = self._falling
            self._stride = stride
        stride = self._stride
        closed = min(-(-startup_steps // stride), STARTING)
        if closed <= 0:
            return self.asked
        newest = self._step // stride
        places = [(newest - back) % STARTING for back in range(closed)]
        found: Floats = np.minimum(self._least[places].min(axis=0), self._falling)
        return found

    def ask(self, wishes: Floats, tolerance: float, shortest: int = HELD) -> Bools:
        """A step's wishes by margin, (margins,); which candidates changed what they ask for.

        A plant scales out at once, and in to the highest wish of its window where that is lower
        by more than ``tolerance``, a share of what it has.  Of the shortest window ``shortest``
        steps are held, at most ``HELD``.
        """
        self._step += 1
        for row, bucket in enumerate(self._buckets):
            if self._step % bucket == 0:
                self._held[self._step // bucket % HELD, row] = self._rising[row]
                self._rising[row] = 0.0
        np.maximum(self._rising, wishes, out=self._rising)
        held = self._held.max(axis=0)
        if shortest < HELD:
            newest = [(self._step // self._buckets[0] - back) % HELD for back in range(shortest)]
            held[0] = self._held[newest, 0].max(axis=0) if newest else 0.0
        wanted = np.maximum(held, self._rising)
        moved: Bools = (wanted > self.asked) | (wanted < self.asked * np.float32(1.0 - tolerance))
        self.asked = np.where(moved, wanted, self.asked)
        if self._step % self._stride == 0:
            self._least[self._step // self._stride % STARTING] = self._falling
            self._falling = self.asked
        else:
            self._falling = np.minimum(self._falling, self.asked)
        return moved

    def state(self) -> PlantsState:
        """All that is remembered."""
        return PlantsState(
            step=self._step,
            stride=self._stride,
            held=self._held.tobytes(),
            rising=self._rising.tobytes(),
            asked=self.asked.tobytes(),
            least=self._least.tobytes(),
            falling=self._falling.tobytes(),
        )

    @classmethod
    def restored(cls, step_s: int, state: PlantsState) -> Plants:
        """The plants of a state.  Raises ``ValueError`` where it has another form."""
        made = cls(step_s)
        made._step, made._stride = state.step, state.stride
        made._held = _array(state.held, (HELD, *SHAPE))
        made._rising = _array(state.rising, SHAPE)
        made.asked = _array(state.asked, SHAPE)
        made._least = _array(state.least, (STARTING, *SHAPE))
        made._falling = _array(state.falling, SHAPE)
        return made


def _array(packed: bytes, shape: tuple[int, ...]) -> Floats:
    return np.frombuffer(packed, np.float32).reshape(shape).copy()

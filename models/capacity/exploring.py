"""Explorer: how far beyond what was proven a capacity may be tried.

Rule: one small step at a time, where latency is far under the SLO and the load of now is proven;
never beyond what was seen to be too much, never more than twice what was proven.  Where latency at
the proven load comes near the SLO, the edge is near, and no more than one step away.
Flow: Learner -> Explorer -> the capacity that is sized with.
"""

from __future__ import annotations

import math

from msgspec import Struct

EXPLORE = 1.1
"""How much more is tried at a time: of eleven replicas one fewer."""

PATIENCE = 30
"""Slots between two such steps: five minutes, as long as HPA holds a scale-in."""

MOST_TRIED = 2.0
"""What is tried is at most so many times what was proven.  It is more than once because replicas
are sized for a high quantile of demand, so that the load seen stays below what is sized for."""

CALM, STRAINED = 0.04, 0.06
"""Latency is far under the SLO while at most this share of requests is late: so its 0.95 quantile
is at most ``evidence.LATE`` of the SLO.  Two numbers, so that it does not change to and fro.  Where
some requests are slow at any load, the share may be 1.25 times its least (of some hours) more."""

NEAR = 0.7
"""Latency says something of the load that was proven when load is at least this share of it, and
at most one step more."""

EDGE_SLOTS = 2160
"""How long an edge is believed: six hours, the half-life of evidence."""

_UNKNOWN = 0.1
_MEMORY = 1 / 12
_RISE = 1.0005
"""Of a slot: the least share of late requests doubles in four hours, lest it be of another time."""


class ExplorerState(Struct, frozen=True, array_like=True):
    """An explorer as a snapshot has it."""

    strain: float
    ease: float
    calm: bool
    tried: float
    at: int
    felt: int
    edge: float
    edge_at: int


class Explorer:
    """Fed the share of late requests of each slot.  Capacities are in the learner's unit."""

    __slots__ = ("_at", "_calm", "_ease", "_edge", "_edge_at", "_felt", "_strain", "tried")

    def __init__(self) -> None:
        """Nothing is tried, and latency is not known to be calm."""
        self._strain = self._ease = _UNKNOWN
        self._calm = False
        self._at = 0
        self._felt = 0
        self._edge, self._edge_at = math.inf, 0
        self.tried = 0.0
        """The capacity that is tried; what was proven counts if it is more."""

    def feel(
        self, slot: int, late: float, load: float, fine: float | None, *, floor: bool = False
    ) -> None:
        """A slot in which a share ``late`` (0 to 1) of requests was late, at ``load``.

        ``floor``: some requests are slow at any load.
        """
        if fine is not None and not NEAR * fine <= load <= EXPLORE * fine:
            return
        self._strain += (late - self._strain) * _MEMORY
        if self._felt < PATIENCE:
            self._felt += 1
            self._ease = self._strain
            return
        self._ease = min(self._strain, self._ease * _RISE)
        before, most = self._calm, STRAINED if self._calm else CALM
        self._calm = self._strain < (most + self._ease * 1.25 if floor else most)
        if before and not self._calm and fine is not None:
            self._edge, self._edge_at = EXPLORE * fine, slot
        elif slot > self._edge_at + EDGE_SLOTS:
            self._edge = math.inf

    def step(self, slot: int, load: float, fine: float, value: float) -> bool:
        """Whether one step more than ``value`` is tried from ``slot`` on; it is in ``tried``."""
        proven = NEAR * fine <= load <= EXPLORE * fine
        if not self._calm or not proven or slot < self._at + PATIENCE:
            return False
        self._at = slot
        self.tried = value * EXPLORE
        return True

    def bounded(self, fine: float, broken: float | None, assumed: float | None) -> float:
        """What is sized with, between ``fine``, which is proven, and ``broken``, too much.

        ``assumed`` is tried without steps: it was learned before, of another release.
        """
        tried = min(max(self.tried, assumed or 0.0), MOST_TRIED * fine, self._edge)
        if broken is not None:
            tried = min(tried, broken / EXPLORE)
        self.tried = max(tried, fine)
        return self.tried if broken is None else min(self.tried, broken)

    def state(self) -> ExplorerState:
        """All that is remembered."""
        return ExplorerState(
            strain=self._strain,
            ease=self._ease,
            calm=self._calm,
            tried=self.tried,
            at=self._at,
            felt=self._felt,
            edge=self._edge,
            edge_at=self._edge_at,
        )

    @classmethod
    def restored(cls, state: ExplorerState) -> Explorer:
        """The explorer of a state."""
        made = cls()
        made._strain, made._ease, made._calm = state.strain, state.ease, state.calm
        made.tried, made._at, made._felt = state.tried, state.at, state.felt
        made._edge, made._edge_at = state.edge, state.edge_at
        return made

"""Outlook: what a forecaster says at one step; and the state that it says it from.

Rule: data only; it is what a snapshot has of a forecaster.
"""

from __future__ import annotations

from msgspec import Struct

from models.forecasting.bands import BandsState
from models.forecasting.residual import ModelState
from models.forecasting.season import SeasonState
from models.forecasting.tenants import TenantsState
from models.forecasting.trust import GateState, Trust


class Outlook(Struct, frozen=True, array_like=True, gc=False):
    """What the forecaster says at one step; ``scale`` is what its misses are like, in demand."""

    step: int
    horizon_steps: int
    last: float
    centre: float
    scale: float
    trust: Trust
    why: str


class ForecasterState(Struct, frozen=True, array_like=True):
    """A forecaster as a snapshot has it."""

    model: ModelState
    promises: bytes
    levels: bytes
    season: SeasonState
    opened: bytes
    spread: bytes
    weights: bytes
    bands: BandsState
    drift: tuple[bytes, float, int, int]
    gate: GateState
    recent: tuple[int, float, float]
    """(newest step, its value, its request starts)"""
    learned: tuple[int, int, float]
    """(labels, step of the newest, largest miss)"""
    place: tuple[float, float]
    """(change, scale of the day) that the bands of the outlook are taken from"""
    outlook: Outlook | None
    tenants: TenantsState | None
    """None: demand was never known to be of two tenants or more"""

"""Sizing: how much above the forecast to buy, chosen by what would have kept the SLO's budget.

Rule: every candidate is scored on what really happened, without being tried; the cheapest that
would have kept the violation budget is followed.
Flow: demand and Outlook of a step -> Sizing -> Scaler's wish.
"""

from models.sizing.choice import Standing
from models.sizing.sizing import Sizing, SizingState
from models.sizing.stride import Stride

__all__ = ["Sizing", "SizingState", "Standing", "Stride"]
"""What the Scaler uses."""

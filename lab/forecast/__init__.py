"""Forecast evaluation: what the live forecaster would have said on a trace, and how it missed.

Rule: causal, one pass, the second half scored; the forecaster is the one that runs live.
Flow: Series -> evaluate -> rows -> table, JSON.
"""

from lab.forecast.evaluate import DEFAULT_HORIZONS, evaluate
from lab.forecast.row import Row

__all__ = ["DEFAULT_HORIZONS", "Row", "evaluate"]

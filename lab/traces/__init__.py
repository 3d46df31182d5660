"""Traces: real request arrivals and series of demand, read from files.

Rule: a reader says what it could not read, with file, line and field; it repairs nothing.
Flow: file -> arrivals or series -> plant.
"""

from lab.traces.arrival import Arrival, TraceError
from lab.traces.compose import Composed, compose
from lab.traces.files import SHIPPED, open_trace
from lab.traces.reading import FORMATS, Format
from lab.traces.series import LEAST_STEPS, Series, series_of
from lab.traces.series_files import open_series

__all__ = [
    "FORMATS",
    "LEAST_STEPS",
    "SHIPPED",
    "Arrival",
    "Composed",
    "Format",
    "Series",
    "TraceError",
    "compose",
    "open_series",
    "open_trace",
    "series_of",
]

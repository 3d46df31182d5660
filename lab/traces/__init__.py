"""Traces: real request arrivals, read from files.

Rule: a reader says what it could not read, with file, line and field; it repairs nothing.
Flow: file -> arrivals -> plant.
"""

from lab.traces.arrival import Arrival, TraceError
from lab.traces.files import SHIPPED, open_trace

__all__ = ["SHIPPED", "Arrival", "TraceError", "open_trace"]

"""An arrival: one request as it reached a service.

Rule: seconds count from the trace's first arrival.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """``at_s`` seconds after the first arrival; prompt and completion lengths in tokens.

    ``tokens_cached`` of the prompt are in the prefix cache (at most ``tokens_in``).  ``tenant``
    and ``session`` are labels, empty where the trace has none.
    """

    at_s: float
    tokens_in: int
    tokens_out: int
    tokens_cached: int = 0
    tenant: str = ""
    session: str = ""


class TraceError(ValueError):
    """A trace that cannot be read; the text has the file, the line and what was expected."""

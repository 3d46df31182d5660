"""Static: so many replicas, always.

Rule: its number is chosen after the fact by ``lab.compare.static_peak``, and it says so.
"""

from __future__ import annotations

from lab.policies.policy import View

NAME = "static peak"


class Static:
    """``replicas`` for ever."""

    period_s = 3600.0

    def __init__(self, replicas: int) -> None:
        self.name = NAME
        self.replicas = replicas

    def desired(self, view: View) -> int:
        """The same number."""
        del view
        return self.replicas

"""What a policy sees and says.

Rule: a view holds only what a metrics pipeline could have told at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One look.

    ``use_ratio`` is the mean slot use of ready pods, 0 to 1; None: no ready pod.  ``demand`` is the
    total now, of all that is waiting or being served, in the unit that capacity is counted in;
    None: no metric, which is not zero.
    """

    now: float
    desired: int
    ready: int
    use_ratio: float | None
    demand: float | None = None


class Policy(Protocol):
    """A controller that is asked every ``period_s`` seconds."""

    name: str
    period_s: float

    def desired(self, view: View) -> int:
        """Replicas to ask for."""
        ...

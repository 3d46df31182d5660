"""The source article's two rules: a line through the replica history, and steps of a fifth.

Rule: what the article states is kept to the letter (use over 0.8: times 1.2, under 0.5: times 0.8;
linear regression over replica history); what it leaves open is the laboratory's choice, each named
below and in docs/opponents.md, and an argument.
"""

from __future__ import annotations

import math
from collections import deque

from lab.policies.policy import View

PERIOD_S = 15.0
"""The article names no period; the HPA's, so that no difference comes from looking more often."""
HIGH = 0.8
LOW = 0.5
HISTORY = 20
"""Looks that the line goes through: at 15 s five minutes, the HPA's window."""


class ArticleSteps:
    """Mean use over 0.8: replicas times 1.2; under 0.5: times 0.8; else as it is.

    Replicas are whole: up is rounded up and down is rounded down, or fewer than five would never
    move.  Without a ready replica it holds.
    """

    period_s = PERIOD_S

    def __init__(self, *, least: int, most: int) -> None:
        self.name = "article: steps"
        self._least = least
        self._most = most

    def desired(self, view: View) -> int:
        """10 replicas at 0.81 become 12, at 0.8 stay 10, at 0.49 become 8."""
        wanted = view.desired
        if view.use_ratio is not None and view.use_ratio > HIGH:
            wanted = -(-view.desired * 6 // 5)
        elif view.use_ratio is not None and view.use_ratio < LOW:
            wanted = view.desired * 4 // 5
        return min(max(wanted, self._least), self._most)


class ArticleLinear:
    """A least-squares line through the history of replicas that were needed, one look ahead.

    Needed at a look: the replicas that the load would fill to 0.8, the article's own threshold; the
    load is the demand where ``capacity`` (demand in a full replica) is given, else the slots in
    use, which never tell of what waits.  Regressing the counts that it set itself could never leave
    where it begins: a constant past predicts itself.  Before the second look, and at one without a
    metric, it holds.
    """

    def __init__(
        self,
        *,
        least: int,
        most: int,
        capacity: float | None = None,
        history: int = HISTORY,
        period_s: float = PERIOD_S,
    ) -> None:
        if history < 2:  # noqa: PLR2004 - a line goes through two points
            raise ValueError(f"history must be at least 2, not {history}")
        if capacity is not None and capacity <= 0:
            raise ValueError(f"capacity must be above 0, not {capacity:g}")
        self.name = "article: linear"
        self.period_s = period_s
        self._least = least
        self._most = most
        self._capacity = capacity
        self._needed: deque[float] = deque(maxlen=history)

    def desired(self, view: View) -> int:
        """Needed 2, 4, 6: the line says 8, so 8."""
        full = self._full(view)
        if full is None:
            return view.desired
        self._needed.append(full / HIGH)
        if len(self._needed) == 1:
            return view.desired
        wanted = math.ceil(round(line_ahead(self._needed), 9))
        return min(max(wanted, self._least), self._most)

    def _full(self, view: View) -> float | None:
        """Replicas' worth of load; None: no metric."""
        if self._capacity is not None:
            return None if view.demand is None else view.demand / self._capacity
        return None if view.use_ratio is None else view.use_ratio * view.ready


def line_ahead(values: deque[float]) -> float:
    """The least-squares line through equally spaced ``values`` (two at least), one step on.

    With x from 0 to n - 1: slope 12 * sum((x - (n-1)/2) * y) / (n (n^2 - 1)), and the line is at
    the mean of y in the middle, (n + 1) / 2 steps before what is asked for.
    """
    count = len(values)
    middle = (count - 1) / 2
    total = moment = 0.0
    for x, value in enumerate(values):
        total += value
        moment += (x - middle) * value
    slope = 12 * moment / (count * (count * count - 1))
    return total / count + slope * (count + 1) / 2

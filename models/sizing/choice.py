"""Choice: the cheapest candidate that would have kept the budget, at a price that has an end.

Rule: minimise cost + price · violations, at the lowest price at which the budget is kept
(Lagrange); but no more is paid for a budget's worth than the last of ``PRICES``, because a flash
crowd that no candidate could have served must not buy idle replicas for two days.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from models.sizing.candidates import COUNT, SHAPE
from models.sizing.ledger import Sums
from models.sizing.plants import Floats

PRICES = np.array([0.0, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.18, 0.25])
"""Shares of what the followed candidate costs, paid for one budget's worth of violations."""

SAFETY = 0.75
"""Share of the budget that is planned to be spent: what is counted after the fact was chosen
before it, and the least of many noisy counts is too low."""

HYSTERESIS = 0.005
"""A change must be worth this share of the cost."""

LEAST_SHARE = 0.3
"""However much was really violated, at least this share of the budget is planned with."""


def budget_left(budget: float, spent: float) -> float:
    """What is planned with: a safe share of ``budget``, less where more of it was really spent.

    ``spent``: share of the day's demand that was violated.  Of a budget of 1 % it is 0.75 % while
    no more than 1 % was, 0.55 % at 1.2 %, and never below 0.3 %.  The loop has no memory of its
    own, so it cannot wind up.
    """
    over = max(spent / budget - 1.0, 0.0)
    return budget * max(SAFETY - over, LEAST_SHARE)


class Standing(Struct, frozen=True, array_like=True, gc=False):
    """The followed candidate's count at the last choice.

    ``violations`` and ``budget`` are shares of demand, ``cost`` is capacity bought over demand,
    ``allowed`` is the spec's budget, ``budget`` what of it is planned with; ``price`` what is paid
    for a budget's worth, of ``PRICES``; ``kept`` whether any kept it.
    """

    violations: float
    cost: float
    budget: float
    price: float
    kept: bool
    allowed: float


CALM_PER_H = 10.0
"""Actions an hour that are nobody's concern: HPA's could have 240."""

UNREST = 0.1
"""What is paid, a share of cost, not to act so many times an hour more."""


def choose(
    missed: Sums,
    cost: Sums,
    actions_per_h: Floats,
    followed: int,
    budget: float,
    planned: float,
    row: int | None = None,
) -> tuple[int, Standing]:
    """The candidate to follow from now on.

    ``missed``, ``cost`` and ``actions_per_h`` by candidate as of ``Ledger``; ``budget`` is the
    spec's share, above 0, by which prices are counted, ``planned`` what of it is planned with.
    ``row``: the window that candidates must have, where the user has set one; then ``followed``
    has it.
    """
    x, y = missed.reshape(COUNT), cost.reshape(COUNT)
    if row is not None:
        allowed = np.zeros(SHAPE, np.bool_)
        allowed[row] = True
        y = np.where(allowed.reshape(COUNT), y, np.inf)
    scale = float(y[followed]) or 1.0  # At zero replicas it costs nothing.
    unrest = UNREST * np.maximum(actions_per_h.reshape(COUNT) / CALM_PER_H - 1.0, 0.0)
    objective = (y / scale + unrest)[None, :] + PRICES[:, None] * (x[None, :] / budget)
    picks = objective.argmin(axis=1)
    kept = x[picks] <= planned
    place = int(np.argmax(kept)) if kept.any() else len(PRICES) - 1
    best = int(picks[place])
    gains = objective[place, best] < objective[place, followed] - HYSTERESIS
    mends = x[followed] > planned and x[best] < x[followed]
    if gains or mends:
        followed = best
    return followed, Standing(
        violations=float(x[followed]),
        cost=float(y[followed]),
        budget=planned,
        price=float(PRICES[place]),
        kept=bool(kept.any()),
        allowed=budget,
    )

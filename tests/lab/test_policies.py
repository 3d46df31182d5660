"""What holds for every opponent, whatever it is shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.policies import (
    SCALE_UP,
    ArticleLinear,
    ArticleSteps,
    Behavior,
    Hpa,
    Keda,
    Kpa,
    Metric,
    Policy,
    PredictiveHpa,
    Rules,
    View,
)

LEAST, MOST = 2, 30
PATIENT = Behavior(
    scale_up=Rules(window_s=30.0, policies=SCALE_UP.policies, select="Min", tolerance=0.0)
)
MAKERS: dict[str, Callable[[], Policy]] = {
    "hpa": lambda: Hpa(target=0.7, least=LEAST, most=MOST),
    "hpa-behavior": lambda: Hpa(target=0.7, least=LEAST, most=MOST, behavior=PATIENT),
    "hpa-missing": lambda: Hpa(target=0.7, least=LEAST, most=MOST, starting="missing"),
    "hpa-value": lambda: Hpa(target=0.7, least=LEAST, most=MOST, metric=Metric.VALUE),
    "hpa-shared": lambda: Hpa(target=3.0, least=LEAST, most=MOST, metric=Metric.EXTERNAL_AVERAGE),
    "hpa-total": lambda: Hpa(target=30.0, least=LEAST, most=MOST, metric=Metric.EXTERNAL_VALUE),
    "keda": lambda: Keda(target=3.0, least=LEAST, most=MOST),
    "kpa": lambda: Kpa(capacity=4.0, least=LEAST, most=MOST),
    "article-steps": lambda: ArticleSteps(least=LEAST, most=MOST),
    "article-linear": lambda: ArticleLinear(least=LEAST, most=MOST, capacity=4.0),
    "predictive-hpa": lambda: PredictiveHpa(target=0.7, least=LEAST, most=MOST),
}

SHOWN = st.tuples(
    st.floats(0.0, 1.0),
    st.one_of(st.none(), st.floats(0.0, 1000.0)),
    st.integers(0, MOST),
)


def walk(policy: Policy, shown: list[tuple[float, float | None, int]]) -> list[int]:
    """What it asks for, each look at what it asked for before; ``ready`` is that or fewer."""
    desired, asked = LEAST, []
    for look, (use, demand, starting) in enumerate(shown):
        ready = max(desired - starting, 0)
        view = View(
            now=look * policy.period_s,
            desired=desired,
            ready=ready,
            use_ratio=use if ready and demand is not None else None,
            demand=demand,
        )
        desired = policy.desired(view)
        asked.append(desired)
    return asked


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=25, deadline=None)
@given(shown=st.lists(SHOWN, max_size=60))
def test_never_outside_of_its_bounds_and_the_same_again(
    name: str, shown: list[tuple[float, float | None, int]]
) -> None:
    asked = walk(MAKERS[name](), shown)
    assert all(LEAST <= count <= MOST for count in asked)
    assert walk(MAKERS[name](), shown) == asked


@pytest.mark.parametrize("name", MAKERS)
def test_without_a_metric_it_holds(name: str) -> None:
    policy = MAKERS[name]()
    for look in range(100):
        view = View(now=look * policy.period_s, desired=7, ready=7, use_ratio=None, demand=None)
        assert policy.desired(view) == 7


# Not the HPA with a target for the total: it goes on for as long as the total is off its target.
@pytest.mark.parametrize("name", [name for name in MAKERS if name != "hpa-total"])
def test_it_ends_where_all_is_enough_and_follows_down(name: str) -> None:
    # Demand 60 for half an hour, then 12, on replicas of 4 that are ready at once.
    policy = MAKERS[name]()
    desired, now, ends = 5, 0.0, []
    for demand in (60.0, 12.0):
        until = now + 1800.0
        while now < until:
            use = min(demand / (4 * desired), 1.0)
            view = View(now=now, desired=desired, ready=desired, use_ratio=use, demand=demand)
            desired = policy.desired(view)
            now += policy.period_s
        ends.append(desired)
    high, low = ends
    assert high * 4 >= 60
    assert 3 <= low < high

"""What is known without the guards is what the guards would have said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.domain.spec import AgentScaler, ScalerSpec
from models.policy import Context, Wishes, guarded, stays
from models.scaler import Scaler
from models.window import Window

NOW = 1_700_000_000.0

rules = st.fixed_dictionaries(
    {},
    optional={
        "tolerance": st.sampled_from([0.0, 0.05, 0.3]),
        "stabilizationWindowSeconds": st.sampled_from([0, 30, 600]),
        "selectPolicy": st.sampled_from(["Max", "Min", "Disabled"]),
        "policies": st.just([{"type": "Percent", "value": 50, "periodSeconds": 60}]),
    },
)
counts = st.integers(0, 30)


@given(
    up=rules,
    down=rules,
    current=counts,
    wished=st.lists(st.tuples(st.integers(0, 700), counts), max_size=8),
    wish=counts,
    starting=counts,
    capacity=st.sampled_from([None, 3.0]),
)
def test_who_stays_would_be_brought_back(
    up: dict[str, object],
    down: dict[str, object],
    current: int,
    wished: list[tuple[int, int]],
    wish: int,
    starting: int,
    capacity: float | None,
) -> None:
    spec = made(up, down, capacity)
    scaler = Scaler("a/b", spec, Window())
    wishes = Wishes((NOW - age, past) for age, past in sorted(wished, reverse=True))
    wishes.add(NOW, wish)
    context = Context(
        now=NOW,
        spec=spec,
        current=current,
        ready=current,
        starting=starting,
        horizon_s=scaler.horizon_s,
        silent_s=1.0,
        latency_driven=capacity is None,
        wished=wishes,
        scaled=(),
        window_s=scaler._window_s,
        limits=scaler.conditions.limits.at(NOW, scaler.horizon_s),
    )
    if stays(wish, current, NOW, spec, wishes, scaler._window_s):
        final, _ = guarded(wish, context)
        assert final == current


def made(up: dict[str, object], down: dict[str, object], capacity: float | None) -> ScalerSpec:
    return AgentScaler.model_validate(
        {
            "metadata": {"name": "b", "namespace": "a"},
            "spec": {
                "target": {"name": "b"},
                "replicas": {"min": 0, "max": 30},
                "demand": {"unit": "requests", "perReplica": capacity},
                "behavior": {"scaleUp": up, "scaleDown": down},
            },
        }
    ).spec

"""What is known without the guards is what the guards would have said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.domain.load import ReplicaGauge
from models.domain.spec import AgentScaler, ScalerSpec, Variant
from models.edge import Edge
from models.policy import Context, Wishes, guarded, stays
from models.scaler import Scaler
from models.serves import Serves
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
    held=counts,
    little=st.sampled_from([None, 0.3, 1.0]),
)
def test_who_stays_would_be_brought_back(
    up: dict[str, object],
    down: dict[str, object],
    current: int,
    wished: list[tuple[int, int]],
    wish: int,
    starting: int,
    capacity: float | None,
    held: int,
    little: float | None,
) -> None:
    spec = made(up, down, capacity)
    scaler = Scaler("a/b", spec, Window())
    wishes = Wishes((NOW - age, past) for age, past in sorted(wished, reverse=True))
    wishes.add(NOW, wish)
    serves = None if little is None else of_two_kinds(current, little)
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
        edge=Edge(30.0, tried=30, times=1, held=held, until=NOW + 60.0),
        serves=serves,
    )
    if stays(wish, current, NOW, spec, wishes, scaler._window_s, serves, held):
        final, _ = guarded(wish, context)
        assert final == current


def of_two_kinds(current: int, little: float) -> Serves:
    """Half of ``current`` big ones, of which one serves 1, and then ``little`` ones."""
    big = current // 2
    variants = tuple(
        Variant.model_validate({"name": name, "target": {"name": name}, "max": most})
        for name, most in (("big", max(big, 1)), ("little", None))
    )
    reported = {
        name: ReplicaGauge(at_us=0, desired=number, ready=number, starting=0)
        for name, number in (("big", big), ("little", current - big))
    }
    each = (big + (current - big) * little) / max(current, 1)
    return Serves(each, {"big": 1.0, "little": little}, variants, reported)


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

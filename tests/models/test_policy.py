"""Each guard alone, against numbers worked out by hand from Kubernetes' algorithm."""

from __future__ import annotations

from typing import Any

import pytest

from models.domain.decision import Reason
from models.domain.spec import ScalerSpec
from models.policy import Context, Wishes
from models.policy.bounds import bounds
from models.policy.rate import rate
from models.policy.stabilization import stabilization
from models.policy.starting import starting
from models.policy.telemetry import telemetry
from models.policy.tolerance import tolerance


def context(current: int = 5, *, behavior: dict[str, Any] | None = None, **given: Any) -> Context:
    spec = given.pop("spec", {})
    made = ScalerSpec.model_validate({"target": {"name": "t"}, "behavior": behavior or {}, **spec})
    defaults: dict[str, Any] = {
        "now": 1000.0,
        "current": current,
        "ready": current,
        "starting": 0,
        "horizon_s": 40.0,
        "silent_s": 0.0,
        "latency_driven": False,
        "wished": Wishes(),
        "scaled": [],
        "window_s": 160.0,
    }
    return Context(spec=made, **{**defaults, **given})


def after(mark: Any, otherwise: int) -> int:
    return otherwise if mark is None else int(mark.replicas)


@pytest.mark.parametrize(("wish", "kept"), [(0, 2), (2, 2), (4, 4), (6, 6), (99, 6)])
def test_bounds(wish: int, kept: int) -> None:
    found = context(spec={"replicas": {"min": 2, "max": 6}})
    assert after(bounds(wish, found), wish) == kept


@pytest.mark.parametrize(
    ("policies", "select", "scaled", "wish", "kept"),
    [
        # 5 now, 2 of them added in the last 15 s: the period began at 3, plus 4 is 7.
        ([("Pods", 4, 15)], "Max", [(990.0, 3, 5)], 20, 7),
        # The same additions 16 s ago are another period's: 5 + 4.
        ([("Pods", 4, 15)], "Max", [(984.0, 3, 5)], 20, 9),
        # HPA's default pair: max(5 + 4, 5 * 2) = 10.
        ([("Pods", 4, 15), ("Percent", 100, 15)], "Max", [], 20, 10),
        ([("Pods", 4, 15), ("Percent", 100, 15)], "Min", [], 20, 9),
        # 10 % of 5 is rounded up, as HPA does: 6.
        ([("Percent", 10, 60)], "Max", [], 20, 6),
        ([("Pods", 4, 15)], "Disabled", [], 20, 5),
    ],
)
def test_rate_up(policies: Any, select: str, scaled: Any, wish: int, kept: int) -> None:
    rules = [{"type": t, "value": v, "periodSeconds": p} for t, v, p in policies]
    found = context(
        behavior={"scaleUp": {"policies": rules, "selectPolicy": select}}, scaled=scaled
    )
    assert after(rate(wish, found), wish) == kept


@pytest.mark.parametrize(
    ("policies", "select", "scaled", "wish", "kept"),
    [
        ([("Pods", 2, 60)], "Max", [], 1, 3),
        # One was removed 30 s ago: the period began at 6, minus 2 is 4.
        ([("Pods", 2, 60)], "Max", [(970.0, 6, 5)], 1, 4),
        ([("Percent", 50, 60)], "Max", [], 0, 2),
        ([("Pods", 2, 60), ("Percent", 50, 60)], "Min", [], 0, 3),
        ([("Pods", 1, 60)], "Disabled", [], 0, 5),
    ],
)
def test_rate_down(policies: Any, select: str, scaled: Any, wish: int, kept: int) -> None:
    rules = [{"type": t, "value": v, "periodSeconds": p} for t, v, p in policies]
    found = context(
        behavior={"scaleDown": {"policies": rules, "selectPolicy": select}}, scaled=scaled
    )
    assert after(rate(wish, found), wish) == kept


def test_no_rate_policy_is_no_limit() -> None:
    assert rate(100, context()) is None


def test_scale_in_takes_the_largest_wish_of_its_window() -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    # 939 has just scrolled out of the window; 4 at 950 is in it.
    found = context(behavior=behavior, wished=Wishes([(939.0, 9), (950.0, 4), (990.0, 2)]))
    mark = stabilization(2, found)
    assert mark is not None
    assert (mark.replicas, mark.reason) == (4, Reason.SCALE_DOWN_STABILIZATION)


def test_scale_out_takes_the_smallest_wish_of_its_window() -> None:
    behavior = {"scaleUp": {"stabilizationWindowSeconds": 30}}
    found = context(behavior=behavior, wished=Wishes([(960.0, 1), (980.0, 7), (990.0, 9)]))
    assert after(stabilization(10, found), 10) == 7


def test_stabilisation_never_turns_the_direction() -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    found = context(behavior=behavior, wished=Wishes([(990.0, 50)]))
    assert after(stabilization(2, found), 2) == 5


@pytest.mark.parametrize(
    ("current", "wish", "kept"), [(20, 19, 20), (20, 17, 17), (5, 6, 6), (0, 1, 1)]
)
def test_tolerance_is_ten_percent_down_and_none_up(current: int, wish: int, kept: int) -> None:
    assert after(tolerance(wish, context(current)), wish) == kept


def test_starts_in_flight_only_hold_where_latency_decides() -> None:
    assert after(starting(6, context(starting=2, latency_driven=True)), 6) == 5
    assert starting(6, context(starting=2)) is None


def test_missing_telemetry_holds_then_falls_back() -> None:
    fallback = {"afterSeconds": 60, "behavior": "currentReplicasIfHigher", "replicas": 6}
    spec = {"fallback": fallback}
    assert telemetry(1, context(silent_s=15.0, spec=spec)) is None
    assert after(telemetry(1, context(silent_s=30.0, spec=spec)), 1) == 5  # Held.
    assert after(telemetry(9, context(silent_s=30.0, spec=spec)), 9) == 9  # Out is still allowed.
    assert after(telemetry(1, context(silent_s=61.0, spec=spec)), 1) == 6
    assert after(telemetry(1, context(8, silent_s=61.0, spec=spec)), 1) == 8
    static = {"fallback": {"afterSeconds": 60, "behavior": "static", "replicas": 3}}
    assert after(telemetry(1, context(8, silent_s=61.0, spec=static)), 1) == 3
    assert telemetry(1, context(silent_s=None)) is None

"""Each guard alone, against numbers worked out by hand from Kubernetes' algorithm."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.domain.decision import Reason
from models.domain.spec import ScalerSpec
from models.policy import GUARDS, Context, Wishes
from models.policy.bounds import bounds
from models.policy.drain import drain
from models.policy.limits import Limits
from models.policy.pause import pause
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
        "limits": Limits(made).at(1000.0, 40.0),
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


@pytest.mark.parametrize(
    ("behavior", "current", "kept"),
    [
        # KEDA: "static" sets n; "currentReplicas" leaves it; "IfHigher" the current count if it
        # is higher than n, else n; "IfLower" the current count if it is lower, else n.
        ("static", 2, 5),
        ("static", 9, 5),
        ("static", 0, 5),
        ("currentReplicas", 2, 2),
        ("currentReplicas", 9, 9),
        ("currentReplicas", 0, 0),
        ("currentReplicasIfHigher", 2, 5),
        ("currentReplicasIfHigher", 9, 9),
        ("currentReplicasIfHigher", 0, 5),
        ("currentReplicasIfLower", 2, 2),
        ("currentReplicasIfLower", 9, 5),
        ("currentReplicasIfLower", 0, 0),
    ],
)
@pytest.mark.parametrize("wish", [0, 3, 30])
def test_fallback_as_keda_has_it(behavior: str, current: int, kept: int, wish: int) -> None:
    fallback = {"afterSeconds": 60, "behavior": behavior, "replicas": 5}
    found = context(current, silent_s=61.0, spec={"fallback": fallback})
    assert after(telemetry(wish, found), wish) == kept


@pytest.mark.parametrize("behavior", ["static", "currentReplicasIfLower"])
def test_a_fallback_to_zero_is_refused(behavior: str) -> None:
    with pytest.raises(ValidationError, match="zero on an error"):
        context(spec={"fallback": {"behavior": behavior, "replicas": 0}})


@pytest.mark.parametrize(
    ("paused", "wish", "kept"),
    [
        ({"scaleIn": True}, 3, 5),
        ({"scaleIn": True}, 8, 8),
        ({"scaleOut": True}, 8, 5),
        ({"scaleOut": True}, 3, 3),
        ({"scaleIn": True, "scaleOut": True}, 3, 5),
        ({"scaleIn": True, "scaleOut": True}, 8, 5),
        ({"replicas": 2}, 8, 2),
        ({"replicas": 7, "scaleOut": True}, 5, 7),
        ({}, 3, 3),
    ],
)
def test_pause(paused: dict[str, Any], wish: int, kept: int) -> None:
    mark = pause(wish, context(spec={"pause": paused}))
    assert after(mark, wish) == kept
    assert mark is None or mark.reason is Reason.PAUSED


@pytest.mark.parametrize(
    ("given", "wish", "kept"),
    [
        # 1 request a second ends on a replica: 2 and 9 can be done in 10 s, 30 cannot.
        ({"in_flight": {"a": 2, "b": 9, "c": 30}}, 1, 3),
        ({"in_flight": {"a": 2, "b": 9, "c": 30}}, 4, 4),
        ({"in_flight": {"a": 2, "b": 9, "c": 30}, "ended_per_s": 3.0}, 1, 2),
        # Nothing ends: only who has nothing can go.
        ({"in_flight": {"a": 2, "b": 0}, "ended_per_s": 0.0}, 1, 4),
        # Nobody says what he works on: nobody goes.
        ({}, 1, 5),
        # Those that are starting have no work.
        ({"starting": 2}, 1, 3),
        # Those that are starting may say so themselves: three are at work, and none of them goes.
        ({"in_flight": {"a": 0, "b": 0, "c": 30, "d": 30, "e": 30}, "starting": 2}, 1, 3),
        # What was said before telemetry went missing says nothing of now.
        ({"in_flight": {"a": 0, "b": 0}, "starting": 1, "silent_s": 60.0}, 1, 5),
        # Two went 8 s ago; their pods are still known of.
        ({"in_flight": {"a": 0, "b": 0, "c": 0}, "scaled": [(992.0, 7, 5)]}, 1, 4),
        ({"in_flight": {"a": 0, "b": 0, "c": 0}, "scaled": [(980.0, 7, 5)]}, 1, 2),
        ({}, 9, 9),
    ],
)
def test_no_more_go_at_once_than_can_finish_in_time(
    given: dict[str, Any], wish: int, kept: int
) -> None:
    found = context(spec={"drain": {"budgetSeconds": 10}}, **{"ended_per_s": 1.0, **given})
    assert after(drain(wish, found), wish) == kept
    assert drain(wish, context(**{"ended_per_s": 1.0, **given})) is None


@pytest.mark.parametrize("current", [0, 3, 9])
@pytest.mark.parametrize("wish", [0, 2, 30])
def test_bounds_hold_over_every_other_guard(current: int, wish: int) -> None:
    spec = {
        "replicas": {"min": 2, "max": 6},
        "pause": {"replicas": 40},
        "fallback": {"behavior": "static", "replicas": 90},
    }
    found, kept = context(current, silent_s=100.0, spec=spec), wish
    for guard in GUARDS:
        kept = after(guard(kept, found), kept)
    assert kept == 6

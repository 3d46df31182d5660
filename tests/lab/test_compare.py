"""Policies on the per-request plant see the demand there is, and scale by it."""

from __future__ import annotations

from lab.compare import run_policy
from lab.plant import PlantParameters
from lab.policies import Keda, Kpa, Policy, View
from lab.traces import Arrival


class Watching:
    """Keeps what it is shown, and asks for what there is."""

    name = "watching"
    period_s = 5.0

    def __init__(self) -> None:
        self.views: list[View] = []

    def desired(self, view: View) -> int:
        self.views.append(view)
        return view.desired


def crowd(per_s: int, length_s: int) -> tuple[Arrival, ...]:
    """Requests of 2 s each, at the default plant: 4 slots a replica."""
    return tuple(
        Arrival(at_s=second + number / per_s, tokens_in=500, tokens_out=72)
        for second in range(length_s)
        for number in range(per_s)
    )


def test_demand_is_all_that_waits_or_is_served() -> None:
    policy = Watching()
    found = run_policy(crowd(6, 120), PlantParameters(), policy, seed=1)
    by_second = {sample.at: sample.in_system for sample in found.series}
    shown = [(view.now, view.demand) for view in policy.views if view.now in by_second]
    assert len(shown) >= 20
    # A sample is taken as its second begins to end; what arrives at that very moment is in both.
    assert all(abs((demand or 0.0) - by_second[at]) <= 1 for at, demand in shown)
    assert max(demand or 0.0 for _, demand in shown) > 8


def test_policies_that_scale_by_demand_do() -> None:
    arrivals, parameters = crowd(12, 300), PlantParameters(max_replicas=20)
    policies: tuple[Policy, ...] = (
        Keda(target=0.7 * parameters.slots, least=1, most=20),
        Kpa(capacity=parameters.slots, least=1, most=20),
    )
    for policy in policies:
        found = run_policy(arrivals, parameters, policy, seed=1)
        # 12 requests a second of 2 s each are 24 in flight: 6 replicas at least, 9 at 0.7.
        assert 6 <= found.peak_replicas <= 20, policy.name
        assert found.actions > 0

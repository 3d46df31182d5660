"""The study of a workload of a fast and a slow variant, all but what is learned of each."""

from __future__ import annotations

import dataclasses

import pytest

from lab.plant import Plant
from lab.plant.account import Account
from lab.plant.foretide import Foretide
from lab.plant.mixed import MIXED, MOST_FAST, Mixture, main, mix, mixed_agent, row
from lab.plant.parameters import Routing
from lab.plant.truth import BEGIN, Service, arrivals, parameters, share_slow
from models.demand import Unit
from models.scaler import Scaler


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Capacities by variant as a scaler would say them that knows the fast one."""
    monkeypatch.setattr(Scaler, "capacities", lambda _: {"fast": 8.0}, raising=False)


@pytest.mark.parametrize("service", MIXED, ids=[service.name for service in MIXED])
def test_the_slow_one_takes_twice_as_long_and_can_keep_the_slo(service: Service) -> None:
    alone = [variant.service_s(500, 100) for variant in (service.variant, service.slower)]
    assert alone[1] == pytest.approx(2 * alone[0])
    assert share_slow(service, service.slower, 2, 1.0, 600.0, 1) <= service.violations


@pytest.mark.parametrize("routing", ["shared", "even"])
@pytest.mark.usefixtures("told")
def test_a_run_is_settled_and_says_what_it_cost(
    routing: Routing, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[Account] = []
    settle = Account.settle

    def watched(account: Account, at: float, arrived_at: list[float]) -> None:
        settle(account, at, arrived_at)
        settled.append(account)

    monkeypatch.setattr(Account, "settle", watched)
    service = dataclasses.replace(MIXED[0], routing=routing)
    found = mix(service, hours=0.05)
    (account,) = settled
    assert account.served > 30 * 180 * 0.8
    assert found.replica_hours == account.replica_seconds / 3600 >= 6 * 0.05 * 0.9
    assert (found.unit, found.learned) == ("requests", {"fast": 8.0})
    assert 0 <= found.violations <= 1
    assert mix(service, hours=0.05) == found


def test_the_fast_ones_are_few_and_the_rest_is_slow() -> None:
    """More is needed than the fast ones can do: latency asks for more, and they are slow ones."""
    service = dataclasses.replace(MIXED[0], rate=60.0)
    made = arrivals(service, lambda _: 60.0, 240, 1)
    plant = Plant(made, parameters(service, service.variant, service.slower), seed=1, begin=BEGIN)
    run = Foretide(plant, mixed_agent(service))
    for _ in range(240):
        run.second()
        assert sum(not pod.deleting for pod in plant.pods("fast")) <= MOST_FAST
    assert sum(not pod.deleting for pod in plant.pods("slow")) > 5
    assert {d.to.replicas["fast"] for d in run.decisions} == {MOST_FAST}


def test_the_spec_says_targets_and_an_slo_and_nothing_of_capacity() -> None:
    spec = mixed_agent(MIXED[1]).spec
    assert [(v.name, v.max, v.per_replica) for v in spec.variants] == [
        ("fast", MOST_FAST, None),
        ("slow", None, None),
    ]
    assert "demand" not in spec.model_fields_set
    assert spec.slo is not None
    assert spec.slo.latency_seconds == MIXED[1].slo_s


def test_a_capacity_that_is_unknown_is_said_to_be() -> None:
    found = Mixture(
        unit="requests",
        learned={"fast": 7.5},
        violations=0.001,
        worst_hour=0.002,
        replica_hours=12.0,
    )
    true: dict[str, dict[Unit, float]] = {"fast": {"requests": 7.89}, "slow": {"requests": 3.94}}
    alike = dataclasses.replace(found, learned={}, violations=0.003, replica_hours=14.0)
    assert row(MIXED[0], 2, true, found, alike).endswith(
        "| to who is free | 2 | requests | 7.89 | 7.5 | 3.94 | unknown | 0.10% / 0.20% | 12.0 "
        "| 0.30% / 0.20% | 14.0 |\n"
    )


def test_only_services_that_were_asked_for_are_run(capsys: pytest.CaptureFixture[str]) -> None:
    main(1.0, "no such service")
    assert len(capsys.readouterr().out.splitlines()) == 2

from __future__ import annotations

import random
from statistics import fmean, quantiles

import pytest

from lab.plant import (
    GENTD26_BASE_MODEL,
    ConstantStartup,
    EmpiricalStartup,
    LogNormalStartup,
    MeasuredStartup,
    Plant,
    PlantParameters,
    Startup,
    Variant,
)

COUNT = 20_000


def drawn(startup: Startup) -> list[float]:
    chance = random.Random(5)
    return sorted(startup.draw(chance) for _ in range(COUNT))


@pytest.mark.parametrize("startup", [LogNormalStartup(p50_s=22.7, p95_s=45.4), GENTD26_BASE_MODEL])
def test_the_published_quantiles_come_out(startup: Startup) -> None:
    """The share below a quantile is binomial: 4 deviations of it are 0.014 and 0.006."""
    times = drawn(startup)
    for value, level in ((22.7, 0.5), (45.4, 0.95)):
        share = sum(time <= value for time in times) / COUNT
        assert abs(share - level) < 4 * (level * (1 - level) / COUNT) ** 0.5


def test_a_measured_maximum_is_never_exceeded_and_a_log_normal_one_would_be() -> None:
    assert max(drawn(GENTD26_BASE_MODEL)) <= 79.4
    assert max(drawn(LogNormalStartup(p50_s=22.7, p95_s=45.4))) > 79.4
    assert GENTD26_BASE_MODEL.quantile(1.0) == pytest.approx(79.4)
    assert GENTD26_BASE_MODEL.quantile(0.95) == pytest.approx(45.4)
    # Half of the way up the tail: the geometric mean of 45.4 and 79.4.
    assert GENTD26_BASE_MODEL.quantile(0.975) == pytest.approx(60.04, abs=0.01)


def test_an_empirical_one_draws_what_was_observed_equally_often() -> None:
    times = drawn(EmpiricalStartup((3.0, 5.0, 10.0)))
    assert set(times) == {3.0, 5.0, 10.0}
    assert fmean(times) == pytest.approx(6.0, abs=0.1)
    assert quantiles(times, n=3) == [3.0, 5.0] or quantiles(times, n=3) == [5.0, 5.0]


def test_a_constant_one_leaves_chance_alone() -> None:
    chance = random.Random(1)
    before = chance.getstate()
    assert ConstantStartup(155.0).draw(chance) == 155.0
    assert chance.getstate() == before


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConstantStartup(-1.0),
        lambda: ConstantStartup(float("nan")),
        lambda: EmpiricalStartup(()),
        lambda: EmpiricalStartup((1.0, float("inf"))),
        lambda: LogNormalStartup(p50_s=-1.0, p95_s=2.0),
        lambda: MeasuredStartup(p50_s=5.0, p95_s=4.0, max_s=9.0),
        lambda: PlantParameters(variants=(Variant(name="a"), Variant(name="a"))),
        lambda: PlantParameters(queue_limit=-1),
        lambda: Variant(name="a", slots=0),
        lambda: Variant(name="a", initial_replicas=-1),
    ],
)
def test_nonsense_is_refused_when_it_is_said(make: object) -> None:
    with pytest.raises(ValueError, match=r"expected|equal names"):
        make()  # type: ignore[operator]


def test_each_variant_starts_in_its_own_time() -> None:
    parameters = PlantParameters(
        variants=(
            Variant(name="slow", startup=ConstantStartup(300.0), cost=2.0),
            Variant(name="fast", startup=ConstantStartup(20.0)),
        )
    )
    plant = Plant([], parameters, seed=1, begin=0.0)
    plant.scale(1, 0.0, "slow")
    plant.scale(2, 0.0, "fast")
    plant.advance(19.0)
    assert (plant.ready, plant.desired) == (0, 3)
    plant.advance(20.0)
    assert plant.ready == 2
    assert [pod.ready_at for pod in plant.pods("slow")] == [None]
    assert [pod.name for pod in plant.pods("fast")] == ["replica-fast-0002", "replica-fast-0003"]
    plant.advance(300.0)
    plant.close()
    assert plant.ready == 3
    assert plant.account.replica_seconds == pytest.approx(900.0)
    assert plant.account.cost_seconds == pytest.approx(2 * 300.0 + 2 * 300.0)
    with pytest.raises(KeyError):
        plant.scale(1, 300.0, "huge")

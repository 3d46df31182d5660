"""Several variants of one workload: what is learned of each, and what replicas count for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from models.capacity import MixState
from models.capacity.traffic import Traffic, TrafficState
from models.domain.decision import VariantCapacity
from models.domain.load import Load, Part, ReplicaGauge
from models.domain.spec import Variant
from models.serves import Serves
from tests.models.mixes import Mixed, W, agent

KNEES = {"fast": 8.0, "slow": 4.0}
BOTH = agent("fast", "slow", by_name={"fast": {"max": 6}})


def mixed(spec: Any = BOTH, *, knees: Mapping[str, float] = KNEES) -> Mixed:
    return Mixed(knees, {"fast": 5, "slow": 5}, spec)


def counted(world: Mixed) -> Mapping[str, float]:
    serves = world.scaler.mix.serves()
    assert serves is not None
    return serves.counted


def test_a_slow_variant_is_told_from_a_fast_one_where_each_gets_what_it_can_take() -> None:
    world = mixed()
    world.weight = {"fast": 2.0, "slow": 1.0}
    world.minutes(240, 60.0)
    known = world.scaler.capacities()
    assert known["fast"] == pytest.approx(8.0, rel=0.2)
    assert known["slow"] == pytest.approx(4.0, rel=0.2)
    assert counted(world)["fast"] == pytest.approx(2 * counted(world)["slow"], rel=0.06)
    # 6 fast are all that there may be; what they leave is for the slow.
    assert world.replicas["fast"] == 6


def test_where_all_replicas_get_the_same_the_slow_ones_say_what_the_fast_count_for() -> None:
    world = mixed()
    world.minutes(180, 40.0)
    known = world.scaler.capacities()
    assert known["fast"] > known["slow"]
    assert known["slow"] == pytest.approx(4.0, rel=0.12)
    for each in counted(world).values():
        assert each == pytest.approx(known["slow"], rel=0.05)
    assert sum(world.replicas.values()) >= 10


def test_a_slower_release_of_one_variant_lowers_that_one_alone_and_is_said_of_it() -> None:
    world = mixed()
    world.weight = {"fast": 2.0, "slow": 1.0}
    world.minutes(120, 60.0)
    before = world.scaler.capacities()
    assert world.replicas["slow"] > 0
    world.pace["slow"] = 1.6
    world.minutes(6, 60.0)
    after = world.scaler.capacities()
    assert after["slow"] < before["slow"] / 1.4
    assert after["fast"] >= 0.95 * before["fast"]
    fast, slow = world.scaler.mix.words().split("; slow: ")
    assert fast.startswith("fast: learned: ")
    assert "slower" not in fast
    assert "a new release is slower" in slow


def test_a_decision_says_what_a_replica_of_each_serves_and_counts_for() -> None:
    world = mixed()
    world.minutes(60, 40.0)
    world.minutes(5, 70.0)
    decision = world.decisions[-1]
    told = decision.inputs.capacity_by_variant
    assert told.keys() == {"fast", "slow"}
    assert all(isinstance(each, VariantCapacity) for each in told.values())
    before = decision.from_.replicas
    mean = sum(told[name].counted * n for name, n in before.items()) / sum(before.values())
    assert decision.inputs.capacity_per_replica == pytest.approx(mean, abs=1e-4)
    assert "fast: learned: " in decision.trail[0].why
    assert "; slow: learned: " in decision.trail[0].why


def test_requests_that_name_no_variant_leave_the_workloads_own_capacity() -> None:
    world = mixed()
    world.named = 0.0
    world.minutes(60, 40.0)
    assert world.scaler.capacities() == {}
    serves = world.scaler.mix.serves()
    assert serves == Serves(world.scaler.learner.value)  # type: ignore[union-attr, arg-type]
    assert world.decisions[-1].inputs.capacity_by_variant == {}


def test_requests_that_cease_to_name_their_variant_do_so_too_after_ten_minutes() -> None:
    world = mixed()
    world.minutes(30, 40.0)
    world.minutes(30, 0.0)  # Of nobody's requests nothing need be told.
    assert counted(world).keys() == {"fast", "slow"}
    world.named = 0.0
    world.minutes(9, 40.0)
    assert counted(world).keys() == {"fast", "slow"}
    world.minutes(2, 40.0)
    assert world.scaler.mix.serves() == Serves(world.scaler.learner.value)  # type: ignore[union-attr, arg-type]
    world.named = 1.0
    world.minutes(1, 40.0)
    assert counted(world).keys() == {"fast", "slow"}


def test_while_one_that_is_ready_is_not_known_all_count_as_the_workload_does() -> None:
    world = Mixed(KNEES | {"new": 6.0}, {"fast": 5, "slow": 5}, agent("fast", "slow", "new"))
    world.obey = False
    world.minutes(30, 30.0)
    assert counted(world).keys() == {"fast", "slow", "new"}
    assert counted(world)["new"] == pytest.approx(
        (counted(world)["fast"] + counted(world)["slow"]) / 2
    )
    world.replicas["new"] = 2
    world.minutes(2, 30.0)
    assert world.scaler.mix.serves() == Serves(world.scaler.learner.value)  # type: ignore[union-attr, arg-type]
    world.minutes(20, 30.0)
    assert world.scaler.capacities().keys() == {"fast", "slow", "new"}
    assert counted(world)["new"] > 0


def test_replicas_that_get_no_traffic_count_for_a_tenth() -> None:
    world = mixed()
    world.obey = False
    world.minutes(30, 30.0)
    before = counted(world)["fast"]
    world.weight["slow"] = 0.0
    world.minutes(60, 30.0)
    assert counted(world)["slow"] == pytest.approx(0.1 * counted(world)["fast"], rel=0.02)
    assert counted(world)["fast"] > before
    serves = world.scaler.mix.serves()
    assert serves is not None
    assert serves.of(10) == pytest.approx(5.5 * counted(world)["fast"], rel=0.01)


def test_what_is_dropped_at_the_door_counts_against_each_as_much_as_it_serves() -> None:
    fine, refused = mixed(), mixed()
    for world in (fine, refused):
        world.obey = False
        world.minutes(30, 30.0)
    fine.minutes(10, 30.0)
    refused.refused = 0.06
    refused.minutes(10, 30.0)
    # Three a second at the door are too much at a load that was fine; of it both are guilty.
    for name in ("fast", "slow"):
        assert refused.scaler.capacities().get(name, 0.0) < fine.scaler.capacities()[name]


def test_a_bought_replica_is_counted_by_what_the_user_says() -> None:
    spec = agent(
        "fast",
        "slow",
        by_name={"fast": {"perReplica": 8, "max": 4}, "slow": {"perReplica": 4}},
    )
    world = mixed(spec)
    world.weight = {"fast": 2.0, "slow": 1.0}
    world.replicas = {"fast": 1, "slow": 1}
    world.minutes(10, 40.0)
    assert world.scaler.learner is None
    assert world.scaler.capacities() == {"fast": 8.0, "slow": 4.0}
    assert world.replicas["fast"] == 4
    assert 8 * 4 + 4 * world.replicas["slow"] >= 40
    assert "fast: 8 a replica; slow: 4 a replica" in world.decisions[0].trail[0].why
    # Where each gets the same, the fast ones count for what the slow ones carry, given or not.
    world.weight["fast"] = 1.0
    world.minutes(40, 40.0)
    assert counted(world) == pytest.approx({"fast": 4.0, "slow": 4.0}, rel=0.06)
    assert "fast: 8 a replica, and counts for " in world.scaler.mix.words()


def test_what_is_given_counts_at_once_where_it_was_learned_before() -> None:
    world = mixed()
    world.obey = False
    world.minutes(30, 30.0)
    assert world.scaler.capacities()["slow"] > 2.5
    world.scaler.update_spec(
        agent("fast", "slow", by_name={"slow": {"perReplica": 2}, "fast": {"max": 6}}).spec
    )
    assert world.scaler.capacities()["slow"] == 2.0


def test_one_that_is_given_counts_beside_one_that_is_learned() -> None:
    world = mixed(agent("fast", "slow", by_name={"fast": {"perReplica": 8, "max": 6}}))
    world.weight = {"fast": 2.0, "slow": 1.0}
    world.minutes(60, 40.0)
    assert world.scaler.capacities()["fast"] == 8.0
    assert world.scaler.capacities()["slow"] < 0.7 * 8.0
    assert "fast: 8 a replica; slow: learned: " in world.scaler.mix.words()


def test_the_one_variant_of_a_workload_may_say_what_it_serves() -> None:
    world = Mixed({"fast": 8.0}, {"fast": 2}, agent("fast", by_name={"fast": {"perReplica": 5}}))
    world.minutes(5, 40.0)
    assert world.scaler.capacity() == 5.0
    assert world.scaler.learner is None
    assert world.replicas["fast"] >= 8


def test_one_variant_is_decided_of_as_if_it_had_no_name() -> None:
    named, unnamed = (Mixed({"only": 8.0}, {"only": 5}, agent("only")) for _ in range(2))
    unnamed.named = 0.0
    for world in (named, unnamed):
        world.minutes(60, 40.0)
    assert named.scaler.window.parts is None
    assert named.scaler.capacity() is not None
    assert named.decisions == unnamed.decisions


def test_a_variant_that_is_gone_is_forgotten_and_one_that_stays_is_not() -> None:
    world = mixed()
    world.minutes(60, 40.0)
    before = world.scaler.capacities()
    world.respec(agent("fast", "slow", replicas={"min": 2, "max": 70}))
    world.minutes(1, 40.0)
    assert world.scaler.capacities()["fast"] == pytest.approx(before["fast"], rel=0.05)
    world.respec(agent("fast", "other"))
    world.replicas = {"fast": 12}
    world.minutes(2, 40.0)
    assert world.scaler.capacities() == {}
    assert world.scaler.window.parts is None
    world.respec(agent("fast", "slow", slo={"latencySeconds": 9.0}))
    world.replicas = {"fast": 6, "slow": 6}
    world.minutes(1, 40.0)
    assert world.scaler.capacities() == {}


@pytest.mark.parametrize("again", [1, 3])
def test_partials_that_come_in_pieces_and_again_say_the_same(again: int) -> None:
    """Of each second a part is told first, and then all of it, some times."""
    whole, pieces = mixed(), mixed()
    told = pieces.loads

    def in_pieces(rate: float) -> list[Load]:
        (load,) = told(rate)
        less = {
            name: msgspec.structs.replace(part, finished=part.finished // 2, latency={})
            for name, part in load.variants.items()
        }
        first = msgspec.structs.replace(load, reach=load.reach - 1, variants=less, latency={})
        return [first, *[load] * again, first]

    pieces.loads = in_pieces  # type: ignore[method-assign]
    for world in (whole, pieces):
        world.minutes(30, 40.0)
    assert pieces.scaler.capacities() == whole.scaler.capacities()
    assert len(whole.scaler.capacities()) == 2
    assert pieces.scaler.mix.state() == whole.scaler.mix.state()


def test_a_partial_of_one_variant_says_the_same_as_its_parts() -> None:
    """Where all requests of a partial name the same variant, it has no parts but the name."""
    parts, name = mixed(), mixed()
    told = name.loads

    def by_name(rate: float) -> list[Load]:
        (load,) = told(rate)
        return [_alone(load, each, number) for number, each in enumerate(load.variants)]

    name.loads = by_name  # type: ignore[method-assign]
    for world in (parts, name):
        world.minutes(30, 40.0)
    assert name.scaler.capacities() == parts.scaler.capacities() != {}


def _alone(load: Load, name: str, source: int) -> Load:
    """What of a partial is of one variant, as a source of its own tells it."""
    part = load.variants[name]
    return Load(
        workload=W,
        second=load.second,
        source=source,
        block=load.block,
        reach=load.reach,
        sent_us=load.sent_us,
        events=part.finished,
        finished=part.finished,
        latency_count=part.latency_count,
        latency_us=part.latency_us,
        latency=part.latency,
        replicas=load.replicas,
        variant=name,
    )


def gauges(**desired: int) -> dict[str, ReplicaGauge]:
    return {
        name: ReplicaGauge(at_us=0, desired=n, ready=n, starting=0) for name, n in desired.items()
    }


def variants(**most: int | None) -> tuple[Variant, ...]:
    return tuple(
        Variant.model_validate({"name": name, "target": {"name": name}, "max": limit})
        for name, limit in most.items()
    )


@pytest.mark.parametrize(
    ("demand", "replicas"),
    [(28.0, 5), (36.0, 6), (36.1, 7), (44.0, 7), (44.1, 8), (24.1, 5), (24.0, 4), (20.0, 3)],
)
def test_so_many_are_asked_for_as_those_to_come_or_to_go_must_serve(
    demand: float, replicas: int
) -> None:
    """2 ``a`` at 8 and 3 ``b`` at 4 serve 28; of ``a`` there may be 4, and ``b`` goes first."""
    serves = Serves(5.6, {"a": 8.0, "b": 4.0}, variants(a=4, b=None), gauges(a=2, b=3))
    assert serves.needed(demand) == replicas
    assert serves.of(replicas) >= demand
    assert serves.of(replicas - 1) < demand


def test_replicas_alike_are_asked_for_as_if_they_were_of_one_kind() -> None:
    one = Serves(8.0)
    two = Serves(8.0, {"a": 8.0, "b": 8.0}, variants(a=3, b=None), gauges(a=2, b=2))
    for demand in (0.0, 0.1, 8.0, 8.1, 31.9, 32.0, 32.1, 100.0, 16.000000001):
        assert two.needed(demand) == one.needed(demand)
        assert two.of(one.needed(demand)) == one.of(one.needed(demand))


def test_where_no_variant_has_room_the_limits_say_so_and_not_this() -> None:
    serves = Serves(6.0, {"a": 8.0, "b": 4.0}, variants(a=1, b=1), gauges(a=1, b=1))
    assert serves.needed(12.0) == 2
    assert serves.needed(24.0) == 4


def test_the_first_at_its_capacity_says_what_all_count_for() -> None:
    traffic = Traffic()
    traffic._loads = {"a": 1.5, "b": 0.5}
    both = ("a", "b")
    # At 8 of a replica of a, b has 8/3 of its 4: 16 from three of each when a is full.
    assert traffic.counted(both, {"a": 8.0, "b": 4.0}, both) == pytest.approx(
        {"a": 8.0, "b": 8.0 / 3}
    )
    assert traffic.counted(both, {"a": 8.0, "b": 2.0}, both) == pytest.approx({"a": 6.0, "b": 2.0})
    assert traffic.counted(both, {"a": 8.0}, both) is None
    assert traffic.counted(both, {"a": 8.0}, ("a",)) == pytest.approx({"a": 8.0, "b": 8.0})


def test_none_counts_for_more_than_it_serves() -> None:
    traffic = Traffic()
    both = ("a", "b")
    traffic._loads = {"a": 1.0}  # Nothing was ever heard of b, or it got twice, or nothing.
    assert traffic.counted(both, {"a": 8.0, "b": 4.0}, ("a",)) == {"a": 8.0, "b": 4.0}
    traffic._loads = {"a": 1.0, "b": 2.0}
    assert traffic.counted(both, {"a": 8.0, "b": 4.0}, ("a",)) == {"a": 8.0, "b": 4.0}
    traffic._loads = {"a": 1.0, "b": 0.0}
    assert traffic.counted(both, {"a": 8.0, "b": 0.5}, both) == {"a": 8.0, "b": 0.5}
    traffic._loads, traffic._surplus = {"a": 1.0, "b": 0.5}, 0.8
    assert traffic.counted(both, {"a": 8.0, "b": 4.0}, both) == {"a": 8.0, "b": 4.0}


def test_a_share_is_the_mean_of_what_was_seen_until_that_is_ten_minutes() -> None:
    world = Mixed(KNEES, {"fast": 5}, BOTH)
    world.obey = False
    world.weight = {"fast": 2.0, "slow": 1.0}
    world.minutes(20, 30.0)
    world.replicas["slow"] = 5  # In the midst of a slot.
    world.minutes(12, 40.0)
    assert counted(world)["slow"] == pytest.approx(counted(world)["fast"] / 2, rel=0.05)


def test_a_variant_without_a_name_has_no_part() -> None:
    world = Mixed({"": 8.0, "slow": 4.0}, {"": 5, "slow": 5}, agent("fast", "slow"))
    world.named = 0.0
    world.minutes(2, 30.0)
    parts = world.scaler.window.parts
    assert parts is not None
    assert parts.windows[""].held("finished") == 0


def test_without_an_slo_the_traffic_is_forgotten_at_once_by_who_lives_on_too() -> None:
    world = mixed()
    world.minutes(30, 40.0)
    world.respec(agent("fast", "slow", slo=None))
    world.minutes(1, 40.0)
    assert not world.scaler.mix._traffic.known
    assert world.scaler.mix.state() == MixState(whole=None, apart={}, traffic=TrafficState())


def test_a_part_may_say_nothing() -> None:
    assert Part() == msgspec.json.decode(b"{}", type=Part)

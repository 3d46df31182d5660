"""Agent sessions: the published means come out, within what chance allows and no further."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from lab.plant import (
    LONG_CONTEXT,
    ConstantStartup,
    Finished,
    Plant,
    PlantParameters,
    Started,
    Variant,
)
from lab.traces import Arrival
from lab.traces.session import Call, Session
from lab.traces.sessions import DAY_S, SessionParameters, sessions, statistics, unrolled

PUBLISHED = SessionParameters()
NAMES = (
    "turns",
    "calls_per_turn",
    "tools_per_turn",
    "prompt_tokens",
    "cached_ratio",
    "completion_tokens",
)


def starts(count: int, every_s: float = 1.0) -> list[Arrival]:
    return [Arrival(at_s=n * every_s, tokens_in=1, tokens_out=1) for n in range(count)]


@pytest.fixture(scope="module")
def many() -> list[Session]:
    return sessions(starts(5000), seed=1)


@pytest.mark.parametrize("name", NAMES)
def test_the_published_statistics_come_out(many: list[Session], name: str) -> None:
    """Within 4 standard errors, which are at most 1.6 % of the figure: 10 % more would be seen."""
    realised = statistics(many)[name]
    published = getattr(PUBLISHED, name)
    assert abs(realised.value - published) < 4 * realised.error
    assert realised.error < 0.016 * published
    assert abs(realised.value - 1.1 * published) > 4 * realised.error


def test_the_published_figures_are_the_defaults() -> None:
    values = [getattr(PUBLISHED, name) for name in NAMES]
    assert values == [3.95, 7.83, 7.3, 67_800.0, 0.857, 528.0]
    assert PUBLISHED.weekday_over_weekend == 4.5
    assert PUBLISHED.growth == pytest.approx(1597.14, abs=0.01)
    assert PUBLISHED.hit_ratio == pytest.approx(0.8804, abs=1e-4)


def test_other_means_come_out_as_well() -> None:
    """What is derived is derived from the parameters, not written for the published ones."""
    other = SessionParameters(
        turns=2.0,
        calls_per_turn=4.0,
        tools_per_turn=5.0,
        prompt_tokens=12_000.0,
        cached_ratio=0.6,
        completion_tokens=200.0,
        first_prompt=4000.0,
        shared_prompt=1000.0,
    )
    found = statistics(sessions(starts(4000), other, seed=2))
    for name in NAMES:
        assert abs(found[name].value - getattr(other, name)) < 4 * found[name].error, name


def test_weekends_are_thinned_to_the_published_ratio() -> None:
    """Four weeks from a Thursday on, a start each five minutes, all of them kept on weekdays.

    Of 2,304 on weekends 512 are kept, with a deviation of 20, or 3.9 %.
    """
    short = SessionParameters(
        turns=1.0, calls_per_turn=2.0, tools_per_turn=1.0, prompt_tokens=30_000.0, cached_ratio=0.5
    )
    trace = starts(28 * 288, every_s=300.0)
    monday_s = 4 * DAY_S
    made = sessions(trace, short, seed=3, monday_s=monday_s)
    days = [(session.start_s - monday_s) // DAY_S % 7 for session in made]
    weekday = sum(day < 5 for day in days) / 5
    weekend = sum(day >= 5 for day in days) / 2
    assert weekday / weekend == pytest.approx(4.5, rel=4 * 0.039)
    # Without a week of its own the trace's is kept, and thinned alike.
    assert len(sessions(trace, short, seed=3, thin=0.5)) == pytest.approx(4032, abs=4 * 45)


def test_starts_are_the_trace_s_and_prompts_grow_within_a_session(many: list[Session]) -> None:
    assert [session.start_s for session in many] == [arrival.at_s for arrival in starts(5000)]
    for session in many[:200]:
        for before, call in itertools.pairwise(session.calls):
            assert call.tokens_in >= before.tokens_in + before.tokens_out - 1
            assert call.tokens_cached in (0, before.tokens_in) or (
                abs(call.tokens_cached - before.tokens_in) <= 1
            )
            assert call.turn - before.turn in (0, 1)
            assert call.pause_s > 0
        assert session.calls[0].pause_s == 0


def test_a_session_is_its_seed_s_and_its_number_s() -> None:
    assert sessions(starts(50), seed=1) == sessions(starts(50), seed=1)
    assert sessions(starts(50), seed=1)[:20] == sessions(starts(20), seed=1)
    assert sessions(starts(50), seed=1) != sessions(starts(50), seed=2)


def small(**more: object) -> PlantParameters:
    return dataclasses.replace(
        PlantParameters(
            slots=4,
            overhead_s=0.0,
            prefill_per_s=1e12,
            decode_per_s=1.0,
            initial_replicas=1,
            startup=ConstantStartup(1.0),
            gauge_every_s=1e9,
        ),
        **more,  # type: ignore[arg-type]
    )


def calls(*rows: tuple[float, int]) -> tuple[Call, ...]:
    return tuple(
        Call(pause_s=pause_s, turn=0, tokens_in=0, tokens_cached=0, tokens_out=out)
        for pause_s, out in rows
    )


def test_a_call_comes_a_pause_after_the_one_before_it_ended() -> None:
    agent = Session(name="s-1", start_s=2.0, calls=calls((0.0, 5), (1.5, 3), (0.5, 1)))
    plant = Plant([], small(), seed=1, begin=100.0, sessions=[agent])
    events = plant.advance(107.5)
    assert not plant.drained, "a session that pauses is not over"
    events += plant.advance(1000.0)
    begun = [(e.at, e.session) for e in events if isinstance(e, Started)]
    assert begun == [(102.0, "s-1"), (108.5, "s-1"), (112.0, "s-1")]
    assert plant.drained
    plant.close()


def test_under_overload_calls_wait_for_the_ones_before_them() -> None:
    """The closed loop keeps a session's calls in a row; an open one would have them overlap."""
    agents = [Session(name=f"s-{n}", start_s=0.0, calls=calls(*[(0.1, 3)] * 4)) for n in range(9)]
    plant = Plant([], small(slots=1), seed=1, begin=0.0, sessions=agents)
    inside: dict[str, int] = {}
    for event in plant.advance(1000.0):
        if isinstance(event, Started | Finished):
            change = 1 if isinstance(event, Started) else -1
            inside[event.session] = inside.get(event.session, 0) + change
            assert inside[event.session] in (0, 1)
    open_loop = unrolled(agents, lambda _in, out, _cached: float(out))
    ends = Plant(open_loop, small(slots=1), seed=1, begin=0.0).advance(1000.0)
    most = 0
    for event in ends:
        if isinstance(event, Started | Finished) and event.session == "s-8":
            most += 1 if isinstance(event, Started) else -1
            if most > 1:
                break
    assert most > 1


def test_a_session_goes_on_after_a_call_that_was_dropped() -> None:
    agent = Session(name="s-1", start_s=1.0, calls=calls((0.0, 1), (9.5, 1)))
    busy = [Arrival(at_s=0.0, tokens_in=0, tokens_out=10)]
    plant = Plant(busy, small(slots=1, queue_limit=0), seed=1, begin=0.0, sessions=[agent])
    events = [e for e in plant.advance(100.0) if isinstance(e, Finished)]
    assert [(e.at, e.status) for e in events] == [(1.0, "dropped"), (10.0, "ok"), (11.5, "ok")]


def test_unrolled_keeps_every_call_in_order_of_time(many: list[Session]) -> None:
    variant = Variant(name="x", batching=LONG_CONTEXT, slots=16)
    trace = unrolled(many[:50], variant.service_s)
    assert len(trace) == sum(len(session.calls) for session in many[:50])
    assert all(a.at_s <= b.at_s for a, b in itertools.pairwise(trace))
    own = [a for a in trace if a.session == many[7].name]
    assert [a.tokens_in for a in own] == [call.tokens_in for call in many[7].calls]
    first, second = own[:2]
    took = variant.service_s(first.tokens_in, first.tokens_out, first.tokens_cached)
    assert second.at_s == pytest.approx(first.at_s + took + many[7].calls[1].pause_s)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"turns": 0.5}, "at least 1"),
        ({"tools_per_turn": 2.0}, "a tool between"),
        ({"shared_prompt": 1e6}, "a part of"),
        ({"prompt_tokens": 21_000.0}, "too small"),
        ({"cached_ratio": 0.999}, "cannot be had"),
    ],
)
def test_means_that_cannot_be_had_are_refused(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SessionParameters(**wrong)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="thin is 0"):
        sessions(starts(3), seed=1, thin=0.0)
    with pytest.raises(ValueError, match="no calls"):
        Session(name="s-1", start_s=0.0, calls=())

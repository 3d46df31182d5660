"""Continuous batching against an engine that runs iteration by iteration, and by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.plant import LONG_CONTEXT, Batching, Plant, PlantParameters
from lab.traces import Arrival


def plant_of(arrivals: list[Arrival], model: Batching, slots: int = 64) -> Plant:
    parameters = PlantParameters(batching=model, slots=slots, initial_replicas=1, gauge_every_s=1e9)
    return Plant(arrivals, parameters, seed=1, begin=0.0)


def engine(requests: list[tuple[int, int]], model: Batching) -> list[float]:
    """When each of them ends, all having come at 0: an engine's own loop, step by step.

    A step's context is taken at its middle, which is its mean over the step.
    """

    def chunks(prompt: int) -> int:
        return math.ceil(prompt / model.chunk_tokens)

    ended: dict[int, float] = {}
    read = [0] * len(requests)
    written = [0] * len(requests)
    at = 0.0
    while len(ended) < len(requests):
        seconds = model.base_s
        reading = next((n for n, row in enumerate(requests) if read[n] < chunks(row[0])), None)
        for number, (prompt, _) in enumerate(requests):
            if number == reading:
                seconds += prompt / chunks(prompt) * model.prefill_s_per_token
            elif number not in ended and read[number] == chunks(prompt):
                context = prompt + written[number] + 0.5
                seconds += model.per_sequence_s + model.kv_s_per_token * context
        at += seconds
        for number, (prompt, completion) in enumerate(requests):
            if number == reading:
                read[number] += 1
                written[number] += read[number] == chunks(prompt)
            elif number not in ended and read[number] == chunks(prompt):
                written[number] += 1
            if number not in ended and written[number] >= completion:
                ended[number] = at
    return [ended[number] for number in range(len(requests))]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 60)), min_size=1, max_size=8),
    st.sampled_from([Batching(), LONG_CONTEXT, Batching(kv_s_per_token=1e-4, chunk_tokens=100)]),
)
def test_it_is_an_engine_that_runs_step_by_step(
    requests: list[tuple[int, int]], model: Batching
) -> None:
    arrivals = [Arrival(at_s=0.0, tokens_in=p, tokens_out=c) for p, c in requests]
    plant = plant_of(arrivals, model)
    plant.advance(1e6)
    plant.close()
    assert sorted(at for at, _ in plant.account.latencies) == pytest.approx(
        sorted(engine(requests, model)), rel=1e-9
    )


def test_a_request_alone_takes_what_the_docstring_says() -> None:
    model = Batching()
    plant = plant_of([Arrival(at_s=0.0, tokens_in=1024, tokens_out=11)], model)
    plant.advance(10.0)
    plant.close()
    prefill_s = 2 * (0.025 + 512 * 0.0002)
    decode_s = sum(0.0251 + 0.41e-6 * (1025 + step + 0.5) for step in range(10))
    assert plant.account.latencies[0][1] == pytest.approx(prefill_s + decode_s)
    assert plant.account.first_tokens[0] == pytest.approx(prefill_s)
    assert model.alone_s(1024, 11) == pytest.approx(prefill_s + decode_s)


def test_the_first_token_is_out_when_the_prompt_is_read() -> None:
    """Three at once, read one after the other in 2 x 127.4 ms; the third writes one token only."""
    trace = [Arrival(at_s=0.0, tokens_in=1024, tokens_out=out) for out in (500, 400, 1)]
    trace += [Arrival(at_s=900.0, tokens_in=0, tokens_out=10)]
    plant = plant_of(trace, Batching(per_sequence_s=0.0, kv_s_per_token=0.0))
    plant.advance(1e4)
    ended = [round(latency, 4) for _, latency in plant.account.latencies]
    first = [round(seconds, 4) for seconds in plant.account.first_tokens]
    # In the order in which they end: the third, the second, the first; and one without a prompt.
    assert first == [0.7644, 0.5096, 0.2548, 0.0]
    assert ended[0] == 0.7644
    assert ended[1] < ended[2]


@pytest.mark.parametrize(("prompt", "cached"), [(0, 0), (5000, 0), (5000, 4000), (5000, 5000)])
@pytest.mark.parametrize("completion", [0, 1, 2, 300])
def test_alone_is_what_the_estimate_says(prompt: int, cached: int, completion: int) -> None:
    arrival = Arrival(at_s=0.0, tokens_in=prompt, tokens_out=completion, tokens_cached=cached)
    plant = plant_of([arrival], Batching())
    plant.advance(1e4)
    plant.close()
    estimate = Batching().alone_s(prompt, completion, cached)
    assert plant.account.latencies[0][1] == pytest.approx(estimate)


def test_beside_others_each_is_slower_and_all_together_faster() -> None:
    def seconds(count: int) -> float:
        plant = plant_of([Arrival(at_s=0.0, tokens_in=0, tokens_out=500)] * count, Batching())
        plant.advance(1e4)
        return plant.account.latencies[-1][1]

    times = {count: seconds(count) for count in (1, 8, 64)}
    assert times[1] < times[8] < times[64]
    assert 64 / times[64] > 8 / times[8] > 1 / times[1]


def test_who_joins_slows_those_who_are_there_from_then_on() -> None:
    """Two that share from 1 s on: 1 s alone, then half of the speed (no base, pure sharing)."""
    model = Batching(base_s=0.0, per_sequence_s=0.001, kv_s_per_token=0.0)
    first = Arrival(at_s=0.0, tokens_in=0, tokens_out=2000)
    plant = plant_of([first, Arrival(at_s=1.0, tokens_in=0, tokens_out=500)], model)
    plant.advance(100.0)
    assert [at for at, _ in plant.account.latencies] == pytest.approx([2.0, 2.5])


def test_beyond_its_slots_a_replica_lets_requests_wait() -> None:
    model = Batching(base_s=0.001, per_sequence_s=0.0, kv_s_per_token=0.0)
    plant = plant_of([Arrival(at_s=0.0, tokens_in=0, tokens_out=1000)] * 3, model, slots=2)
    plant.advance(100.0)
    assert [latency for _, latency in plant.account.latencies] == pytest.approx([1.0, 1.0, 2.0])
    assert list(plant.account.waits) == pytest.approx([0.0, 0.0, 1.0])


def test_what_does_not_fit_its_memory_waits_for_room() -> None:
    """Room for 1,000 tokens: prompts of 400 and 100 reserved each, so two side by side."""
    model = Batching(
        base_s=0.01,
        per_sequence_s=0.0,
        kv_s_per_token=0.0,
        prefill_s_per_token=0.0,
        kv_tokens=1000,
        reserve_tokens=100,
    )
    # A prompt takes an iteration, which gives the first token: 100 iterations, 1 s.  The second's
    # waits for the first's, the third's for room.
    trace = [Arrival(at_s=0.0, tokens_in=400, tokens_out=100)] * 3
    plant = plant_of([*trace, Arrival(at_s=5.0, tokens_in=9999, tokens_out=100)], model)
    plant.advance(100.0)
    plant.close()
    # The third comes after the first two; what never fits is let in alone (20 chunks, 1.19 s).
    assert [at for at, _ in plant.account.latencies] == pytest.approx([1.0, 1.01, 2.0, 6.19])


def test_who_does_not_fit_one_replica_may_fit_another() -> None:
    model = Batching(kv_tokens=1000, reserve_tokens=0)
    parameters = PlantParameters(batching=model, slots=8, initial_replicas=2, gauge_every_s=1.0)
    trace = [
        Arrival(at_s=0.0, tokens_in=900, tokens_out=500),
        Arrival(at_s=0.01, tokens_in=100, tokens_out=500),
        Arrival(at_s=0.02, tokens_in=100, tokens_out=500),  # Beside the first, which is older.
        Arrival(at_s=0.03, tokens_in=850, tokens_out=500),  # The second has room for it.
        Arrival(at_s=0.04, tokens_in=500, tokens_out=500),  # Nobody has.
    ]
    plant = Plant(trace, parameters, seed=1, begin=0.0)
    plant.advance(1.0)
    assert [replica.held for replica in plant._replicas] == [1000, 950]
    assert len(plant._queue) == 1
    plant.advance(100.0)
    plant.close()
    assert [replica.held for replica in plant._replicas] == [0, 0]
    assert plant.account.served == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_s": -1.0},
        {"kv_s_per_token": float("nan")},
        {"base_s": 0.0, "per_sequence_s": 0.0},
        {"chunk_tokens": 0},
        {"kv_tokens": 0},
    ],
)
def test_a_model_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"expected|no time"):
        Batching(**wrong)  # type: ignore[arg-type]

"""Folding by columns gives what folding one event at a time would: an independent second count."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from models import sketch
from models.blocks import BlockFold
from models.domain.telemetry import ReplicaReport, Request, Resource, Telemetry
from tests.models.folding import Message, fold_messages

maybe_latency = st.one_of(st.just(UNSET), st.floats(0, 1e6, allow_nan=False))
maybe_tokens = st.one_of(st.just(UNSET), st.integers(0, 10**12))

requests = st.builds(
    Request,
    v=st.just(1),
    workload=st.sampled_from(["a/x", "a/y", "b/x"]),
    at=st.floats(100, 103, allow_nan=False),
    phase=st.sampled_from(["started", "finished"]),
    latency_s=maybe_latency,
    tokens_in=maybe_tokens,
    tokens_out=maybe_tokens,
    status=st.sampled_from(["ok", "error", "dropped"]),
    tenant=st.one_of(st.just(UNSET), st.sampled_from(["", "acme", "*"])),
)
resources = st.builds(
    Resource,
    v=st.just(1),
    workload=st.sampled_from(["a/x", "b/x"]),
    at=st.floats(100, 103, allow_nan=False),
    pod=st.just("p"),
)
reports = st.builds(
    ReplicaReport,
    v=st.just(1),
    workload=st.just("a/x"),
    at=st.floats(100, 103, allow_nan=False),
    desired=st.just(1),
    ready=st.just(1),
    started_s=st.just((2.0,)),
)
logs = st.lists(
    st.tuples(st.integers(0, 400), st.lists(st.one_of(requests, resources, reports), max_size=4)),
    min_size=1,
    max_size=25,
)


def counted_by_hand(events: list[Telemetry]) -> dict[str, Any]:
    found: dict[str, Any] = defaultdict(int)
    latency: dict[int, int] = defaultdict(int)
    for event in events:
        found["events"] += 1
        if not isinstance(event, Request):
            continue
        tokens_in = 0 if event.tokens_in is UNSET else event.tokens_in
        if event.phase == "started":
            found["started"] += 1
            found["tokens_in_started"] += tokens_in
            continue
        found["finished"] += 1
        found["errors"] += event.status == "error"
        found["dropped"] += event.status == "dropped"
        found["tokens_in"] += tokens_in
        found["tokens_out"] += 0 if event.tokens_out is UNSET else event.tokens_out
        if event.latency_s is not UNSET:
            us = round(event.latency_s * 1e6)
            found["latency_count"] += 1
            found["latency_us"] += us
            latency[sketch.bucket(us)] += 1
        if event.tenant is not UNSET:
            found[f"tenant {event.tenant}"] += 1
    return {**found, "latency": dict(latency)}


@settings(max_examples=150, deadline=None)
@given(logs, st.data())
def test_columns_count_as_one_event_at_a_time_does(
    drawn: list[tuple[int, list[Telemetry]]], data: st.DataObject
) -> None:
    ms = 10_000
    messages: list[Message] = []
    for offset, (gap, events) in enumerate(drawn):
        ms += gap
        messages.append((offset, ms, events))
    folder = BlockFold(0)
    cut = data.draw(st.integers(0, len(messages)))
    fold_messages(folder, messages[:cut])
    fold_messages(folder, messages[cut:])
    loads = folder.drain()
    every: dict[tuple[str, int], list[Telemetry]] = defaultdict(list)
    for _, _, events in messages:
        for event in events:
            every[event.workload, math.floor(event.at)].append(event)
    for key, events in every.items():
        wanted = counted_by_hand(events)
        mine = [load for load in loads if (load.workload, load.second) == key]
        for name, value in wanted.items():
            if name == "latency":
                merged: dict[int, int] = defaultdict(int)
                for load in mine:
                    for index, count in load.latency.items():
                        merged[index] += count
                assert dict(merged) == value
            elif name.startswith("tenant "):
                assert sum(load.tenants.get(name[7:], 0) for load in mine) == value
            else:
                assert sum(getattr(load, name) for load in mine) == value, name
    assert {(load.workload, load.second) for load in loads} == set(every)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**12))
def test_a_bucket_is_the_smallest_whose_bound_is_not_below(latency_us: int) -> None:
    index = sketch.bucket(latency_us)
    assert latency_us <= math.floor(sketch.GAMMA**index)
    assert index == 0 or latency_us > math.floor(sketch.GAMMA ** (index - 1))
    if latency_us > 100:
        assert abs(sketch.seconds(index) * 1e6 - latency_us) <= sketch.ACCURACY * latency_us * 1.01

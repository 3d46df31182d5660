"""Folding by columns gives what folding one event at a time would: an independent second count."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from models import blocks, groups, sketch
from models.blocks import BlockFold
from models.columns import ColumnBuilder, Numbering, together
from models.domain.load import Load
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
    variant=st.sampled_from([UNSET, "", "fast", "cheap"]),
    opens_session=st.sampled_from([UNSET, False, True]),
)
resources = st.builds(
    Resource,
    v=st.just(1),
    workload=st.sampled_from(["a/x", "b/x"]),
    at=st.floats(100, 103, allow_nan=False),
    pod=st.just("p"),
    variant=st.sampled_from([UNSET, "fast"]),
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
            found["sessions"] += event.opens_session is True
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


def test_all_buckets_at_once_are_each_one_alone() -> None:
    near = [bound + off for bound in sketch._BOUNDS for off in (-1, 0, 1)]
    near = [us for us in near if 0 <= us <= sketch.LARGEST_US]
    near += list(range(5000))
    found = sketch.buckets(np.array(near, np.int64))
    assert found.tolist() == [sketch.bucket(us) for us in near]


def folded(messages: list[Message], cuts: list[int]) -> list[Load]:
    """Fetched in parts, all of which number names alike, and drained once."""
    folder, workloads, tenants, variants = BlockFold(0), Numbering(), Numbering(), Numbering()
    for begin, end in zip([0, *cuts], [*cuts, len(messages)], strict=True):
        builder = ColumnBuilder()
        for number, (_, _, events) in enumerate(messages[begin:end]):
            builder.add(number, events)
        offsets = np.array([offset for offset, _, _ in messages[begin:end]], np.int64)
        seconds = np.array([ms // 1000 for _, ms, _ in messages[begin:end]], np.int64)
        folder.fold(offsets, seconds, builder.build(workloads, tenants, variants))
    return folder.drain()


@settings(max_examples=100, deadline=None)
@given(logs, st.data())
def test_what_waits_to_be_summed_changes_nothing(
    drawn: list[tuple[int, list[Telemetry]]], data: st.DataObject
) -> None:
    messages = [(offset, 10_000 + 90 * offset, events) for offset, (_, events) in enumerate(drawn)]
    wanted = folded(messages, [])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(messages)), max_size=4)))
    assert folded(messages, cuts) == wanted
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blocks, "MANY", data.draw(st.integers(1, 9)))
        patched.setattr(groups, "_DENSE", data.draw(st.sampled_from([0, 4, 1 << 18])))
        assert folded(messages, cuts) == wanted


@settings(max_examples=100, deadline=None)
@given(logs, st.data())
def test_parts_together_are_in_the_order_of_their_messages(
    drawn: list[tuple[int, list[Telemetry]]], data: st.DataObject
) -> None:
    whole = ColumnBuilder()
    parts = [ColumnBuilder(), ColumnBuilder()]
    for number, (_, events) in enumerate(drawn):
        whole.add(number, events)
        parts[data.draw(st.integers(0, 1))].add(number, events)
    names, tenants, variants = Numbering(), Numbering(), Numbering()
    wanted = whole.build(names, tenants, variants)
    found = together([part.build(names, tenants, variants) for part in parts])
    assert found.variants is variants.names
    assert found.others == wanted.others
    for name in ("workload", "message", "at", "latency_s", "tokens_in", "tokens_out"):
        assert getattr(found, name).tolist() == getattr(wanted, name).tolist()
    for name in ("started", "opens", "tenant", "variant", "failed"):
        mine, its = getattr(found, name), getattr(wanted, name)
        assert (mine is None) is (its is None)
        assert mine is None or np.array_equal(mine, its)

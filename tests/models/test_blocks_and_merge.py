"""Totals are exact: under any chunking, redelivery from a block's start, zombies and lateness."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.blocks import BLOCK_OFFSETS, BlockFold
from models.domain.load import Load, Progress, SourceProgress
from models.domain.telemetry import ReplicaReport, Request, Resource, Telemetry
from models.merge import Merge
from tests.models.folding import fold_messages, fold_one

W = "prod/bot"


def request(at: float, **more: object) -> Request:
    return Request(v=1, workload=W, at=at, **more)  # type: ignore[arg-type]


Log = list[tuple[int, int, list[Telemetry]]]


def log_of(times: list[tuple[float, int]]) -> Log:
    """(event time, append ms) per offset."""
    return [(offset, ms, [request(at, latency_s=0.5)]) for offset, (at, ms) in enumerate(times)]


def fold(log: Log, source: int, cuts: list[int]) -> tuple[BlockFold, list[Load]]:
    """Fold a log, fetched and drained up to each of the cuts."""
    folder = BlockFold(source)
    sent: list[Load] = []
    fetched: Log = []
    for row in log:
        fetched.append(row)
        if row[0] in cuts:
            fold_messages(folder, fetched)
            fetched = []
            sent += folder.drain()
    fold_messages(folder, fetched)
    return folder, sent + folder.drain()


def total(partials: list[Load]) -> int:
    merge = Merge(lateness_s=1.0)
    for partial in partials:
        merge.add(partial)
    return merge.totals().get(W, 0)


def opened(partials: list[Load]) -> int:
    """Sessions opened in the first 21 seconds."""
    merge = Merge(lateness_s=1.0)
    for partial in partials:
        merge.add(partial)
    return merge.window(W).total("sessions", 0, 20)


def test_the_counter_example_of_replacing_partials() -> None:
    """Offsets 10.1 s, 11.2 s, 10.9 s; the commit moves past the first, then kill -9 and replay."""
    log = log_of([(10.1, 10_000), (11.2, 11_000), (10.9, 11_500)])
    folder, sent = fold(log, 0, cuts=[0, 1, 2])
    # Block 0 is offset 0 alone, block 1 begins at offset 1: that is what was committed.
    assert folder.block == 1
    _, again = fold([row for row in log if row[0] >= 1], 0, cuts=[2])
    assert total(sent + again) == 3


def test_a_block_ends_at_a_new_append_second_or_after_its_most_offsets() -> None:
    folder = BlockFold(0)
    fold_one(folder, 0, 5_000, [])
    fold_one(folder, 1, 5_999, [])
    assert folder.block == 0
    fold_one(folder, 2, 4_000, [])  # An older timestamp does not end it.
    assert folder.block == 0
    fold_one(folder, 3, 6_000, [])
    assert folder.block == 3
    fold_one(folder, 3 + BLOCK_OFFSETS, 6_000, [])
    assert folder.block == 3 + BLOCK_OFFSETS


times = st.lists(
    st.tuples(st.floats(0, 20, allow_nan=False), st.integers(0, 400)), min_size=1, max_size=60
)


@settings(max_examples=150, deadline=None)
@given(times, st.data())
def test_chunking_redelivery_and_duplicates_change_no_total(
    drawn: list[tuple[float, int]], data: st.DataObject
) -> None:
    append_ms, log_times = 10_000, []
    for at, gap in drawn:
        append_ms += gap
        log_times.append((at, append_ms))
    log = [
        (offset, ms, [*events, request(events[0].at, phase="started", opens_session=True)])
        for offset, ms, events in log_of(log_times)
    ]
    cuts = data.draw(st.lists(st.integers(0, len(log) - 1), max_size=10))
    _, sent = fold(log, 0, cuts)
    assert total(sent) == 2 * len(log)
    # A crash anywhere: the new owner begins at the start of a block that was open then.
    starts = sorted({partial.block for partial in sent})
    begin = data.draw(st.sampled_from(starts))
    other_cuts = data.draw(st.lists(st.integers(0, len(log) - 1), max_size=10))
    _, again = fold([row for row in log if row[0] >= begin], 0, other_cuts)
    mixed = sent + again
    random.Random(len(log)).shuffle(mixed)  # Zombies write whenever they like.
    assert total(mixed) == 2 * len(log)
    assert opened(mixed) == len(log)


def test_done_blocks_are_settled_and_their_echoes_change_nothing() -> None:
    log = log_of([(10.0, 10_000), (10.5, 10_400), (11.0, 11_000)])
    folder, sent = fold(log, 0, cuts=[0, 1, 2])
    merge = Merge(lateness_s=0.0)
    for partial in sent:
        merge.add(partial)
    done = SourceProgress(source=0, position=3, watermark=11.5, done=folder.block or 0)
    merge.progress(Progress(sources=1, progress=(done,)))
    for partial in sent:
        assert merge.add(partial) is None
    assert merge.totals() == {W: 3}
    assert merge.window(W).column("finished", 10, 11) == [2, 1]


def test_a_second_is_complete_only_when_all_sources_have_passed_it() -> None:
    merge = Merge(lateness_s=2.0)
    first = SourceProgress(source=0, position=0, watermark=100.0, done=0)
    assert not merge.progress(Progress(sources=2, progress=(first,)))
    assert merge.closed_through is None  # Source 1 has said nothing: missing, not zero.
    second = SourceProgress(source=1, position=0, watermark=50.9, done=0)
    assert merge.progress(Progress(sources=2, progress=(second,)))
    assert merge.closed_through == 47  # 50.9 - 2 = 48.9: second 48 is not over yet.
    # A zombie's older report takes nothing back.
    old = SourceProgress(source=1, position=0, watermark=10.0, done=0)
    assert not merge.progress(Progress(sources=2, progress=(old,)))
    assert merge.closed_through == 47


def test_late_events_are_corrections_and_never_lost() -> None:
    merge = Merge(lateness_s=0.0)
    report = SourceProgress(source=0, position=0, watermark=100.0, done=0)
    merge.progress(Progress(sources=1, progress=(report,)))
    _, sent = fold(log_of([(42.0, 100_500)]), 0, cuts=[0])
    merged = merge.add(sent[0])
    assert merged is not None
    assert merged.late
    assert merge.corrections == 1
    assert merge.totals() == {W: 1}


def test_gauges_keep_the_newest_and_start_ups_are_told_once() -> None:
    folder = BlockFold(0)
    pod = {"v": 1, "workload": W, "pod": "p"}
    fold_one(
        folder,
        0,
        1000,
        [Resource(at=5.0, in_flight=3, **pod), Resource(at=4.0, in_flight=9, **pod)],
    )  # type: ignore[arg-type]
    fold_one(folder, 1, 1000, [Resource(at=5.5, in_flight=4, **pod)])  # type: ignore[arg-type]
    report = {"v": 1, "workload": W, "desired": 2, "ready": 1}
    fold_one(folder, 2, 1000, [ReplicaReport(at=5.6, started_s=(30.0,), **report)])  # type: ignore[arg-type]
    (first_four, first) = sorted(folder.drain(), key=lambda p: p.second)
    assert first_four.pods["p"].in_flight == 9
    assert first.pods["p"].in_flight == 4
    merge = Merge(lateness_s=1.0)
    merged = merge.add(first)
    assert merged is not None
    assert merged.window.start_up.seconds() == 30.0
    fold_one(folder, 3, 1000, [ReplicaReport(at=5.9, started_s=(31.0,), **report)])  # type: ignore[arg-type]
    merged = merge.add(folder.drain()[0])
    assert merged is not None
    assert merged.window.start_up.seen == {"default": [30.0, 31.0]}


def test_a_silent_service_says_nothing_of_tokens_or_latency() -> None:
    folder = BlockFold(0)
    fold_one(folder, 0, 1000, [request(1.0)])
    (partial,) = folder.drain()
    assert (partial.finished, partial.latency_count, partial.tokens_out) == (1, 0, 0)


@pytest.mark.parametrize("tenants", [10, 100])
def test_tenants_are_bounded(tenants: int) -> None:
    folder = BlockFold(0)
    fold_one(folder, 0, 1000, [request(1.0, tenant=f"t{n}") for n in range(tenants)])
    (partial,) = folder.drain()
    assert sum(partial.tenants.values()) == tenants
    assert len(partial.tenants) <= 65

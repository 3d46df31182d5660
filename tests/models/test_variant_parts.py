"""Parts by variant: what a partial has of each, however the log is cut, against a count by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, structs

from models import blocks, sketch, sums
from models.blocks import BlockFold
from models.columns import ColumnBuilder, Numbering
from models.domain.load import MAX_VARIANTS, Load, Part, PodGauge
from models.domain.telemetry import ReplicaReport, Request, Resource, Telemetry
from models.merge import Merge
from tests.models.folding import Message, fold_messages, fold_one, fold_together

W = "a/x"
Key = tuple[str, int, int]


def request(variant: str | None = None, **more: Any) -> Request:
    given_as = {} if variant is None else {"variant": variant}
    return Request(**{"v": 1, "workload": W, "at": 100.0} | given_as | more)


def resource(variant: str | None = None, pod: str = "p", **more: Any) -> Resource:
    given_as = {} if variant is None else {"variant": variant}
    return Resource(**{"v": 1, "workload": W, "at": 100.0, "pod": pod} | given_as | more)


def folded(*messages: Sequence[Telemetry], drained: bool = False) -> Load:
    """The one partial of messages fetched one by one."""
    folder, found = BlockFold(0), []
    for offset, events in enumerate(messages):
        fold_one(folder, offset, 1000, events)
        if drained:
            found = folder.drain() or found
    (load,) = folder.drain() or found
    return load


def finished(load: Load) -> dict[str, int]:
    return {name: part.finished for name, part in load.variants.items()}


@pytest.mark.parametrize("drained", [False, True])
class TestOneByOne:
    def test_of_one_variant_there_are_no_parts(self, *, drained: bool) -> None:
        load = folded([request("a")], [resource("a")], [request("a")], drained=drained)
        assert (load.variant, load.variants, load.finished) == ("a", {}, 2)

    def test_what_names_none_is_of_none(self, *, drained: bool) -> None:
        load = folded([request()], [request("")], [resource()], [resource("")], drained=drained)
        assert (load.variant, load.variants, load.finished) == ("", {}, 2)

    def test_what_came_before_the_second_variant_is_in_its_part(self, *, drained: bool) -> None:
        load = folded([request("a")] * 2, [request("b")], [request("b")] * 3, drained=drained)
        assert (load.variant, finished(load), load.finished) == ("", {"a": 2, "b": 4}, 6)

    def test_what_names_none_is_in_no_part(self, *, drained: bool) -> None:
        for messages in (
            [[request()], [request("a")], [request()]],
            [[request("a")], [request()], [request()]],
        ):
            load = folded(*messages, drained=drained)
            assert (load.variant, finished(load), load.finished) == ("", {"a": 1}, 3)

    def test_pods_are_in_the_part_that_they_name(self, *, drained: bool) -> None:
        load = folded(
            [resource("a", "p", in_flight=1), resource("b", "q", in_flight=2)],
            [request("a"), resource("a", "p", at=100.0, in_flight=3)],
            [resource(None, "r", at=100.5), resource("b", "p", at=100.5, in_flight=7)],
            drained=drained,
        )
        in_flight = {
            name: {pod: gauge.in_flight for pod, gauge in part.pods.items()}
            for name, part in load.variants.items()
        }
        assert in_flight == {"a": {"p": 3}, "b": {"q": 2, "p": 7}}
        assert {pod: gauge.in_flight for pod, gauge in load.pods.items()} == {
            "p": 7,
            "q": 2,
            "r": None,
        }
        assert finished(load) == {"a": 1, "b": 0}

    def test_replicas_name_variants_and_divide_nothing(self, *, drained: bool) -> None:
        report = ReplicaReport(v=1, workload=W, at=100.0, desired=1, ready=1, variant="b")
        load = folded([report], [request("a")], [report], [request("a")], drained=drained)
        assert (load.variant, load.variants, list(load.replicas)) == ("a", {}, ["b"])

    def test_so_many_have_parts_and_those_that_came_first(self, *, drained: bool) -> None:
        names = [f"v{number}" for number in range(MAX_VARIANTS + 3)]
        load = folded(*([request(name)] for name in [*names, *names]), drained=drained)
        assert finished(load) == dict.fromkeys(names[:MAX_VARIANTS], 2)
        assert load.finished == 2 * len(names)

    def test_a_pods_name_takes_its_place_in_the_log(self, *, drained: bool) -> None:
        names = [f"v{number}" for number in range(MAX_VARIANTS - 1)]
        told = [[request(name)] for name in names]
        late = folded(*told, [request("x")], [resource("y")], drained=drained)
        assert set(late.variants) == {*names, "x"}
        early = folded(*told, [resource("y")], [request("x")], drained=drained)
        assert set(early.variants) == {*names, "y"}


def test_in_one_message_requests_come_before_pods() -> None:
    names = [f"v{number}" for number in range(MAX_VARIANTS)]
    load = folded([resource("y"), *(request(name) for name in names)], [request("y")])
    assert set(load.variants) == set(names)


def test_of_pods_in_one_message_the_first_comes_first() -> None:
    names = [f"v{number}" for number in range(MAX_VARIANTS + 1)]
    told = [resource(name) for name in names]
    folder = BlockFold(0)
    fold_messages(folder, [(0, 1000, told), (1, 1000, [request(names[-1])])])
    (load,) = folder.drain()
    assert set(load.variants) == set(names[:-1])


variants = st.sampled_from([UNSET, UNSET, "", "a", "a", "b", "c", "d"])
places = {
    "workload": st.sampled_from([W, W, W, "b/x"]),
    "at": st.sampled_from([100.0, 100.0, 100.5, 101.0]),
}
requests = st.builds(
    Request,
    v=st.just(1),
    variant=variants,
    phase=st.sampled_from(["started", "finished", "finished"]),
    latency_s=st.sampled_from([UNSET, 0.0, 0.2, 3.0]),
    tokens_in=st.sampled_from([UNSET, 5]),
    tokens_out=st.sampled_from([UNSET, 3]),
    status=st.sampled_from(["ok", "ok", "error", "dropped"]),
    opens_session=st.sampled_from([UNSET, True]),
    tenant=st.sampled_from([UNSET, "acme"]),
    **places,
)
resources = st.builds(
    Resource,
    v=st.just(1),
    variant=variants,
    pod=st.sampled_from(["p", "q"]),
    in_flight=st.integers(0, 9),
    **places,
)
reports = st.builds(
    ReplicaReport, v=st.just(1), variant=variants, desired=st.just(1), ready=st.just(1), **places
)
names = st.sampled_from(["a", "b", "c", "d"])
bare = st.one_of(names.map(request), names.map(resource))
logs = st.one_of(
    st.lists(
        st.lists(st.one_of(requests, requests, resources, reports), max_size=4),
        min_size=1,
        max_size=25,
    ),
    st.lists(st.lists(bare, min_size=1, max_size=3), min_size=1, max_size=6),
)


def by_hand(events: list[Telemetry], most: int) -> tuple[str, dict[str, Part]]:
    """``variant`` and ``variants`` of events in the order of the log, counted one by one."""
    told = [event for event in events if not isinstance(event, ReplicaReport)]
    names = ["" if event.variant is UNSET else event.variant for event in told]
    if len(set(names)) < 2:
        return (names or [""])[0], {}
    found: dict[str, Part] = {}
    for name, event in zip(names, told, strict=True):
        if name and (name in found or len(found) < most):
            found[name] = counted(found.get(name, Part()), event)
    return "", found


def counted(part: Part, event: Request | Resource) -> Part:
    if isinstance(event, Resource):
        at_us = round(event.at * 1e6)
        if event.pod in part.pods and part.pods[event.pod].at_us > at_us:
            return part
        gauge = PodGauge(
            at_us=at_us, in_flight=None if event.in_flight is UNSET else event.in_flight
        )
        return structs.replace(part, pods={**part.pods, event.pod: gauge})
    tokens_in = event.tokens_in or 0
    if event.phase == "started":
        return structs.replace(
            part,
            started=part.started + 1,
            sessions=part.sessions + (event.opens_session is True),
            tokens_in_started=part.tokens_in_started + tokens_in,
        )
    part = structs.replace(
        part,
        finished=part.finished + 1,
        errors=part.errors + (event.status == "error"),
        dropped=part.dropped + (event.status == "dropped"),
        tokens_in=part.tokens_in + tokens_in,
        tokens_out=part.tokens_out + (event.tokens_out or 0),
    )
    if event.latency_s is UNSET:
        return part
    us = round(event.latency_s * 1e6)
    bucket = sketch.bucket(us)
    return structs.replace(
        part,
        latency_count=part.latency_count + 1,
        latency_us=part.latency_us + us,
        latency={**part.latency, bucket: part.latency.get(bucket, 0) + 1},
    )


def finals(drained: list[Load]) -> dict[Key, Load]:
    """The last partial of each, of which none has lost a part or a count of one."""
    found: dict[Key, Load] = {}
    for load in drained:
        key = load.workload, load.second, load.block
        before = found.get(key)
        for name, part in (before.variants if before else {}).items():
            assert load.variants[name].started >= part.started
            assert load.variants[name].finished >= part.finished
        found[key] = load
    return found


def cut_at_will(messages: list[Message], data: st.DataObject) -> list[Load]:
    """Fetched in parts, drained now and then, and numbered anew now and then."""
    folder, drained = BlockFold(0), []
    numbers = Numbering(), Numbering(), Numbering()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(messages)), max_size=8)))
    for begin, end in zip([0, *cuts], [*cuts, len(messages)], strict=True):
        if data.draw(st.integers(0, 3)) == 0:
            numbers = *numbers[:2], Numbering()
        fold_together(folder, messages[begin:end], numbers)
        if data.draw(st.booleans()):
            drained += folder.drain()
    return drained + folder.drain()


@settings(max_examples=400, deadline=None)
@given(logs, st.data())
def test_parts_are_those_of_a_count_by_hand_however_the_log_is_cut(
    drawn: list[list[Telemetry]], data: st.DataObject
) -> None:
    most = data.draw(st.sampled_from([1, 2, 2, MAX_VARIANTS]))
    gap_ms = data.draw(st.sampled_from([0, 90]))
    messages = [(offset, 10_000 + gap_ms * offset, events) for offset, events in enumerate(drawn)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sums, "MAX_VARIANTS", most)
        whole = BlockFold(0)
        fold_messages(whole, messages)
        wanted = finals(whole.drain())
        patched.setattr(blocks, "MANY", data.draw(st.sampled_from([1, 3, 1 << 15])))
        assert finals(cut_at_will(messages, data)) == wanted
    every: dict[Key, list[Telemetry]] = {}
    block = newest = 0
    for offset, ms, events in messages:
        if offset == 0 or ms // 1000 > newest:
            block, newest = offset, ms // 1000
        # Of one message, requests before the others.
        for event in sorted(events, key=lambda event: not isinstance(event, Request)):
            every.setdefault((event.workload, math.floor(event.at), block), []).append(event)
    assert every.keys() == wanted.keys()
    for key, events in every.items():
        load = wanted[key]
        assert (load.variant, load.variants) == by_hand(events, most)


def test_partials_kept_to_compare_with_have_no_gauges() -> None:
    load = folded([request("a"), resource("a")], [request("b"), resource("b", "q")])
    for given_as in (load, structs.replace(load, pods={})):
        merge = Merge(lateness_s=1.0)
        merge.add(given_as)
        (kept,) = merge.open_partials({W})[W]
        assert kept.pods == {}
        assert [part.pods for part in kept.variants.values()] == [{}, {}]
        assert finished(kept) == {"a": 1, "b": 1}


def test_columns_name_no_variant_where_none_is_named() -> None:
    builder = ColumnBuilder()
    builder.add(0, [request(), request("")])
    assert builder.build().variant is None

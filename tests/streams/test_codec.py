"""Validation: what is wrong is said, with its place; its neighbours are not hurt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import codec

GOOD = {"v": 1, "kind": "request", "workload": "prod/bot", "at": 100.0, "latency_s": 0.5}


def line(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


BROKEN = {
    "not JSON": (b"hello", "", "malformed"),
    "unknown version": (line(v=2), "$.v", "<= 1"),
    "NaN": (line(latency_s=float("nan")), "", "NaN"),
    "Infinity": (line(latency_s=float("inf")), "", "Infinity"),
    "negative": (line(latency_s=-1), "$.latency_s", ">= 0"),
    "two minutes ahead": (line(at=220.0), "$.at", "120.000 s ahead"),
    "missing field": (
        json.dumps({"v": 1, "kind": "request", "at": 1}).encode(),
        "$.workload",
        "missing",
    ),
    "wrong type": (line(latency_s="fast"), "$.latency_s", "got `str`"),
    "empty": (b"", "", "empty"),
    "null bytes": (b"\0\0\0", "", "malformed"),
    "nested": (b"[" * 10_000 + b"]" * 10_000, "", "deep"),
    "400 digits": (line(latency_s=0).replace(b"0}", b"9" * 400 + b"}"), "$.latency_s", "range"),
    "unknown kind": (line(kind="gossip"), "$.kind", "gossip"),
    "bad workload": (line(workload="Prod Bot"), "$.workload", "regex"),
    "not an object": (b"7", "$", "object"),
    "not UTF-8": (b'{"v":1,"kind":"request","workload":"\xff/x","at":1}', "", "utf-8"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_fault_has_its_field_and_its_reason(name: str) -> None:
    value, field, reason = BROKEN[name]
    decoded = codec.telemetry(value, 100.0)
    assert decoded.events == []
    ((index, found_field, found_reason),) = decoded.rejected
    assert index is None
    assert found_field == field
    assert reason.lower() in found_reason.lower()


def test_a_bad_element_does_not_take_its_neighbours_with_it() -> None:
    array = b"[" + b",".join([line(), line(v=9), line(at=99.0), line(latency_s=-1)]) + b"]"
    decoded = codec.telemetry(array, 100.0)
    assert [event.at for event in decoded.events] == [100.0, 99.0]
    assert [(index, field) for index, field, _ in decoded.rejected] == [
        (1, "$.v"),
        (3, "$.latency_s"),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        line().replace(b"100.0", b"NaN"),
        line(colour="blue").replace(b"blue", b"\\ud83d"),
        line(session="cut").replace(b"cut", b"\\ud83d"),
        line(at=99.0).replace(b"99.0", b"1" * 5000),
        line(session="cut").replace(b"cut", b"\xff"),
    ],
)
def test_an_element_that_is_no_json_does_not_either(bad: bytes) -> None:
    """NaN and half a character are what other languages' libraries write."""
    decoded = codec.telemetry(b" [" + b" , ".join([line(), bad, line()]) + b" ]\n", 100.0)
    assert [event.at for event in decoded.events] == [100.0, 100.0]
    assert [index for index, _, _ in decoded.rejected] == [1]


@pytest.mark.parametrize(
    "whole",
    [
        b"[" + line() + b",NaN",
        b"[NaN," + line() + b"] 1",
        b"[" + line() + b",,NaN]",
        b"[NaN;" + line() + b"]",
        b"[NaN" + line() + b"]",
        b"[" + b"[" * 100_000,
    ],
)
def test_an_array_that_does_not_end_is_refused_whole(whole: bytes) -> None:
    decoded = codec.telemetry(whole, 100.0)
    assert decoded.events == []
    assert [index for index, _, _ in decoded.rejected] == [None]


def test_unknown_fields_are_ignored_and_counted() -> None:
    decoded = codec.telemetry(line(colour="blue", mood=3), 100.0)
    assert len(decoded.events) == 1
    assert decoded.unknown == {"colour": 1, "mood": 1}


def test_late_is_never_rejected() -> None:
    assert len(codec.telemetry(line(at=0.0), 1e9).events) == 1


def test_a_minute_ahead_is_still_taken() -> None:
    assert len(codec.telemetry(line(at=160.0), 100.0).events) == 1
    assert codec.telemetry(line(at=160.1), 100.0).events == []


def test_an_unknown_field_whose_name_is_not_utf8_is_refused() -> None:
    value = b'{"v":1,"kind":"request","workload":"a/b","at":100.0,"\x80":1}'
    decoded = codec.telemetry(value, 100.0)
    assert decoded.events == []
    assert len(decoded.rejected) == 1


@given(st.binary(max_size=300))
def test_no_bytes_raise(value: bytes) -> None:
    codec.telemetry(value, 100.0)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
        max_leaves=20,
    )
)
def test_no_json_raises(value: object) -> None:
    decoded = codec.telemetry(json.dumps(value).encode(), 100.0)
    assert decoded.events == []


def test_a_rejection_keeps_the_place_and_the_beginning_of_the_bytes() -> None:
    rejected = codec.rejection("t", 3, 14, b"x" * 10_000, (2, "$.v", "why"))
    assert (rejected.partition, rejected.offset, rejected.index, rejected.size) == (
        3,
        14,
        2,
        10_000,
    )
    assert codec.rejected(codec.encode(rejected)) == rejected
    assert len(rejected.raw) < 6000

"""The scanner's parts, each against the plain Python that says the same."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.columns import UNKNOWN
from streams.scan.decimals import nearest
from streams.scan.names import Names
from streams.scan.shapes import Node, add, shape_of
from streams.scan.text import MOST_LITERAL, PADDING, Text

numerals = st.tuples(st.integers(0, 10**18 - 1), st.integers(0, 18))


@settings(max_examples=500, deadline=None)
@given(st.lists(numerals, min_size=1, max_size=30))
@example([(2**53 + 1, 0), (2**53 + 3, 0), (9007199254740993, 1), (10**18 - 1, 18)])
@example([(179563375812345678, 8), (17640975121234567, 7), (12345678901234567, 17)])
def test_decimals_are_the_nearest_double_or_said_to_be_unsure(drawn: list[tuple[int, int]]) -> None:
    digits, places = (np.array(column, np.int64) for column in zip(*drawn, strict=True))
    found, unsure = nearest(digits, places)
    wanted = [float(f"{number}e-{after}") for number, after in drawn]
    sure = ~unsure
    assert found[sure].tolist() == np.array(wanted)[sure].tolist()


def test_decimals_are_hardly_ever_unsure() -> None:
    chance = random.Random(5)
    digits = np.array([chance.randrange(10**17, 10**18) for _ in range(20_000)])
    found, unsure = nearest(digits, np.full(20_000, 17))
    assert found.tolist() == [float(f"{number}e-17") for number in digits.tolist()]
    assert unsure.sum() < 10


@pytest.mark.parametrize("length", [0, 7, 8, 47, 48, 49, 252, 253, 254, 300])
def test_a_far_quote_is_found_too(length: int) -> None:
    text = Text(b"x" * length + b'"' + b"tail without" + PADDING)
    places = np.array([0, length + 1, length // 2])
    found = text.to_quote(places, most=253).tolist()
    assert found == [length if length <= 253 else -1, -1, length - length // 2]


def text_of(value: bytes) -> tuple[Text, np.ndarray]:
    return Text(value + PADDING), np.arange(len(value))


byte_soup = st.lists(
    st.one_of(st.sampled_from(list(b'0123456789"".,{}')), st.integers(0, 255)),
    min_size=1,
    max_size=80,
).map(bytes)


@settings(max_examples=300, deadline=None)
@given(byte_soup)
def test_digits_are_read_as_int_does(value: bytes) -> None:
    text, places = text_of(value)
    found, counts = text.digits(places)
    for place, number, count in zip(places.tolist(), found.tolist(), counts.tolist(), strict=True):
        run = len(value[place:]) - len(value[place:].lstrip(b"0123456789"))
        assert count == min(run, 24)
        if 0 < count <= 18:
            assert number == int(value[place : place + count])


@settings(max_examples=300, deadline=None)
@given(byte_soup, st.integers(0, 63))
@example(b"x" * 47 + b'"' + b"y" * 70 + b'"', 40)
def test_a_quote_is_found_where_it_is(value: bytes, most: int) -> None:
    text, places = text_of(value)
    lengths, words = text.quoted(places, most=most)
    skipped = text.to_quote(places, most=most)
    for place in places.tolist():
        length = value.find(b'"', place) - place
        wanted = length if 0 <= length <= most else -1
        assert (lengths[place], skipped[place]) == (wanted, wanted)
        if wanted >= 0:
            read = b"".join(int(word[place]).to_bytes(8, "little") for word in words)
            assert read == value[place : place + length].ljust(len(read), b"\0")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, MOST_LITERAL), st.data())
def test_a_literal_stands_where_every_byte_is_the_same(length: int, data: st.DataObject) -> None:
    literal = bytes(data.draw(st.lists(st.integers(0, 255), min_size=length, max_size=length)))
    other = bytearray(literal)
    if other:
        other[data.draw(st.integers(0, length - 1))] ^= 1 << data.draw(st.integers(0, 7))
    text, _ = text_of(b"x" + literal + b"y" + bytes(other))
    found = text.has(literal, np.array([1, length + 2]))
    assert found.tolist() == [True, not other]


def found_numbers(names: Names, given_names: list[str]) -> list[int]:
    text, _ = text_of(b"".join(name.encode() + b'"' for name in given_names))
    ends = np.cumsum([len(name) + 1 for name in given_names])
    places = ends - [len(name) + 1 for name in given_names]
    lengths, words = text.quoted(places, most=63)
    return names.find(text, places, lengths, words).tolist()


def test_names_keep_their_numbers_however_many_there_are() -> None:
    names = Names()
    many = [f"prod/agent-{number}" for number in range(60_000)]
    many += ["", "a", "a" * 8, "a" * 9, "a" * 63, "a" * 62 + "b", "\0", "a\0", "a" * 8 + "\0"]
    for _ in range(3):
        assert found_numbers(names, many) == [names.number(name) for name in many]
    assert len(names.names) == len(many)
    shuffled = random.Random(1).sample(many, 5000)
    assert [names.names[number] for number in found_numbers(names, shuffled)] == shuffled


def test_names_that_are_not_valid_have_no_number_and_are_not_kept() -> None:
    names = Names(lambda name: name.startswith("a"))
    for _ in range(2):
        assert found_numbers(names, ["a1", "b1", "a2", "b1"]) == [0, UNKNOWN, 1, UNKNOWN]
    assert names.names == ["a1", "a2"]


def test_names_whose_slots_collide_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Names, "_slot", lambda _, words: np.zeros(len(words[0]), np.int64))
    names = Names()
    some = [f"n{number}" for number in range(40)]
    for _ in range(3):
        assert found_numbers(names, some * 2) == list(range(40)) * 2


GOOD = {"v": 1, "kind": "request", "workload": "a/b", "at": 1.5}


@pytest.mark.parametrize(
    ("event", "has_shape"),
    [
        (json.dumps(GOOD), True),
        (json.dumps(GOOD, separators=(",", ":")), True),
        (json.dumps({**GOOD, "tenant": "x", "pod": "", "status": "error"}), True),
        (json.dumps(GOOD, indent=1), False),
        (json.dumps({**GOOD, "note": "x"}), False),
        (json.dumps({**GOOD, "tenant": 'a"b'}), False),
        (json.dumps({**GOOD, "variant": "fast"}), True),
        (json.dumps({**GOOD, "variant": 1}), False),
        (json.dumps({**GOOD, "latency_s": 1e-7}), False),
        (json.dumps({**GOOD, "status": "fine"}), False),
        (json.dumps({**GOOD, "v": 2}), False),
        (json.dumps({**GOOD, "v": 10}), False),
        (json.dumps({**GOOD, "pod": None}), False),
        (json.dumps({"v": 1, "kind": "request", "workload": "a/b"}), False),
        (json.dumps(GOOD)[:-1] + ', "at": 1.5}', False),
        (json.dumps(GOOD)[:-1] + f"{' ' * MOST_LITERAL}" + "}", False),
        (json.dumps(GOOD) + " ", False),
        (json.dumps(GOOD) + "\n", False),
        ("{" + json.dumps(GOOD), False),
        (json.dumps(GOOD)[:-1], False),
        ("", False),
        ("{}", False),
    ],
)
def test_what_has_a_shape(event: str, *, has_shape: bool) -> None:
    shape = shape_of(event.encode())
    assert (shape is not None) is has_shape


def test_a_shape_is_learned_once() -> None:
    root = Node()
    shapes = [
        shape_of(json.dumps({**GOOD, "status": status}).encode()) for status in ("ok", "error")
    ]
    assert [add(root, shape) for shape in shapes * 2 if shape] == [True, True, False, False]

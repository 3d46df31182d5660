"""Planes: nothing is lost, and what is alike lies together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.latencies import Latencies
from models.planes import lined, planes


def test_by_hand() -> None:
    raw = (1).to_bytes(4, "little") + (2).to_bytes(4, "little")
    assert planes(raw, 4) == bytes([1, 2, 0, 0, 0, 0, 0, 0])
    assert lined(planes(raw, 4), 4) == raw
    assert lined(b"", 8) == b""
    with pytest.raises(ValueError, match="7 bytes are no whole numbers of 4"):
        lined(bytes(7), 4)


@given(st.integers(1, 70), st.integers(0, 9), st.randoms(use_true_random=False))
def test_lined_is_what_was_given(width: int, count: int, chance: object) -> None:
    raw = chance.randbytes(width * count)  # type: ignore[attr-defined]
    assert lined(planes(raw, width), width) == raw


slots = st.dictionaries(
    st.integers(0, 6),
    st.dictionaries(st.integers(0, 700), st.integers(1, 1 << 24), max_size=9),
    max_size=7,
)


@given(slots, st.integers(0, 6))
def test_latencies_of_a_state_are_the_same(held: dict[int, dict[int, int]], newest: int) -> None:
    made = Latencies()
    for slot, counts in held.items():
        made.add(slot, 6, counts, {})
    made.move(newest)  # Some of them are packed now.
    again = Latencies(made.state())
    assert again.state() == made.state()
    for slot, counts in held.items():
        assert again.of(slot) == made.of(slot) == counts
        assert again.slower(slot, (-1, 300)) == made.slower(slot, (-1, 300))


def test_latencies_that_are_not_whole_are_refused() -> None:
    with pytest.raises(ValueError, match="2 buckets and 1 counts"):
        Latencies({3: ([1, 2], [5])})

"""Text: the bytes of a chunk, read at many places at once, eight bytes to a machine word.

Rule: what is said of a place depends on the bytes from there to the end of what was found, and on
none behind it.
Flow: messages -> Text -> walk.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.columns import Bools, Ints
from streams.scan.decimals import POWERS

Words = NDArray[np.uint64]

MOST_LITERAL = 160
"""Bytes of a literal, at most."""

PADDING = bytes(512)
"""Behind the bytes, so that what begins in them may be read to its longest: it matches nothing."""

WORD = 8
"""Bytes of a word."""

_STEPS = 6
"""Words that are looked at one after the other for a quote, before all quotes are looked for."""

_ALL_TRUE = {16: (np.uint16, 0x0101), 32: (np.uint32, 0x01010101)}
"""What as many truths as an item has words are, read as one integer."""


def _each(byte: int) -> np.uint64:
    return np.uint64(byte * 0x0101010101010101)


_HIGH, _ZEROS, _QUOTES = _each(0x80), _each(ord("0")), _each(ord('"'))
_QUOTE, _NOWHERE = ord('"'), 1 << 40
_ABOVE_NINE = _each(0x80 - 10)
_ONE = np.uint64(1)
_FOLDS = tuple(
    (np.uint64(mask), np.uint64(factor), np.uint64(shift))
    for mask, factor, shift in (
        (0xFFFFFFFFFFFFFFFF, 2561, 8),
        (0x00FF00FF00FF00FF, 6553601, 16),
        (0x0000FFFF0000FFFF, 42949672960001, 32),
    )
)
"""Eight digits to pairs, fours, and all: 10 * 256 + 1, 100 * 65536 + 1, 10000 * 2**32 + 1."""

_KEPT = np.array([(1 << (8 * n)) - 1 for n in range(WORD + 1)], np.uint64)
"""A word's first n bytes."""


class Text:
    """``joined`` are the bytes, with ``PADDING`` behind them."""

    def __init__(self, joined: bytes) -> None:
        """``places`` given to the methods lie within the bytes, or up to 32 behind them."""
        self.joined = joined
        self.bytes = np.frombuffer(joined, np.uint8)
        self._all_quotes: Ints | None = None
        self._items = {
            size: np.ndarray((len(joined) - size + 1,), kind, joined, strides=(1,))
            for size, kind in ((8, "<u8"), (16, "V16"), (32, "V32"))
        }

    def has(self, literal: bytes, places: Ints) -> Bools:
        """Whether ``literal`` stands at each of the places."""
        found: Bools | None = None
        for begin, size in _cut(len(literal)):
            part = self._is(literal[begin : begin + size], size, places + begin)
            found = part if found is None else found & part
        return np.ones(len(places), np.bool_) if found is None else found

    def _is(self, literal: bytes, size: int, places: Ints) -> Bools:
        items = self._items[size][places]
        if size == WORD:
            wanted = np.uint64(int.from_bytes(literal, "little"))
            if len(literal) < WORD:
                items &= _KEPT[len(literal)]
            found: Bools = items == wanted
            return found
        words = items.view("<u8").reshape(-1, size // WORD)
        kind, true = _ALL_TRUE[size]
        same = words == np.frombuffer(literal, "<u8")
        all_same: Bools = same.view(kind).ravel() == true
        return all_same

    def digits(self, places: Ints) -> tuple[Ints, Ints]:
        """The value of the digits that begin at each place, and how many they are.

        Up to 23 are counted; of more than 18 the value is not to be used.
        """
        words = self._items[WORD]
        value, count = _digits(words[places])
        for so_far in (WORD, 2 * WORD):
            full = count == so_far
            if full.all() and so_far == WORD:
                more, added = _digits(words[places + so_far])
                value *= POWERS[added]
                value += more
                count += added
            elif full.any():
                rows = np.flatnonzero(full)
                more, added = _digits(words[places[rows] + so_far])
                value[rows] = value[rows] * POWERS[added] + more
                count[rows] += added
            else:
                break
        return value, count

    def quoted(self, places: Ints, *, most: int) -> tuple[Ints, list[Words]]:
        """Bytes up to the next quote, and the words they are, zeros behind; -1: beyond ``most``."""
        count = np.full(len(places), -1, np.int64)
        words = []
        for begin in range(0, most + 1, WORD):
            word = self._items[WORD][places + begin]
            here = _before_quote(word)
            waiting = count < 0
            ends = waiting & (here < WORD)
            word &= _KEPT[here]
            if begin:
                word[~waiting] = 0
            words.append(word)
            count[ends] = here[ends] + begin
            if ends.all() or not (count < 0).any():
                break
        return np.where(count > most, -1, count), words

    def to_quote(self, places: Ints, *, most: int) -> Ints:
        """Bytes up to the next quote; -1: beyond ``most``."""
        count = _before_quote(self._items[WORD][places])
        for begin in range(WORD, _STEPS * WORD, WORD):
            waiting = np.flatnonzero(count == begin)
            if not len(waiting):
                return np.where(count > most, -1, count)
            count[waiting] += _before_quote(self._items[WORD][places[waiting] + begin])
        waiting = np.flatnonzero(count == _STEPS * WORD)
        if len(waiting):
            quotes = self._quotes()
            begins = places[waiting]
            count[waiting] = quotes[np.searchsorted(quotes, begins)] - begins
        return np.where(count > most, -1, count)

    def _quotes(self) -> Ints:
        """Where all quotes are, and one that is nowhere; found once."""
        if self._all_quotes is None:
            found = np.flatnonzero(self.bytes == _QUOTE)
            self._all_quotes = np.append(found, _NOWHERE)
        return self._all_quotes


def _cut(length: int) -> list[tuple[int, int]]:
    """(begin, size) of the items that a literal is compared by; the last may overlap."""
    if length < WORD:
        return [(0, WORD)] if length else []
    parts, begin = [], 0
    for size in (32, 16, WORD):
        while length - begin >= size:
            parts.append((begin, size))
            begin += size
    return [*parts, (length - WORD, WORD)] if begin < length else parts


def _first(marks: Words) -> Ints:
    """How many bytes come before the first whose highest bit is set; 8: none is."""
    lowest = marks & (~marks + _ONE)
    return (np.bitwise_count(lowest - _ONE) >> 3).astype(np.int64)


def _digits(words: Words) -> tuple[Ints, Ints]:
    value = words ^ _ZEROS
    count = _first(((value + _ABOVE_NINE) | value) & _HIGH)
    value <<= ((WORD - count) << 3).astype(np.uint64)
    for mask, factor, shift in _FOLDS:
        value &= mask
        value *= factor
        value >>= shift
    return value.view(np.int64), count


def _before_quote(words: Words) -> Ints:
    other = words ^ _QUOTES
    # A byte without its high bit is zero when 0x80 less it still has one.
    return _first((_HIGH - (other & ~_HIGH)) & ~other & _HIGH)

"""Names: strings that come again and again, as small numbers.

Rule: the number of a name is looked up by a hash and believed only when every byte is the same;
a name is checked once, when it is new.
Used by the walk: the names of workloads, tenants and variants need no object per event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from models.columns import UNKNOWN, Bools, Ints, Numbering
from streams.scan.text import WORD, Text, Words

MOST_BYTES = 64
"""Names longer than this go to the other decoder."""

KNOWN = 200_000
"""Names remembered, about."""

_FEWEST_BITS = 14
_SPARE_BITS = 4
"""There are at least so many times as many slots as names: 2**4."""

_FACTORS = tuple(
    np.uint64(factor)
    for factor in (
        0x9E3779B97F4A7C15,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0xD6E8FEB86659FD93,
        0xA0761D6478BD642F,
        0xE7037ED1A0B428DB,
        0x8EBC6AF09C88C6E3,
        0x589965CC75374CC3,
        0x1D8E4E27C47D124F,
    )
)
"""Odd numbers without a pattern, one for each word of a name, and one for the sum."""


class Names(Numbering):
    """A numbering that also knows names by their bytes, many at once."""

    def __init__(self, valid: Callable[[str], bool] | None = None) -> None:
        """``valid`` says whether a name may be had at all; None: any may."""
        super().__init__(valid)
        self._bits = _FEWEST_BITS
        self._slots = np.full(1 << self._bits, UNKNOWN, np.int32)
        """By hash; a name may be in the slot beside it.  What is in neither takes longer."""
        self._lengths = np.full(1, UNKNOWN, np.int64)
        self._words = [np.zeros(1, np.uint64) for _ in range(MOST_BYTES // WORD)]

    def find(self, text: Text, places: Ints, lengths: Ints, words: Sequence[Words]) -> Ints:
        """The numbers of names at places in a text; ``UNKNOWN`` for what is not valid.

        ``words`` are ``Text.quoted``'s.  A name that is not ASCII has a number too, which says
        nothing: such an event is not read by the walk.
        """
        slots = self._slot(words)
        found, same = self._known(slots, lengths, words)
        if same.all():
            return found
        missing = np.flatnonzero(~same)
        some = [word[missing] for word in words]
        found[missing], same = self._known(slots[missing] ^ 1, lengths[missing], some)
        if same.all():
            return found
        missing = missing[~same]
        begins = places[missing]
        spans = zip(begins.tolist(), (begins + lengths[missing]).tolist(), strict=True)
        numbers = np.array(
            [self.number(text.joined[begin:end].decode("latin-1")) for begin, end in spans],
            np.int64,
        )
        found[missing] = numbers
        self._remember(numbers, missing, slots, lengths, words)
        return found

    def _known(self, slots: Ints, lengths: Ints, words: Sequence[Words]) -> tuple[Ints, Bools]:
        """The numbers in these slots, and whether they are of names with the same bytes."""
        found = self._slots[slots].astype(np.int64)
        same = self._lengths[found] == lengths
        for known, word in zip(self._words, words, strict=False):
            same &= known[found] == word
        same &= found >= 0
        return found, same

    def _slot(self, words: Sequence[Words]) -> Ints:
        mixed = words[0] * _FACTORS[0]
        for word, factor in zip(words[1:], _FACTORS[1:], strict=False):
            mixed += word * factor
        mixed ^= mixed >> np.uint64(32)
        mixed *= _FACTORS[-1]
        mixed >>= np.uint64(64 - self._bits)
        return mixed.view(np.int64)

    def _remember(
        self, numbers: Ints, rows: Ints, slots: Ints, lengths: Ints, words: Sequence[Words]
    ) -> None:
        """Keep the bytes of these rows' names, and where they are looked for."""
        valid = numbers >= 0
        numbers, rows = numbers[valid], rows[valid]
        more = len(self.names) - len(self._lengths)
        if more > 0:
            more += len(self.names)
            self._lengths = np.concatenate([self._lengths, np.full(more, UNKNOWN)])
            self._words = [np.concatenate([one, np.zeros(more, np.uint64)]) for one in self._words]
        self._lengths[numbers] = lengths[rows]
        for known, word in zip(self._words, words, strict=False):
            known[numbers] = word[rows]
        if len(self.names) << _SPARE_BITS <= len(self._slots):
            self._place(slots[rows], numbers)
            return
        self._bits = (len(self.names) << _SPARE_BITS).bit_length()
        self._slots = np.full(1 << self._bits, UNKNOWN, np.int32)
        seen = np.flatnonzero(self._lengths >= 0)
        self._place(self._slot([one[seen] for one in self._words]), seen)

    def _place(self, slots: Ints, numbers: Ints) -> None:
        """Put numbers into their slots, or, where another is, into those beside."""
        self._slots[slots] = numbers
        lost = self._slots[slots] != numbers
        self._slots[slots[lost] ^ 1] = numbers[lost]

"""Moves of demand by slot, one byte each, in a profile that grows as its slots are seen.

Rule: fine near 0 and coarse far from it, and what rounding misses by is made good in the next
slot; a slot that was not seen is no move of 0.
Flow: Season -> moves -> Season.
"""

from __future__ import annotations

import math
import zlib

KEPT = 0.5
"""Weight of a slot's moves before, against the newest one."""

FINEST = 32
"""Codes on each side of 0, by the cube: a move is 2 (code / 32) ** 3.  Half of what is between
two codes is what rounding misses by: 0.00003 at 0, 0.003 at 0.01, 0.014 at 0.1, 0.09 at 2, each
time less than ten minutes of that much demand are usually off by.  It does not add up: what one
slot was told too much the next one is told less, so a sum of moves misses by one rounding or two,
and half of it is forgotten with each day or week.  Measured: docs/forecasting.md."""

_ZERO = 128

_MOVES = (math.nan, *(2.0 * (c / FINEST) ** 3 for c in range(1 - _ZERO, _ZERO)))
"""By code; NaN, of code 0: not seen."""

_RAW = -15
"""For zlib: neither header nor checksum; a snapshot has a seal."""

_MOST = 2048
"""Bytes that are unfolded at most: more than a day's and a week's moves."""


def code(move: float) -> int:
    """The code of a move from -2 to 2.  0: 128; 0.01: 133; -2: 96."""
    return _ZERO + round(math.copysign(FINEST * math.cbrt(abs(move) / 2.0), move))


def folded(codes: bytes | bytearray) -> bytes:
    """Codes in the bits that they need: of a noisy week about half, with a table of their own.

    Among other bytes of a snapshot they would take what those take.
    """
    if not codes:
        return b""
    deflate = zlib.compressobj(9, wbits=_RAW, strategy=zlib.Z_FILTERED)
    return deflate.compress(codes) + deflate.flush()


def unfolded(state: bytes) -> bytearray:
    """The codes again.  Raises ``ValueError``: they are not whole."""
    if not state:
        return bytearray()
    inflate = zlib.decompressobj(wbits=_RAW)
    try:
        codes = inflate.decompress(state, _MOST)
    except zlib.error as error:
        raise ValueError(f"{len(state)} bytes are no folded moves: {error}") from error
    if not inflate.eof:
        raise ValueError(f"{len(state)} bytes are not all of the folded moves, or too many")
    return bytearray(codes)


def blend(codes: bytearray, place: int, move: float, owed: float) -> float:
    """A move was seen at ``place``, and younger ones count more; what rounding still owes.

    ``owed`` is what was told too little of the slot before.  ``codes`` grows as far as ``place``.
    """
    if place >= len(codes):
        codes.extend(bytes(place + 1 - len(codes)))
    before = _MOVES[codes[place]]
    wanted = owed + (move if math.isnan(before) else KEPT * before + (1.0 - KEPT) * move)
    codes[place] = found = code(wanted)
    return wanted - _MOVES[found]


def between(codes: bytearray, slots: int, begin: float, end: float) -> float | None:
    """How much demand moved from ``begin`` to ``end``, in slots; None: some of it was not seen.

    The move of a place is that from the slot before to its own; slots are at whole numbers, and
    it runs straight between them; after ``slots`` it begins again.
    """
    first, last = math.floor(begin), math.floor(end)
    if first == last:
        found = (end - begin) * _move(codes, (first + 1) % slots)
    else:
        found = (first + 1 - begin) * _move(codes, (first + 1) % slots)
        for slot in range(first + 2, last + 1):
            found += _move(codes, slot % slots)
        found += (end - last) * _move(codes, (last + 1) % slots)
    return None if math.isnan(found) else found


def _move(codes: bytearray, place: int) -> float:
    return _MOVES[codes[place]] if place < len(codes) else math.nan

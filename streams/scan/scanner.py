"""The scanner: messages to columns, and the numbers of those that it must leave to others.

Rule: a message is taken whole or not at all: the events found in it, and the brackets and commas
between them, are all of its bytes.
Flow: messages -> Text -> walk (shapes that are new are learned by the way) -> Columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import UNSET

from models.columns import NOBODY, UNSAID, Bools, Columns, Ints
from models.domain.telemetry import ReplicaReport, Request, Resource
from streams import codec
from streams.scan.names import Names
from streams.scan.shapes import Node, add, shape_of
from streams.scan.text import PADDING, Text
from streams.scan.walk import Found, Walk

MOST_SHAPES = 64
"""Shapes known at a time; with one more, all are learned anew."""

SAMPLES = 8
"""Events of unknown shape looked at in one chunk."""

STRANGERS = 4
"""Of a chunk, one in so many events may be read one by one; with more, whole messages are left."""

_OPEN, _CLOSE, _COMMA, _SPACE, _BRACE = (ord(sign) for sign in "[], {")
_CLOSING_BRACE = ord("}")
_ESCAPE, _FIRST_PRINTED, _FIRST_BEYOND = ord("\\"), 0x20, 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where events begin, where each must end, and the message it is in."""

    text: Text
    begin: Ints
    until: Ints
    message: Ints
    whole: Bools
    """Of each message: whether the brackets and commas about its events are as they must be."""

    def event(self, row: int) -> bytes:
        """The bytes of one event."""
        return self.text.joined[int(self.begin[row]) : int(self.until[row])]


class Scanner:
    """What it remembers changes how fast it is, never what comes out."""

    def __init__(self, *, workloads: Names, tenants: Names, variants: Names) -> None:
        """Knows no shape yet."""
        self._workloads = workloads
        self._tenants = tenants
        self._variants = variants
        self._root = Node()
        self._shapes = 0

    def scan(
        self, values: Sequence[bytes], lengths: Ints, begin: int, latest_at: float
    ) -> tuple[Columns, list[int]]:
        """Columns of the messages taken, and the indices in ``values`` of those left.

        ``lengths`` are theirs, bytes; ``begin`` is the number of the first message; events after
        ``latest_at`` are left.
        """
        layout = layout_of(values, lengths)
        rows = len(layout.begin)
        clean = _clean(layout)
        names = self._workloads, self._tenants, self._variants
        walk = Walk(layout.text, rows, workloads=names[0], tenants=names[1], variants=names[2])
        walk.go(self._root, clean, layout.begin if clean is None else layout.begin[clean])
        found = walk.found
        good = found.end == layout.until
        others: dict[int, Resource | ReplicaReport] = {}
        if not good.all():
            if self._learn(layout, np.flatnonzero(~good)):
                again = np.flatnonzero(~good) if clean is None else clean[~good[clean]]
                found.clear(again)
                walk.go(self._root, again, layout.begin[again])
                good = found.end == layout.until
            strange = np.flatnonzero(~good)
            if len(strange) * STRANGERS <= rows:
                for row in strange.tolist():
                    good[row] = self._read(layout, row, found, others)
        good &= found.at <= latest_at
        return _columns(layout, found, good, begin, others, names)

    def _learn(self, layout: Layout, unknown: Ints) -> bool:
        """Look at a few events of unknown shape; whether there was something to learn."""
        learned = False
        for row in unknown[:: max(len(unknown) // SAMPLES, 1)].tolist():
            text = layout.event(row)
            if not isinstance(codec.plain(text), Request) or (shape := shape_of(text)) is None:
                continue
            if self._shapes >= MOST_SHAPES:
                self._root, self._shapes = Node(), 0
            if add(self._root, shape):
                self._shapes += 1
                learned = True
        return learned

    def _read(
        self, layout: Layout, row: int, found: Found, others: dict[int, Resource | ReplicaReport]
    ) -> bool:
        """Read an event that the walk did not, as an object; False when it is not plainly good."""
        event = codec.plain(layout.event(row))
        if event is None:
            return False
        found.at[row] = event.at
        if not isinstance(event, Request):
            others[row] = event
            return True
        found.workload[row] = self._workloads.number(event.workload)
        tenant = event.tenant
        found.tenant[row] = NOBODY if tenant is UNSET else self._tenants.number(tenant)
        variant = event.variant
        if variant is UNSET or not variant:
            found.variant[row] = NOBODY
        else:
            found.variant[row] = self._variants.number(variant)
        found.latency_s[row] = UNSAID if event.latency_s is UNSET else event.latency_s
        found.tokens_in[row] = UNSAID if event.tokens_in is UNSET else event.tokens_in
        found.tokens_out[row] = UNSAID if event.tokens_out is UNSET else event.tokens_out
        found.started[row] = event.phase == "started"
        found.opens[row] = event.opens_session is True
        found.error[row] = event.status == "error"
        found.dropped[row] = event.status == "dropped"
        return True


def layout_of(values: Sequence[bytes], lengths: Ints) -> Layout:
    """Where the events of messages are, one to a message or in arrays."""
    count = len(values)
    joined = b"".join([*values, PADDING])
    text = Text(joined)
    ends = np.cumsum(lengths)
    begins = ends - lengths
    arrays = text.bytes[begins] == _OPEN
    if not arrays.any():
        message, whole = np.arange(count), np.ones(count, np.bool_)
        return Layout(text=text, begin=begins, until=ends, message=message, whole=whole)
    begin = np.flatnonzero(text.bytes == _BRACE)
    firsts = np.searchsorted(begin, begins)
    lasts = np.searchsorted(begin, ends)
    counts = lasts - firsts
    message = np.repeat(np.arange(count), counts)
    until = np.full(len(begin), ends[-1])
    before = begin[1:] - 1
    until[:-1] = before - (text.bytes[before] == _SPACE)
    whole = (counts > 0) & (arrays | (counts == 1))
    filled = np.flatnonzero(whole)
    until[lasts[filled] - 1] = ends[filled] - arrays[filled]
    behind = text.bytes[until] == _COMMA
    behind[lasts[filled] - 1] = text.bytes[ends[filled] - 1] == np.where(
        arrays[filled], _CLOSE, _CLOSING_BRACE
    )
    whole[filled] &= begin[firsts[filled]] == begins[filled] + arrays[filled]
    whole[message[~behind]] = False
    return Layout(text=text, begin=begin, until=until, message=message, whole=whole)


def _clean(layout: Layout) -> Ints | None:
    """The events without escapes, control characters and letters beyond ASCII; None: all are."""
    joined = layout.text.joined
    payload = layout.text.bytes[: len(joined) - len(PADDING)]
    if joined.isascii() and b"\\" not in joined and payload.min(initial=255) >= _FIRST_PRINTED:
        return None
    odd = (payload < _FIRST_PRINTED) | (payload >= _FIRST_BEYOND) | (payload == _ESCAPE)
    clean = np.ones(len(layout.begin), np.bool_)
    whose = np.searchsorted(layout.begin, np.flatnonzero(odd), side="right") - 1
    clean[whose[whose >= 0]] = False
    return np.flatnonzero(clean)


def _columns(
    layout: Layout,
    found: Found,
    good: Bools,
    begin: int,
    others: dict[int, Resource | ReplicaReport],
    numberings: tuple[Names, Names, Names],
) -> tuple[Columns, list[int]]:
    """The rows of messages that are wholly good, and the messages that are not."""
    taken = layout.whole
    taken[layout.message[~good]] = False
    left = np.flatnonzero(~taken).tolist()
    kept: Any = slice(None)
    if left or others:
        rows = taken[layout.message]
        told = [(row, event) for row, event in sorted(others.items()) if rows[row]]
        rows[list(others)] = False
        kept = np.flatnonzero(rows)
    else:
        told = []
    error, dropped, started = found.error[kept], found.dropped[kept], found.started[kept]
    opens, tenant, variant = found.opens[kept], found.tenant[kept], found.variant[kept]
    workloads, tenants, variants = numberings
    columns = Columns(
        names=workloads.names,
        tenants=tenants.names,
        variants=variants.names,
        workload=found.workload[kept],
        message=layout.message[kept] + begin,
        at=found.at[kept],
        latency_s=found.latency_s[kept],
        tokens_in=found.tokens_in[kept],
        tokens_out=found.tokens_out[kept],
        started=started if started.any() else None,
        opens=opens if opens.any() else None,
        failed=(error, dropped) if error.any() or dropped.any() else None,
        tenant=tenant if tenant.max(initial=NOBODY) != NOBODY else None,
        variant=variant if variant.max(initial=NOBODY) != NOBODY else None,
        others=[(int(layout.message[row]) + begin, event) for row, event in told],
    )
    return columns, left

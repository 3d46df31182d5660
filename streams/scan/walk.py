"""The walk: all events of a chunk in step, literal by literal, slot by slot.

Rule: an event is read when its shape accounts for every byte from its first to its end, and its
values lie within what telemetry allows; of any other nothing is said.
Flow: Text, places of events -> walk -> Found (columns, and where each event ended).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from models.columns import NOBODY, UNKNOWN, UNSAID, Bools, Floats, Ints
from streams.scan.decimals import MOST_DIGITS, POWERS, nearest
from streams.scan.names import MOST_BYTES, Names
from streams.scan.shapes import Node, Shape, Slot
from streams.scan.text import Text

MOST_LABEL = 253
MOST_COUNT = 1_000_000_000_000
MOST_LATENCY_S = 1e6
MOST_AT = 1e15
_DOT, _ZERO = ord("."), ord("0")


@dataclass(slots=True, kw_only=True)
class Found:
    """Columns with a row for each event; of rows whose ``end`` is -1 nothing is known."""

    end: Ints
    workload: Ints
    tenant: Ints
    variant: Ints
    at: Floats
    latency_s: Floats
    tokens_in: Ints
    tokens_out: Ints
    started: Bools
    opens: Bools
    error: Bools
    dropped: Bools

    @classmethod
    def nothing(cls, rows: int) -> Found:
        """Before the walk."""
        unsaid = np.full(rows, UNSAID, np.int64)
        return cls(
            end=np.full(rows, -1, np.int64),
            workload=np.zeros(rows, np.int64),
            tenant=np.full(rows, NOBODY, np.int64),
            variant=np.full(rows, NOBODY, np.int64),
            at=np.zeros(rows, np.float64),
            latency_s=np.full(rows, UNSAID, np.float64),
            tokens_in=unsaid,
            tokens_out=unsaid.copy(),
            started=np.zeros(rows, np.bool_),
            opens=np.zeros(rows, np.bool_),
            error=np.zeros(rows, np.bool_),
            dropped=np.zeros(rows, np.bool_),
        )

    def clear(self, rows: Ints) -> None:
        """Forget what was read of these rows."""
        nothing = Found.nothing(1)
        for column in fields(self):
            getattr(self, column.name)[rows] = getattr(nothing, column.name)[0]


class Walk:
    """One walk over a text."""

    def __init__(
        self, text: Text, rows: int, *, workloads: Names, tenants: Names, variants: Names
    ) -> None:
        """``rows`` is the number of events."""
        self._text = text
        self.found = found = Found.nothing(rows)
        self._named = {
            Slot.WORKLOAD: (found.workload, workloads),
            Slot.TENANT: (found.tenant, tenants),
            Slot.VARIANT: (found.variant, variants),
        }

    def go(self, node: Node, rows: Ints | None, places: Ints) -> None:
        """Read the events of ``rows`` (None: all), each from its place on, as far as known."""
        if node.shape is not None:
            self._arrive(node.shape, rows, places)
            return
        for literal, slot, child in node.branches:
            if not len(places):
                return
            here = self._text.has(literal, places)
            if here.all():
                self._step(literal, slot, child, rows, places)
                return
            if here.any():
                chosen = np.flatnonzero(here) if rows is None else rows[here]
                self._step(literal, slot, child, chosen, places[here])
                rows = np.flatnonzero(~here) if rows is None else rows[~here]
                places = places[~here]

    def _step(self, literal: bytes, slot: Slot, child: Node, rows: Ints | None, at: Ints) -> None:
        places, good = self._read(slot, rows, at + len(literal))
        if good is not None and not good.all():
            rows = np.flatnonzero(good) if rows is None else rows[good]
            places = places[good]
        self.go(child, rows, places)

    def _read(self, slot: Slot, rows: Ints | None, places: Ints) -> tuple[Ints, Bools | None]:
        """Read a slot: where it ends, and for which of the places it is as it must be."""
        found = self.found
        if slot is Slot.END:
            return places, None
        if slot is Slot.LABEL:
            length = self._text.to_quote(places, most=MOST_LABEL)
            return places + length, length >= 0
        if slot in self._named:
            return self._name(slot, rows, places)
        if slot is Slot.AT or slot is Slot.LATENCY:
            return self._decimal(slot, rows, places)
        value, length = self._text.digits(places)
        _put(found.tokens_in if slot is Slot.TOKENS_IN else found.tokens_out, rows, value)
        good = (value <= MOST_COUNT) & (length > 0) & (length <= MOST_DIGITS)
        return places + length, good & self._no_zero_leads(places, length)

    def _name(self, slot: Slot, rows: Ints | None, places: Ints) -> tuple[Ints, Bools]:
        column, names = self._named[slot]
        length, words = self._text.quoted(places, most=MOST_BYTES - 1)
        short = length >= 0
        if short.all():
            number = names.find(self._text, places, length, words)
        else:
            number = np.full(len(places), UNKNOWN, np.int64)
            some = [word[short] for word in words]
            number[short] = names.find(self._text, places[short], length[short], some)
        good = number >= 0
        if slot is Slot.VARIANT and not length.all():
            number[length == 0] = NOBODY
        _put(column, rows, number)
        return places + length, good

    def _decimal(self, slot: Slot, rows: Ints | None, places: Ints) -> tuple[Ints, Bools]:
        whole, length = self._text.digits(places)
        good = (length > 0) & self._no_zero_leads(places, length)
        ends = places + length
        dots = self._text.bytes[ends] == _DOT
        behind, decimals = self._text.digits(ends + 1)
        if dots.all():
            good &= decimals > 0
            ends += decimals + 1
        else:
            good &= ~dots | (decimals > 0)
            decimals = np.where(dots, decimals, 0)
            behind = np.where(dots, behind, 0)
            ends = np.where(dots, ends + 1 + decimals, ends)
        good &= length + decimals <= MOST_DIGITS
        decimals = np.where(good, decimals, 0)
        digits = np.where(good, whole * POWERS[decimals] + behind, 0)
        value, unsure = nearest(digits, decimals)
        for row in np.flatnonzero(unsure).tolist():
            value[row] = float(self._text.joined[places[row] : ends[row]])
        if slot is Slot.AT:
            _put(self.found.at, rows, value)
            return ends, good & (value <= MOST_AT)
        _put(self.found.latency_s, rows, value)
        return ends, good & (value <= MOST_LATENCY_S)

    def _no_zero_leads(self, places: Ints, length: Ints) -> Bools:
        good: Bools = (self._text.bytes[places] != _ZERO) | (length == 1)
        return good

    def _arrive(self, shape: Shape, rows: Ints | None, places: Ints) -> None:
        found = self.found
        _put(found.end, rows, places)
        for column, said in (
            (found.started, shape.started),
            (found.opens, shape.opens),
            (found.error, shape.status == "error"),
            (found.dropped, shape.status == "dropped"),
        ):
            if said:
                _put(column, rows, said)


def _put(column: np.ndarray, rows: Ints | None, values: object) -> None:
    column[slice(None) if rows is None else rows] = values

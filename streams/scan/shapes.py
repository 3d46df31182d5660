"""Shapes: how a producer spells requests, learned from one that was valid.

Rule: a shape is the whole text of an event but for the values that differ; each key stands in it
once, and what may stand in a value's place is narrower than what JSON allows.
Flow: a valid event -> shape -> a tree of literals and slots -> walk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from streams.scan.text import MOST_LITERAL


class Slot(Enum):
    """What stands between two literals."""

    WORKLOAD = "workload"
    TENANT = "tenant"
    VARIANT = "variant"
    LABEL = "label"
    AT = "at"
    LATENCY = "latency_s"
    TOKENS_IN = "tokens_in"
    TOKENS_OUT = "tokens_out"
    END = "end"


_QUOTED = {
    b"workload": Slot.WORKLOAD,
    b"tenant": Slot.TENANT,
    b"variant": Slot.VARIANT,
    b"pod": Slot.LABEL,
    b"session": Slot.LABEL,
}
_NUMBERS = {
    b"at": Slot.AT,
    b"latency_s": Slot.LATENCY,
    b"tokens_in": Slot.TOKENS_IN,
    b"tokens_out": Slot.TOKENS_OUT,
}
_SPELLED = {
    b"v": (b"1",),
    b"kind": (b'"request"',),
    b"phase": (b'"started"', b'"finished"'),
    b"status": (b'"ok"', b'"error"', b'"dropped"'),
    b"opens_session": (b"true", b"false"),
}
"""Values that are part of the shape."""

_NEEDED = frozenset({b"v", b"kind", b"workload", b"at"})

_MEMBER = re.compile(
    rb'([{,] *"([a-z_]+)" *: *)'
    rb'(?:"([^"\\\x00-\x1f\x7f-\xff]*)"|([0-9]+(?:\.[0-9]+)?)|(true|false))( *\}$)?'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """``steps`` are (literal, the slot after it), the last slot is ``END``."""

    steps: tuple[tuple[bytes, Slot], ...]
    started: bool
    opens: bool
    status: str


@dataclass(slots=True)
class Node:
    """What may come next: literals, the slot after each, and what comes after that."""

    branches: list[tuple[bytes, Slot, Node]] = field(default_factory=list)
    shape: Shape | None = None


def shape_of(event: bytes) -> Shape | None:
    """The shape of an event that is known to be a valid request; None: it has none."""
    seen: dict[bytes, bytes] = {}
    steps: list[tuple[bytes, Slot]] = []
    literal, place = b"", 0
    for opening, key, quoted, number, truth, closing in _members(event):
        if key in seen or (place == 0) != opening.startswith(b"{"):
            return None
        value = number or truth or b'"' + quoted + b'"'
        seen[key] = value
        place += len(opening) + len(value) + len(closing)
        slot = None if truth else (_NUMBERS if number else _QUOTED).get(key)
        if slot is None:
            if value not in _SPELLED.get(key, ()):
                return None
            literal += opening + value + closing
            continue
        quote = b"" if number else b'"'
        steps.append((literal + opening + quote, slot))
        literal = quote + closing
    steps.append((literal, Slot.END))
    if place != len(event) or not event.endswith(b"}") or not seen.keys() >= _NEEDED:
        return None
    if max(len(literal) for literal, _ in steps) > MOST_LITERAL:
        return None
    return Shape(
        steps=tuple(steps),
        started=seen.get(b"phase") == b'"started"',
        opens=seen.get(b"opens_session") == b"true",
        status=seen.get(b"status", b'"ok"')[1:-1].decode(),
    )


def _members(event: bytes) -> Iterator[tuple[bytes, bytes, bytes, bytes, bytes, bytes]]:
    place = 0
    while (found := _MEMBER.match(event, place)) is not None:
        opening, key, quoted, number, truth, closing = found.groups(b"")
        yield opening, key, quoted, number, truth, closing
        place = found.end()


def add(root: Node, shape: Shape) -> bool:
    """Add a shape to a tree; whether it was new."""
    node = root
    for literal, slot in shape.steps:
        for known, after, child in node.branches:
            if (known, after) == (literal, slot):
                node = child
                break
        else:
            child = Node()
            node.branches.append((literal, slot, child))
            node = child
    new = node.shape is None
    node.shape = shape
    return new

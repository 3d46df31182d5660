"""Telemetry decoded by the batch: many messages at once into columns, each validated as if alone.

Rule: what is decoded, and what is refused and why, is the same however messages are batched.  A
chunk of messages is joined into one JSON array and decoded in one pass; whatever is not plainly
good goes message by message through ``codec.telemetry``, which says what is wrong.
Flow: FetchedBatch -> TelemetryDecoder -> Columns -> BlockFold.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import Struct

from models.columns import NOBODY, UNSAID, ColumnBuilder, Columns, Floats
from models.domain.telemetry import (
    MAX_AHEAD_S,
    WORKLOAD_LENGTH,
    WORKLOAD_PATTERN,
    Count,
    Label,
    Latency,
    Number,
)
from models.domain.version import VERSION
from streams import codec

CHUNK = 2048
"""Messages decoded in one pass: one bad message sends so many through the slow path."""

CHUNK_BYTES = 256 * 1024
"""About how many bytes at most."""

KNOWN_NAMES = 200_000
"""Names of workloads remembered as valid."""


class _Request(
    Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="kind",
    tag="request",
    forbid_unknown_fields=True,
):
    """A request with nothing unknown in it, decoded fast: names are checked once, not each time.

    Defaults are values that no event can say (see ``models.columns``).
    """

    v: Literal[1]
    workload: str
    at: Number
    phase: Literal["started", "finished"] = "finished"
    latency_s: Latency = UNSAID
    tokens_in: Count = UNSAID
    tokens_out: Count = UNSAID
    status: Literal["ok", "error", "dropped"] = "ok"
    tenant: Label = NOBODY
    variant: Label = ""
    pod: Label = ""
    session: Label = ""


assert VERSION == 1, "the fast form of a request knows version 1 alone"  # noqa: S101

_Any = _Request | codec.StrictResource | codec.StrictReplicas
_requests = msgspec.json.Decoder(list[_Request]).decode
_any = msgspec.json.Decoder(list[_Any]).decode
_request_arrays = msgspec.json.Decoder(list[list[_Request]]).decode
_any_arrays = msgspec.json.Decoder(list[list[_Any]]).decode
_valid_name = re.compile(WORKLOAD_PATTERN).fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedBatch:
    """``rejected`` are (message, (index in the array or None, field, reason))."""

    columns: Columns
    rejected: Sequence[tuple[int, tuple[int | None, str, str]]]
    unknown: Counter[str]


@dataclass(slots=True)
class _Parts:
    """What has been decoded so far."""

    builder: ColumnBuilder = field(default_factory=ColumnBuilder)
    rejected: list[tuple[int, tuple[int | None, str, str]]] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)


class TelemetryDecoder:
    """Decodes batches; what it remembers changes how fast it is, never what comes out."""

    def __init__(self) -> None:
        """Knows no workload yet."""
        self._known: set[str] = set()
        self._pure = True
        """Whether the last chunk had requests alone."""

    def decode(self, values: Sequence[bytes | None], appended_at: Floats) -> DecodedBatch:
        """Decode and validate messages in the order of the log.  Never raises.

        ``appended_at`` is when the log took each in, Unix seconds of the pipeline's clock.
        """
        parts = _Parts()
        begin = end = 0
        while (begin := end) < len(values):
            # As many as fit, if all are as long as the first: what is joined stays in the cache.
            fitting = CHUNK_BYTES // max(len(values[begin] or b""), 1)
            end = begin + min(max(fitting, 1), CHUNK)
            chunk = values[begin:end]
            if not self._fast(chunk, begin, appended_at, parts.builder):
                _slowly(chunk, begin, appended_at, parts)
        columns = parts.builder.build()
        if not self._know(columns.names):
            parts = _Parts()
            _slowly(values, 0, appended_at, parts)
            columns = parts.builder.build()
        return DecodedBatch(columns=columns, rejected=parts.rejected, unknown=parts.unknown)

    def _know(self, names: Sequence[str]) -> bool:
        """Whether all names are valid ones; new ones are checked, and remembered."""
        new = [name for name in names if name not in self._known]
        least, most = WORKLOAD_LENGTH
        if not all(least <= len(name) <= most and _valid_name(name) for name in new):
            return False
        if len(self._known) + len(new) > KNOWN_NAMES:
            self._known.clear()
        self._known.update(new)
        return True

    def _fast(
        self,
        chunk: Sequence[bytes | None],
        begin: int,
        appended_at: Floats,
        builder: ColumnBuilder,
    ) -> bool:
        """Decode a chunk in one pass; False, with nothing added, when that is not possible."""
        joined, arrays = _join(chunk)
        if joined is None:
            return False
        events = self._events(joined, arrays=arrays)
        if events is None or len(events) != len(chunk):
            return False
        if arrays:
            counts = [len(array) for array in events]
            message = np.repeat(np.arange(begin, begin + len(chunk)), counts).tolist()
            events = list(chain.from_iterable(events))
        else:
            message = list(range(begin, begin + len(chunk)))
        others: list[Any] = []
        if not self._pure:
            mixed = list(zip(message, events, strict=True))
            others = [(number, event) for number, event in mixed if type(event) is not _Request]
            if others:
                mixed = [pair for pair in mixed if type(pair[1]) is _Request]
                message, events = [pair[0] for pair in mixed], [pair[1] for pair in mixed]
            else:
                self._pure = True
        at = [event.at for event in events]
        limit = float(appended_at[begin : begin + len(chunk)].min()) + MAX_AHEAD_S
        if max(at, default=0.0) > limit or any(event.at > limit for _, event in others):
            return False
        builder.workload += [event.workload for event in events]
        builder.message += message
        builder.at += at
        builder.latency_s += [event.latency_s for event in events]
        builder.tokens_in += [event.tokens_in for event in events]
        builder.tokens_out += [event.tokens_out for event in events]
        builder.phase += [event.phase for event in events]
        builder.status += [event.status for event in events]
        builder.tenant += [event.tenant for event in events]
        builder.others += others
        return True

    def _events(self, joined: bytes, *, arrays: bool) -> list[Any] | None:
        """Events, or arrays of them; None when something is wrong with one of them."""
        if self._pure:
            try:
                return _request_arrays(joined) if arrays else _requests(joined)
            except codec.REFUSALS:
                self._pure = False
        try:
            return _any_arrays(joined) if arrays else _any(joined)
        except codec.REFUSALS:
            return None


def _join(chunk: Sequence[bytes | None]) -> tuple[bytes | None, bool]:
    """One JSON array of all messages, and whether each is an array itself.

    None unless each message is one array element by itself, whatever is in it: no message has a
    line feed, so the only ones are ours, which JSON does not allow within a string; and each of
    ours stands between ``},`` and ``{`` (or ``],`` and ``[``), which no event has inside it.
    """
    try:
        joined = b"[" + b",\n".join(chunk) + b"]"  # type: ignore[arg-type]
    except TypeError:
        return None, False
    seams = len(chunk) - 1
    if joined.count(b"\n") != seams:
        return None, False
    arrays = joined[1:2] == b"["
    seam = b"],\n[" if arrays else b"},\n{"
    return (joined, arrays) if joined.count(seam) == seams else (None, False)


def _slowly(values: Sequence[bytes | None], begin: int, appended_at: Floats, parts: _Parts) -> None:
    """Message by message, with the reason for whatever is refused."""
    for message, value in enumerate(values, start=begin):
        decoded = codec.telemetry(value, float(appended_at[message]))
        parts.builder.add(message, decoded.events)
        parts.rejected += [(message, fault) for fault in decoded.rejected]
        parts.unknown.update(decoded.unknown)

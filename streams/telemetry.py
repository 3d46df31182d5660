"""Telemetry decoded by the batch: many messages at once into columns, each validated as if alone.

Rule: what is decoded, and what is refused and why, is the same however messages are batched.  A
chunk of messages is scanned in one pass (``streams.scan``); what that leaves goes message by
message through ``codec.telemetry``, which says what is wrong.
Flow: FetchedBatch -> TelemetryDecoder -> Columns -> BlockFold.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from models.columns import ColumnBuilder, Columns, Floats, Ints, together
from models.domain.telemetry import MAX_AHEAD_S, WORKLOAD_LENGTH, WORKLOAD_PATTERN
from streams import codec
from streams.scan.names import KNOWN, Names
from streams.scan.scanner import Scanner

CHUNK = 4096
"""Messages scanned in one pass, at most."""

CHUNK_BYTES = 1024 * 1024
"""About how many bytes at most: what is joined stays in the processor's cache."""

FEW_BYTES = 16 * 1024
"""A chunk of less is not scanned: a scan begins with as much work as a hundred events are."""

_valid_name = re.compile(WORKLOAD_PATTERN).fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedBatch:
    """``rejected`` are (message, (index in the array or None, field, reason))."""

    columns: Columns
    rejected: Sequence[tuple[int, tuple[int | None, str, str]]]
    unknown: Counter[str]


class TelemetryDecoder:
    """Decodes batches; what it remembers changes how fast it is, never what comes out."""

    def __init__(self, *, few_bytes: int = FEW_BYTES) -> None:
        """Knows no workload yet.  ``few_bytes``: chunks of less are not scanned."""
        self._few_bytes = few_bytes
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._workloads = Names(_is_workload)
        self._tenants = Names()
        self._variants = Names()
        self._scanner = Scanner(
            workloads=self._workloads, tenants=self._tenants, variants=self._variants
        )

    def decode(self, values: Sequence[bytes | None], appended_at: Floats) -> DecodedBatch:
        """Decode and validate messages in the order of the log.  Never raises.

        ``appended_at`` is when the log took each in, Unix seconds of the pipeline's clock.
        """
        numberings = self._workloads, self._tenants, self._variants
        if max(len(names.names) for names in numberings) > KNOWN:
            self._begin_anew()
        given = cast("Sequence[bytes]", values)
        try:
            lengths = np.fromiter(map(len, given), np.int64, len(given))
        except TypeError:  # One has no value.
            given = [value or b"" for value in values]
            lengths = np.fromiter(map(len, given), np.int64, len(given))
        parts: list[Columns] = []
        left: list[int] = []
        for begin, end in _chunks(lengths):
            if int(lengths[begin:end].sum()) < self._few_bytes:
                left += range(begin, end)
                continue
            latest_at = float(appended_at[begin:end].min()) + MAX_AHEAD_S
            columns, others = self._scanner.scan(
                given[begin:end], lengths[begin:end], begin, latest_at
            )
            parts.append(columns)
            left += [begin + index for index in others]
        builder = ColumnBuilder()
        rejected: list[tuple[int, tuple[int | None, str, str]]] = []
        unknown: Counter[str] = Counter()
        for message in left:
            decoded = codec.telemetry(values[message], float(appended_at[message]))
            builder.add(message, decoded.events)
            rejected += [(message, fault) for fault in decoded.rejected]
            unknown.update(decoded.unknown)
        if left or not parts:
            parts.append(builder.build(self._workloads, self._tenants, self._variants))
        return DecodedBatch(columns=together(parts), rejected=rejected, unknown=unknown)


def _chunks(lengths: Ints) -> Iterator[tuple[int, int]]:
    """Runs of messages of about equal bytes, as few as ``CHUNK_BYTES`` and ``CHUNK`` allow."""
    ends = np.cumsum(lengths)
    begin = 0
    while begin < len(lengths):
        before = ends[begin] - lengths[begin]
        fitting = int(np.searchsorted(ends, before + CHUNK_BYTES))
        end = min(max(fitting, begin + 1), begin + CHUNK, len(lengths))
        yield begin, end
        begin = end


def _is_workload(name: str) -> bool:
    least, most = WORKLOAD_LENGTH
    return least <= len(name) <= most and _valid_name(name) is not None

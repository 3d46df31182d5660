"""Blocks: events of one telemetry partition folded into partials, exact under any redelivery.

Rule: a block is a run of offsets fixed by the log alone, so whoever folds it again, from its
start, gets the same partials; a partial is cumulative in its block (docs/design.md, "Blocks").
Flow: columns of decoded events in offset order -> BlockFold -> Load partials.
"""

from __future__ import annotations

import numpy as np

from models.columns import Columns, Ints
from models.domain.load import Load
from models.groups import add_requests
from models.rows import Part
from models.sums import Sums

BLOCK_OFFSETS = 1 << 17
"""A block ends after this many offsets at the latest.  Part of the wire version."""

MANY = 1 << 15
"""Requests that wait to be summed, at most."""


class BlockFold:
    """Folds one telemetry partition.

    ``fold`` every record in offset order, rejected ones too (with no events): blocks are cut
    by records, not by what is in them.  ``drain`` gives the partials that changed since the last
    drain; draining more or less often changes how many partials are sent, never a total.
    """

    def __init__(self, source: int) -> None:
        """``source`` is the telemetry partition."""
        self.source = source
        self.block: int | None = None
        """First offset of the open block; None before the first record."""
        self.position: int | None = None
        """The next offset to fold; None before the first record."""
        self._max_second = 0
        self._sums: dict[tuple[str, int], Sums] = {}
        self._dirty: set[tuple[str, int]] = set()
        self._waiting: list[Part] = []
        """Requests of the open block, not yet in ``_sums``."""
        self._waits = 0
        self._finished: list[Load] = []

    def fold(self, offsets: Ints, seconds: Ints, columns: Columns) -> None:
        """Fold messages in the order of the log.

        ``offsets`` and ``seconds`` have one value per message: its offset, and the second of its
        own timestamp in the log (the append time on Kafka), which no clock has mapped: a block
        depends on the log alone.  ``columns.message`` indexes them.

        Raises ``ValueError`` when an offset was folded before: the events would count twice.
        """
        if self.position is not None and len(offsets) and offsets[0] < self.position:
            msg = f"offset {offsets[0]} of source {self.source} again, {self.position} is next"
            raise ValueError(msg)
        begin, count = 0, len(offsets)
        while begin < count:
            if self.block is None:
                self._open(int(offsets[begin]), int(seconds[begin]))
            end = self._end(offsets, seconds, begin)
            if end == begin:
                self._finish()
                self._open(int(offsets[begin]), max(int(seconds[begin]), self._max_second))
                continue
            self._fold(offsets, columns, begin, end)
            begin = end
        if count:
            self.position = int(offsets[-1]) + 1

    def _open(self, offset: int, second: int) -> None:
        self.block = offset
        self._max_second = second

    def _end(self, offsets: Ints, seconds: Ints, begin: int) -> int:
        """Index of the first message from ``begin`` on that does not belong to the open block."""
        end = int(np.searchsorted(offsets, (self.block or 0) + BLOCK_OFFSETS))
        newer = seconds[begin:end] > self._max_second
        return begin + int(newer.argmax()) if newer.any() else max(end, begin)

    def _fold(self, offsets: Ints, columns: Columns, begin: int, end: int) -> None:
        """Fold the events of messages ``begin`` to ``end`` into the open block."""
        first, last = np.searchsorted(columns.message, (begin, end)).tolist()
        part = Part(offsets, columns, slice(first, last))
        if self._waiting and not part.numbered_as(self._waiting[0]):
            self._settle()
        # Before the requests, so that summing finds all that came before the last of them.
        for message, event in columns.others:
            if begin <= message < end:
                key = (event.workload, int(event.at))
                self._of(key).add_other(event, int(offsets[message]))
                self._dirty.add(key)
        if first < last:
            self._wait(part)

    def _wait(self, part: Part) -> None:
        """Keep requests until there are many, as what costs is the group, not the request."""
        self._waiting.append(part)
        self._waits += len(part)
        if self._waits >= MANY:
            self._settle()

    def _settle(self) -> None:
        if self._waiting:
            self._dirty.update(add_requests(self._waiting, self._of))
            self._waiting, self._waits = [], 0

    def _of(self, key: tuple[str, int]) -> Sums:
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = Sums()
        return sums

    def drain(self) -> list[Load]:
        """Partials that changed since the last drain, those of finished blocks first."""
        self._settle()
        drained = [*self._finished, *self._changed()]
        self._finished = []
        self._dirty.clear()
        return drained

    def _finish(self) -> None:
        self._settle()
        self._finished.extend(self._changed())
        self._dirty.clear()
        self._sums.clear()

    def _changed(self) -> list[Load]:
        block = self.block
        if block is None:
            return []
        # Sorted, so that what is sent is a function of the log and not of hashing.
        return [self._sums[key].partial(*key, self.source, block) for key in sorted(self._dirty)]

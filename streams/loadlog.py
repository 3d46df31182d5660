"""The load log read again: what a step was given, by the offsets that the step log has of it.

Rule: a record that plan could not decode is passed over here as it was there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from models.domain.load import Load, Progress
from streams import codec
from streams.kafka.ranges import Found, Ranges


class LoadCursor:
    """Load records in the order of the log, a step's at a time."""

    def __init__(self, source: AsyncIterator[Sequence[Found]]) -> None:
        """``source`` begins with the first step's records."""
        self._source = source
        self._held: list[Found] = []

    async def upto(self, last: int) -> tuple[Load | Progress, ...]:
        """What comes before and with offset ``last``."""
        while not self._held or self._held[-1].offset < last:
            some = await anext(self._source, None)
            if some is None:
                break
            self._held += some
        taken = [found for found in self._held if found.offset <= last]
        del self._held[: len(taken)]
        return decoded(taken)


async def past(
    ranges: Ranges, partition: int, offsets: tuple[int, int] | None, workloads: Iterable[str]
) -> tuple[Load | Progress, ...]:
    """What the load log has of some workloads at and between two offsets, and all progress."""
    if offsets is None:
        return ()
    first, last = offsets
    names = frozenset(workloads)
    return tuple(
        [
            item
            async for some in ranges.read("load", partition, first, last + 1)
            for item in decoded(some)
            if isinstance(item, Progress) or item.workload in names
        ]
    )


def decoded(some: Sequence[Found]) -> tuple[Load | Progress, ...]:
    """What plan could decode of them: the rest went to foretide.rejected there."""
    return tuple([record for found in some for record in codec.loads(found.value)[0]])

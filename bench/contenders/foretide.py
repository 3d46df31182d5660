"""Foretide's role aggregate, run as a worker runs it: it validates, produces, and commits.

Rule: done is when every partition is folded to its end and the broker has acknowledged whatever
was sent of it; the clock runs from the call that fetched the first records, before they are parsed.
Arguments: bootstrap, prefix, group, ends (end offset by partition), members, limit_s.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from typing import Any

import span
from faust.types import TP

from streams.app import Worker, build, settle_in
from streams.kafka.batch import FetchedBatch
from streams.kafka.transport import BatchThread
from streams.settings import Settings

Fetched = dict[TP, list[FetchedBatch]]


class Gun:
    """Lets the consumer's thread begin when the group is complete, and says when that was."""

    def __init__(self, partitions: int) -> None:
        """``partitions``: how many this process gets when the group is complete."""
        self.begin: span.Mark | None = None
        fetch = BatchThread._fetch_records  # noqa: SLF001 - where the first record comes in

        async def fetched_records(
            thread: BatchThread,
            consumer: Any,  # noqa: ANN401 - as the original's
            active: set[TP],
            **limits: Any,  # noqa: ANN401 - as above
        ) -> Fetched:
            if self.begin is None and len(active) != partitions:
                await asyncio.sleep(0.02)
                return {}
            called = span.mark()
            fetched = await fetch(thread, consumer, active, **limits)
            if self.begin is None and fetched:
                self.begin = called
            return fetched

        BatchThread._fetch_records = fetched_records  # type: ignore[method-assign,assignment] # noqa: SLF001


async def _through(worker: Worker, gun: Gun, ends: Sequence[int]) -> span.Mark:
    """Wait until all that this worker has is folded, sent and acknowledged; raises its failure."""
    role: Any = worker.roles[0]
    while gun.begin is None or not _is_through(role, ends):
        if role.failure.done():
            raise role.failure.result()
        await asyncio.sleep(0.005)
    return gun.begin


def _is_through(role: Any, ends: Sequence[int]) -> bool:  # noqa: ANN401 - looks inside
    sources = role._sources  # noqa: SLF001 - nowhere else is it told at that moment
    for number, source in sources.items():
        if source.folded.position < ends[number] or source.sent is not source.folded:
            return False
        for _, sends in source.sends:
            if not all(future.done() for future in sends):
                return False
            for future in sends:
                future.result()  # A lost partial fails the run.
    return bool(sources)


async def _run(given: dict[str, Any]) -> None:
    gun = Gun(len(given["ends"]) // given["members"])
    worker = build(
        Settings(
            bootstrap=given["bootstrap"],
            topic_prefix=given["prefix"],
            group_prefix=given["group"],
            roles=("aggregate",),
            web_host="127.0.0.1",
            web_port=0,
        )
    )
    settle_in()  # As `foretide worker` does.
    await worker.start()
    try:
        begin = await _through(worker, gun, given["ends"])
        end = span.mark()
        counted = worker.metrics.registry.get_sample_value("foretide_events_total")
        packages = ("aiokafka", "faust-streaming", "msgspec", "numpy")
        span.report(begin, end, events=int(counted or 0), packages=packages)
        if given["members"] > 1:  # Who leaves first would hand its partitions to the others.
            await asyncio.to_thread(sys.stdin.read)
    finally:
        await worker.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(_run(span.arguments()))

"""Unreadable: records of Foretide's own topics that this version cannot read, told and passed over.

Rule: each goes to foretide.rejected with its place in the log and the reason before its offset
may be committed, is counted for an alarm, and never stops a role: what a newer worker wrote must
not take down an older one that still has others' work to do.
Flow: plan, allocate, actuate -> foretide.rejected.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from streams import codec
from streams.kafka.batch import FetchedBatch
from streams.kafka.outbox import Outbox, acknowledged
from streams.metrics import Metrics

log = logging.getLogger(__name__)

TOLD_MOST = 100
"""Different reasons remembered as said: each is logged once, and counted every time."""


class Unreadable:
    """What one role could not read."""

    def __init__(self, outbox: Outbox, metrics: Metrics) -> None:
        """``metrics`` counts by topic."""
        self._outbox = outbox
        self._metrics = metrics
        self._told: set[tuple[str, int, str]] = set()

    async def tell(
        self, batch: FetchedBatch, offset: int, value: bytes | None, faults: Sequence[codec.Fault]
    ) -> None:
        """Tell the faults of one message; returns when the broker has acknowledged them."""
        sends = []
        for fault in faults:
            self._metrics.unreadable.labels(batch.topic).inc()
            _, where, reason = fault
            place = f"{batch.topic}/{batch.partition}@{offset}"
            if (said := (batch.topic, batch.partition, reason)) not in self._told:
                if len(self._told) >= TOLD_MOST:
                    self._told.clear()
                self._told.add(said)
                log.error(
                    "%s cannot be read: %s%s. Is a newer worker writing? What it writes is passed"
                    " over here until this worker is of its version as well",
                    *(place, f"{where}: " if where else "", reason),
                )
            record = codec.rejection(batch.topic, batch.partition, offset, value, fault)
            key = f"{batch.topic}/{batch.partition}/{offset}"
            sends.append(await self._outbox.send("rejected", codec.encode(record), key=key))
        await acknowledged(sends)

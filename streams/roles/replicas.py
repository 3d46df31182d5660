"""Replicas as the platform shows them, reported as telemetry: one watch for all owned workloads.

Rule: a bounded number of reports is on its way; while the broker stalls, the watch keeps only
the newest word on each target, so nothing piles up.
Flow: Actuator.watch -> foretide.telemetry.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from actuators.protocol import Actuator, Observation, TargetRef
from models.domain.telemetry import ReplicaReport
from streams import codec
from streams.kafka.outbox import Outbox

log = logging.getLogger(__name__)

MOST_UNSENT = 500
"""Reports on their way to the broker at a time: one by one, a fleet of thousands would be known
of too late."""

AGAIN_S = 1.0
"""Pause before a watch that ended is begun anew."""


class ReplicaReports:
    """Watches what ``refs`` names, anew whenever that changes."""

    def __init__(
        self, actuator: Actuator, *, outbox: Outbox, refs: Callable[[], list[TargetRef]]
    ) -> None:
        """``refs``: what is to be watched now; asked again after ``look_again``."""
        self._actuator = actuator
        self._outbox = outbox
        self._refs = refs
        self._changed = asyncio.Event()
        self._unsent: set[asyncio.Future[Any]] = set()
        self._fewer = asyncio.Event()
        self.silent = False
        """Report nothing: for a run whose account is to be closed."""
        self.reported = 0
        """Reports that the broker has acknowledged."""

    def look_again(self) -> None:
        """Workloads or their owner may have changed."""
        self._changed.set()

    async def run(self) -> None:
        """Report for ever."""
        watching: asyncio.Task[None] | None = None
        refs: list[TargetRef] = []
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if refs == (refs := self._refs()) and watching is not None:
                    continue
                if watching is not None:
                    watching.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await watching
                watching = asyncio.create_task(self._follow(refs)) if refs else None
        finally:
            if watching is not None:
                watching.cancel()

    async def _follow(self, refs: list[TargetRef]) -> None:
        while True:
            try:
                async for observation in self._actuator.watch(refs):
                    if not self.silent:
                        await self._report(observation)
            except Exception:
                log.exception("the watch ended; watching again")
            await asyncio.sleep(AGAIN_S)

    async def _report(self, seen: Observation) -> None:
        report = ReplicaReport(
            v=1,  # The oldest that readers know: actuate is upgraded before aggregate.
            workload=seen.ref.workload,
            at=seen.at,
            desired=seen.desired,
            ready=seen.ready,
            starting=seen.starting,
            started_s=seen.started_s,
            variant=seen.ref.variant,
        )
        value = codec.encode(report)
        while len(self._unsent) >= MOST_UNSENT:
            self._fewer.clear()
            await self._fewer.wait()
        sent = await self._outbox.send("telemetry", value, key=seen.ref.workload)
        self._unsent.add(sent)
        sent.add_done_callback(self._sent)

    def _sent(self, sent: asyncio.Future[Any]) -> None:
        self._unsent.discard(sent)
        self._fewer.set()
        if sent.cancelled():
            return
        error = sent.exception()
        if error is None:
            self.reported += 1
        else:  # The platform is looked at again before long, and the next report says the same.
            log.error("a report of replicas was not taken in: %r", error)

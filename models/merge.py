"""Merge: partials of all sources and blocks into the seconds of each workload, exactly once.

Rule: of two partials of one (second, source, block) the higher reach wins; partials of blocks
that are done are final, later ones of them are echoes; a total is a sum and never goes back.
Flow: foretide.load -> Merge -> Second -> Scaler.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from models.domain.load import Load, Progress
from models.second import Second

KEEP_S = 900
"""Closed seconds whose totals are kept to restate them; older ones count in the totals alone."""


@dataclass(slots=True)
class _Workload:
    """One workload's seconds: partials of open blocks, and the sums of done ones."""

    open: dict[tuple[int, int], dict[int, Load]] = field(default_factory=dict)
    """(source, block) -> second -> newest partial."""
    settled: dict[int, Second] = field(default_factory=dict)
    """second -> sums over blocks that are done."""
    events: int = 0
    newest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What one partial changed.  ``started_s`` are the start-up times not seen before."""

    second: Second
    late: bool
    started_s: tuple[float, ...]


class Merge:
    """Partials of one load partition, merged.  Memory: open blocks and ``KEEP_S`` seconds."""

    def __init__(self, *, lateness_s: float) -> None:
        """``lateness_s`` is how long after a second's end its events are waited for."""
        self._lateness_s = lateness_s
        self._workloads: dict[str, _Workload] = {}
        self._done: dict[int, int] = {}
        self._watermarks: dict[int, float] = {}
        self._sources: int | None = None
        self.closed_through: int | None = None
        """The last second known complete; None before every source has reported."""
        self.corrections = 0
        """Events that came after their second was closed; counted, never lost."""

    def totals(self) -> dict[str, int]:
        """Events counted so far, by workload: what "exact" is measured on."""
        return {name: workload.events for name, workload in self._workloads.items()}

    def add(self, load: Load) -> Merged | None:
        """Merge one partial; None when it says nothing new (an echo, a duplicate, a done block)."""
        if load.block < self._done.get(load.source, -1):
            return None
        workload = self._workloads.get(load.workload)
        if workload is None:
            workload = self._workloads[load.workload] = _Workload()
        seconds = workload.open.setdefault((load.source, load.block), {})
        before = seconds.get(load.second)
        if before is not None and before.reach >= load.reach:
            return None
        seconds[load.second] = load
        new = load.events - (before.events if before is not None else 0)
        workload.events += new
        workload.newest = max(workload.newest, load.second)
        late = self.closed_through is not None and load.second <= self.closed_through
        if late:
            self.corrections += new
        heard = len(before.started_s) if before is not None else 0
        return Merged(
            second=self._total(workload, load.second),
            late=late,
            started_s=load.started_s[heard:],
        )

    def progress(self, record: Progress) -> bool:
        """Take in how far the sources are; True when more seconds have become complete."""
        self._sources = max(record.sources, self._sources or 0)
        for report in record.progress:
            source = report.source
            if report.watermark > self._watermarks.get(source, float("-inf")):
                self._watermarks[source] = report.watermark
            if report.done > self._done.get(source, -1):
                self._done[source] = report.done
                self._settle(source, report.done)
        if len(self._watermarks) < self._sources:
            return False
        through = int(min(self._watermarks.values()) - self._lateness_s) - 1
        if self.closed_through is not None and through <= self.closed_through:
            return False
        self.closed_through = through
        self._forget(through - KEEP_S)
        return True

    def seconds(self, workload: str) -> list[Second]:
        """All seconds still held of a workload, oldest first: for a spec that came late."""
        held = self._workloads.get(workload)
        if held is None:
            return []
        numbers = set(held.settled)
        for partials in held.open.values():
            numbers.update(partials)
        return [self._total(held, number) for number in sorted(numbers)]

    def partials(self, workload: str) -> list[Load]:
        """The open partials of a workload, in order of time: gauges for a spec that came late."""
        held = self._workloads.get(workload)
        if held is None:
            return []
        found = [load for partials in held.open.values() for load in partials.values()]
        return sorted(found, key=lambda load: (load.sent_us, load.source, load.block, load.second))

    @staticmethod
    def _total(workload: _Workload, number: int) -> Second:
        total = Second(second=number)
        settled = workload.settled.get(number)
        if settled is not None:
            _add(total, settled)
        for partials in workload.open.values():
            load = partials.get(number)
            if load is not None:
                _add(total, load)
        return total

    def _settle(self, source: int, done: int) -> None:
        for workload in self._workloads.values():
            for key in [k for k in workload.open if k[0] == source and k[1] < done]:
                for number, load in workload.open.pop(key).items():
                    settled = workload.settled.get(number)
                    if settled is None:
                        settled = workload.settled[number] = Second(second=number)
                    _add(settled, load)

    def _forget(self, before: int) -> None:
        for workload in self._workloads.values():
            for number in [n for n in workload.settled if n < before]:
                del workload.settled[number]


def _add(total: Second, part: Second | Load) -> None:
    total.events += part.events
    total.started += part.started
    total.finished += part.finished
    total.errors += part.errors
    total.dropped += part.dropped
    total.latency_count += part.latency_count
    total.latency_us += part.latency_us
    total.tokens_in_started += part.tokens_in_started
    total.tokens_in += part.tokens_in
    total.tokens_out += part.tokens_out
    for index, count in part.latency.items():
        total.latency[index] = total.latency.get(index, 0) + count
    for tenant, count in part.tenants.items():
        total.tenants[tenant] = total.tenants.get(tenant, 0) + count

"""Merge: partials of all sources and blocks into the window of each workload, exactly once.

Rule: of two partials of one (workload, second, source, block) the higher reach wins, and what it
has more than the one before is added; partials of blocks that are done are final, later ones of
them are echoes; a total never goes back.
Flow: foretide.load -> Merge -> Window.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

import msgspec
from msgspec import Struct

from models.domain.load import Load, Progress
from models.seconds import SPAN
from models.window import Window


class MergeState(Struct, frozen=True, array_like=True):
    """How far the sources are, as a snapshot has it."""

    sources: int | None
    watermarks: dict[int, float]
    done: dict[int, int]
    closed_through: int | None


class Merged(Struct, frozen=True, gc=False):
    """What one partial changed: a workload's window, and whether its second was closed before."""

    window: Window
    late: bool


class Merge:
    """Partials of one load partition, merged.  Memory: open blocks, and a window a workload."""

    def __init__(self, *, lateness_s: float) -> None:
        """``lateness_s`` is how long after a second's end its events are waited for."""
        self._lateness_s = lateness_s
        self._windows: dict[str, Window] = {}
        self._open: dict[int, dict[int, dict[tuple[str, int], Load]]] = {}
        """source -> block -> (workload, second) -> newest partial."""
        self._done: dict[int, int] = {}
        self._watermarks: dict[int, float] = {}
        self._sources: int | None = None
        self.closed_through: int | None = None
        """The last second known complete; None before every source has reported."""

    @property
    def corrections(self) -> int:
        """Events that came after their second was closed; counted, never lost."""
        return sum(window.corrections for window in self._windows.values())

    @property
    def unheard(self) -> int | None:
        """How many sources have never reported; None: not even how many there are is known."""
        return None if self._sources is None else self._sources - len(self._watermarks)

    def watermarks(self) -> dict[int, float]:
        """Up to when each source is known read, Unix seconds by source."""
        return dict(self._watermarks)

    def missing_s(self, now: float) -> float | None:
        """Seconds that should be complete at ``now``, Unix seconds, and are not; 0: none.

        None before every source has reported: then no second is complete at all.
        """
        if self.closed_through is None:
            return None
        return max(now - self._lateness_s - 1 - self.closed_through, 0.0)

    def totals(self) -> dict[str, int]:
        """Events counted so far, by workload: what "exact" is measured on."""
        return {name: window.events for name, window in self._windows.items()}

    def workloads(self) -> AbstractSet[str]:
        """Every workload that was heard of and not pruned since."""
        return self._windows.keys()

    def prune(self, keep: AbstractSet[str]) -> None:
        """Drop windows of workloads not in ``keep`` of which nothing has been heard for long.

        Their newest second has left the window, and they have no partial of an open block; their
        totals are gone with them.
        """
        if self.closed_through is None:
            return
        oldest = self.closed_through - SPAN
        silent = {
            name
            for name, window in self._windows.items()
            if name not in keep and (window.newest is None or window.newest < oldest)
        }
        if silent:
            silent -= {
                name
                for blocks in self._open.values()
                for partials in blocks.values()
                for name, _ in partials
            }
        for name in silent:
            del self._windows[name]

    def window(self, workload: str) -> Window:
        """The workload's window; an empty one when nothing has been heard of it."""
        found = self._windows.get(workload)
        if found is None:
            found = self._windows[workload] = Window()
        return found

    def add(self, load: Load) -> Merged | None:
        """Merge one partial; None when it says nothing new (an echo, a duplicate, a done block)."""
        source = load.source
        if load.block < self._done.get(source, -1):
            return None
        blocks = self._open.get(source)
        if blocks is None:
            blocks = self._open[source] = {}
        partials = blocks.get(load.block)
        if partials is None:
            partials = blocks[load.block] = {}
        key = load.workload, load.second
        before = partials.get(key)
        if before is not None and before.reach >= load.reach:
            return None
        partials[key] = _counted(load) if len(load.pods) > 1 or load.variants else load
        late = self.closed_through is not None and load.second <= self.closed_through
        window = self._windows.get(load.workload)
        if window is None:
            window = self._windows[load.workload] = Window()
        if late:
            window.corrections += load.events - (0 if before is None else before.events)
        window.add(load, before)
        return Merged(window, late)

    def progress(self, record: Progress) -> bool:
        """Take in how far the sources are; True when more seconds have become complete."""
        self._sources = max(record.sources, self._sources or 0)
        for report in record.progress:
            source = report.source
            if report.watermark > self._watermarks.get(source, float("-inf")):
                self._watermarks[source] = report.watermark
            if report.done > self._done.get(source, -1):
                self._done[source] = report.done
                blocks = self._open.get(source, {})
                for block in [block for block in blocks if block < report.done]:
                    del blocks[block]
        if len(self._watermarks) < self._sources:
            return False
        through = int(min(self._watermarks.values()) - self._lateness_s) - 1
        if self.closed_through is not None and through <= self.closed_through:
            return False
        self.closed_through = through
        return True

    def state(self) -> MergeState:
        """How far the sources are; windows and open partials are each workload's own."""
        return MergeState(
            sources=self._sources,
            watermarks=dict(self._watermarks),
            done=dict(self._done),
            closed_through=self.closed_through,
        )

    def restore(self, state: MergeState) -> None:
        """Take up how far the sources were."""
        self._sources = state.sources
        self._watermarks = dict(state.watermarks)
        self._done = dict(state.done)
        self.closed_through = state.closed_through

    def open_partials(self, workloads: AbstractSet[str]) -> dict[str, list[Load]]:
        """Partials of blocks that are not done, of some workloads."""
        found: dict[str, list[Load]] = {name: [] for name in workloads}
        for blocks in self._open.values():
            for partials in blocks.values():
                for (name, _), load in partials.items():
                    if name in found:
                        found[name].append(load)
        return found

    def restore_window(self, workload: str, window: Window, partials: Iterable[Load]) -> None:
        """Take up what was known of a workload."""
        self._windows[workload] = window
        for load in partials:
            blocks = self._open.setdefault(load.source, {})
            blocks.setdefault(load.block, {})[load.workload, load.second] = load


def _counted(load: Load) -> Load:
    """What of a partial the next one of its block is compared with: only what is counted.

    Gauges, which may be most of it, have been taken in by then.
    """
    parts = {name: msgspec.structs.replace(part, pods={}) for name, part in load.variants.items()}
    return msgspec.structs.replace(load, pods={}, replicas={}, variants=parts)

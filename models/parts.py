"""Parts: what is known of each variant of a workload, where it has several.

Rule: a variant's window is as the workload's, of the requests and pods that name the variant; it
begins with the second after the one in which a second variant was reported, so that it has all of
every second that it has anything of (only that begin depends on when the report came).  A second
in which others were heard of and it was not is a true zero.
Flow: Window.add -> Parts -> a Window for each variant -> Mix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from models.domain.load import MAX_VARIANTS, Load, Part, ReplicaGauge

if TYPE_CHECKING:
    from models.window import Window, WindowState

TOLD = 0.95
"""Share of the requests of a slot that must name a variant before it says anything of any."""


class Parts:
    """Windows by variant, of ``MAX_VARIANTS`` at most."""

    __slots__ = ("_make", "since", "windows")

    def __init__(self, make: Callable[[], Window]) -> None:
        """``make`` makes an empty window."""
        self._make = make
        self.windows: dict[str, Window] = {}
        self.since: dict[str, int] = {}
        """By variant the last second that nothing is taken of."""

    def keep(self, reported: Mapping[str, ReplicaGauge], newest: int) -> None:
        """Have a window for each variant that is reported, and for no other.

        Those that are new begin after second ``newest``.
        """
        for name in [name for name in self.windows if name not in reported]:
            del self.windows[name], self.since[name]
        for name, gauge in reported.items():
            if name not in self.windows and len(self.windows) < MAX_VARIANTS:
                window = self.windows[name] = self._make()
                window.report({name: gauge})
                self.since[name] = newest

    def add(self, load: Load, before: Load | None) -> None:
        """Take in a partial of the workload, and what it says of replicas."""
        for name, window in self.windows.items():
            gauge = load.replicas.get(name)
            replicas = {} if gauge is None else {name: gauge}
            if load.second > self.since[name]:
                window.add(_of(load, name, replicas), before and _of(before, name, {}))
            else:
                window.report(replicas)

    def lost(self, whole: Window, name: str, begin: int, end: int) -> int | None:
        """``name``'s share of what was dropped without a variant in seconds ``begin`` to ``end``.

        What is refused at the door was served by nobody, and would have been by each as much as
        it serves.  None: of what ended in ``whole``, the workload's window, too little is told by
        variant.
        """
        ended = {
            each: window.total("finished", begin, end) for each, window in self.windows.items()
        }
        named = sum(ended.values())
        dropped = whole.total("dropped", begin, end) - sum(
            window.total("dropped", begin, end) for window in self.windows.values()
        )
        if named + dropped < TOLD * whole.total("finished", begin, end) or not named:
            return None
        return round(dropped * ended[name] / named)

    def state(self) -> dict[str, tuple[int, WindowState]]:
        """All that is held, by variant: since when, and its window."""
        return {name: (self.since[name], each.state()) for name, each in self.windows.items()}


def _of(load: Load, name: str, replicas: dict[str, ReplicaGauge]) -> Load:
    """The partial of one variant: nothing, where nobody names it."""
    if name and load.variant == name:
        return msgspec.structs.replace(
            load, tenants={}, replicas=replicas, started_s=(), started_of=()
        )
    part = load.variants.get(name, _NOTHING)
    return Load(
        workload=load.workload,
        second=load.second,
        source=load.source,
        block=load.block,
        reach=load.reach,
        sent_us=load.sent_us,
        events=0,
        started=part.started,
        sessions=part.sessions,
        finished=part.finished,
        errors=part.errors,
        dropped=part.dropped,
        latency_count=part.latency_count,
        latency_us=part.latency_us,
        latency=part.latency,
        tokens_in_started=part.tokens_in_started,
        tokens_in=part.tokens_in,
        tokens_out=part.tokens_out,
        pods=part.pods,
        replicas=replicas,
    )


_NOTHING = Part()

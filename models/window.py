"""Window: what is known of one workload's last minute and a half, in constant memory.

Rule: sums are integers that only grow by differences, so that the order of partials is no
matter; a second that has left the window is not zero but unknown.  It needs no spec: a workload
may be heard of before anybody says what to do with it.
Flow: partials -> Merge -> Window -> DemandMeter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from models.domain.decision import Cause
from models.domain.load import DEFAULT_VARIANT, Load, PodGauge, ReplicaGauge
from models.grid import STEP_S, phase_of
from models.horizon import StartUp
from models.in_system import FRESH_S, InSystem
from models.lately import ReadyLately
from models.latencies import SLOT_S, Latencies, LatenciesState
from models.opened import Opened
from models.parts import Parts
from models.seconds import SPAN, Seconds
from models.shares import Shares, SharesState
from models.variants import counted

LONG_S = 300.0
"""A request whose length nobody tells may take so long."""


class WindowState(Struct, frozen=True, array_like=True):
    """A window as a snapshot has it; arrays by second modulo ``SPAN``, little-endian, as planes.

    Of gauges of pods it has what is decided by, and nothing else.
    """

    events: int
    corrections: int
    newest: int | None
    first: int | None
    has_starts: bool
    pods: dict[str, PodGauge]
    replicas: dict[str, ReplicaGauge]
    started_s: dict[str, list[float]]
    cause: Cause | None
    in_system: bytes
    sums: dict[str, bytes]
    latencies: LatenciesState
    shares: SharesState
    open: float = 0.0
    ready: list[tuple[int, int]] = []
    parts: dict[str, tuple[int, WindowState]] = {}


class Window:
    """One workload.  Times are event-time seconds; sums as in ``models.domain.load.Load``."""

    __slots__ = (
        "_latencies",
        "_opened",
        "_ready",
        "_shares",
        "_sums",
        "cause",
        "corrections",
        "events",
        "first",
        "has_starts",
        "in_system",
        "newest",
        "parts",
        "replicas",
        "start_up",
    )

    def __init__(self) -> None:
        """Nothing has been heard."""
        self.events = 0
        """All events ever counted."""
        self.corrections = 0
        """Those of them that came after their second was closed."""
        self.newest: int | None = None
        """The newest second heard of."""
        self.first: int | None = None
        """The first second known of: before it, or once it has left the window, none is."""
        self.has_starts = False
        self.replicas: dict[str, ReplicaGauge] = {}
        self.start_up = StartUp()
        self.cause: Cause | None = None
        """The newest telemetry."""
        self.in_system = InSystem()
        self._opened = Opened()
        self._ready = ReadyLately(FRESH_S)
        self._sums = Seconds()
        self._latencies = Latencies()
        self._shares: Shares | None = None
        """None: no tenant was named."""
        self.parts: Parts | None = None
        """By variant; None: no more than one was ever reported."""

    def add(self, load: Load, before: Load | None) -> None:
        """Take in a partial; ``before`` is the one of the same block that it replaces."""
        second = load.second
        if second != self.newest:
            self._hear(second)
        self.events += load.events - (0 if before is None else before.events)
        if load.started or load.finished:
            self.has_starts |= load.started > 0
            if self.holds(second):
                self._sum(load, before)
        for pod, gauge in load.pods.items():
            self._observe_pod(pod, gauge)
        if self.parts is not None:
            self.parts.add(load, before)
        if load.replicas:
            self.report(load.replicas)
        if load.started_s:
            self._observe_starts(load, before)
        at = load.sent_us / 1e6
        if self.cause is None or at >= self.cause.at:
            self.cause = Cause(source=load.source, offset=load.reach, at=at)

    def report(self, replicas: Mapping[str, ReplicaGauge]) -> None:
        """Take in reports of replicas by variant; the newest of each counts."""
        known = len(self.replicas)
        for variant, gauge in replicas.items():
            held = self.replicas.get(variant)
            if held is None or held.at_us <= gauge.at_us:
                self.replicas[variant] = gauge
                self._ready.add(gauge.at_us // 1_000_000, counted(self.replicas).ready)
        if len(self.replicas) > max(known, 1):
            self._tell_apart()

    def keep(self, variants: Sequence[str]) -> None:
        """Forget what was reported of other variants: they would count as replicas for ever."""
        self.replicas = {name: self.replicas[name] for name in variants if name in self.replicas}
        self._tell_apart()

    def _tell_apart(self) -> None:
        """Have parts by variant where there are several variants."""
        if len(self.replicas) <= 1:
            self.parts = None
            return
        if self.parts is None:
            self.parts = Parts(Window)
        self.parts.keep(self.replicas, self.newest or 0)

    def _sum(self, load: Load, before: Load | None) -> None:
        self._sums.add(load, before)
        if load.latency:
            slot, newest = load.second // SLOT_S, (self.newest or load.second) // SLOT_S
            self._latencies.add(slot, newest, load.latency, before.latency if before else {})
        if load.tenants:
            self._share(load, before)

    def _share(self, load: Load, before: Load | None) -> None:
        if self._shares is None:
            self._shares = Shares()
        begin = load.second - (load.second - phase_of(load.workload)) % STEP_S
        self._shares.add(begin, load.tenants, before.tenants if before else {})

    def tenants(self, begin: int) -> Mapping[str, int] | None:
        """Requests that ended in the step of the grid that begins with second ``begin``, by tenant.

        None: no tenant was ever named.  Empty: none ended, or the step is not held.
        """
        return None if self._shares is None else self._shares.of(begin)

    def _observe_starts(self, load: Load, before: Load | None) -> None:
        heard = 0 if before is None else len(before.started_s)
        of = load.started_of or (DEFAULT_VARIANT,) * len(load.started_s)
        for value, variant in zip(load.started_s[heard:], of[heard:], strict=False):
            self.start_up.observe(value, variant)

    def holds(self, second: int) -> bool:
        """Whether a second is still in the window."""
        return self.newest is not None and self.newest - SPAN < second <= self.newest

    def missed(self, begin: int, through: int) -> int | None:
        """Seconds ``begin`` to ``through`` became complete at once: before which nothing is known?

        That is before the end of the last hole in them of a step or longer, in which neither a
        request nor a pod was heard of; ``first`` moves there.  None: there is no such hole.
        """
        known, unheard = None, 0
        for second in range(max(begin, through - SPAN), through + 1):
            unheard = 0 if self._heard(second) else unheard + 1
            if unheard >= STEP_S:
                known = second + 1
        if known is not None and self.first is not None:
            self.first = max(self.first, known)
        for window in () if self.parts is None else self.parts.windows.values():
            if known is not None and window.first is not None:
                window.first = max(window.first, known)
        return known

    def _heard(self, second: int) -> bool:
        """Whether a request or a pod was heard of in ``second``, and it is still held."""
        if not self.holds(second):
            return False
        return self._sums.told(second) or self.gauge(second) is not None

    def column(self, name: str, begin: int, end: int) -> list[int]:
        """Sums of seconds ``begin`` to ``end``, both included; outside the window they are 0."""
        newest = self.newest
        if newest is None or name not in self._sums:
            return [0] * (end - begin + 1)
        low, high = max(begin, newest - SPAN + 1), min(end, newest)
        if low > high:
            return [0] * (end - begin + 1)
        return [0] * (low - begin) + self._sums.each(name, low, high) + [0] * (end - high)

    def total(self, name: str, begin: int, end: int) -> int:
        """Sum of seconds ``begin`` to ``end``, both included; outside the window they are 0."""
        if self.newest is None:
            return 0
        begin, end = max(begin, self.newest - SPAN + 1), min(end, self.newest)
        return self._sums.total(name, begin, end) if begin <= end else 0

    def gauge(self, second: int) -> float | None:
        """Requests in the system as pods reported them in ``second``; None: nobody did."""
        return self.in_system.at(second) if self.holds(second) else None

    def gauges(self, begin: int, end: int) -> list[float] | None:
        """Requests in the system in seconds ``begin`` to ``end``; None: one is unknown."""
        held = self.holds(begin) and self.holds(end)
        return self.in_system.between(begin, end) if held else None

    def latencies(self, seconds: int) -> dict[int, int]:
        """The latency sketch of about the newest ``seconds`` (whole slots)."""
        if self.newest is None:
            return {}
        return self._latencies.since((self.newest - seconds + 1) // SLOT_S)

    def by_slot(self, seconds: int) -> list[tuple[dict[int, int], int]]:
        """Latency sketch and drops of the slots of about the newest ``seconds``, oldest first."""
        newest = self.newest or 0
        slots = range((newest - seconds + 1) // SLOT_S, newest // SLOT_S + 1)
        return [(self._latencies.of(at), self.dropped(at)) for at in slots]

    def ended_of(self, second: int) -> tuple[dict[int, int], int]:
        """The latency sketch of the last slot that was over in ``second``, and drops in it."""
        slot = (second + 1) // SLOT_S - 1
        return self._latencies.of(slot), self.dropped(slot)

    def dropped(self, slot: int) -> int:
        """Requests that were dropped in a slot."""
        return self.total("dropped", slot * SLOT_S, slot * SLOT_S + SLOT_S - 1)

    @property
    def has_sessions(self) -> bool:
        """Whether a session was ever told to open: before that nobody tells of them."""
        return "sessions" in self._sums

    @property
    def last_gauge(self) -> int | None:
        """The second of the newest report of what pods work on; None: nobody reports it."""
        return self.in_system.last

    def held(self, name: str) -> int:
        """Sum of all seconds that are held."""
        newest = self.newest
        return 0 if newest is None else self.total(name, newest - SPAN + 1, newest)

    @property
    def all_starts_told(self) -> bool:
        """Whether about all requests that ended lately had been told as started too."""
        return self.has_starts and self._opened.explain(self.held("started"), self.held("finished"))

    def _usually_open(self) -> float:
        """Requests that are open by Little's law; ``LONG_S`` each where nobody tells how long."""
        told, started = self.held("latency_count"), self.held("started")
        return started / SPAN * (self.held("latency_us") / told / 1e6 if told else LONG_S)

    @property
    def some_pods_silent(self) -> bool:
        """Whether more replicas are ready than pods tell what they work on.

        One that is ready for less than ``FRESH_S`` has yet to tell, and next to nothing to tell of.
        """
        return self.in_system.telling < self._ready.fewest(self.newest or 0)

    def gauges_missing(self, second: int) -> bool:
        """Whether pods that alone tell of demand have ceased to, though some are ready."""
        if not self.in_system.told or "finished" in self._sums or "started" in self._sums:
            return False
        last = self.last_gauge
        ready = any(gauge.ready for gauge in self.replicas.values())
        return ready and last is not None and last < second - FRESH_S

    def slower(self, slot: int, limits: Sequence[int]) -> list[int]:
        """How many latencies of a slot lie in buckets above each of ``limits``."""
        return self._latencies.slower(slot, limits)

    def state(self) -> WindowState:
        """All that is held."""
        pods, in_system = self.in_system.state()
        return WindowState(
            events=self.events,
            corrections=self.corrections,
            newest=self.newest,
            first=self.first,
            has_starts=self.has_starts,
            pods=pods,
            replicas=self.replicas,
            started_s=self.start_up.seen,
            cause=self.cause,
            in_system=in_system,
            sums=self._sums.state(),
            latencies=self._latencies.state(),
            shares={} if self._shares is None else self._shares.state(),
            open=self._opened.still,
            ready=self._ready.counts,
            parts={} if self.parts is None else self.parts.state(),
        )

    @classmethod
    def restored(cls, state: WindowState) -> Window:
        """The window of a state.  Raises ``ValueError`` when its arrays have the wrong length."""
        made = cls()
        made.events, made.corrections = state.events, state.corrections
        made.newest, made.first, made.has_starts = state.newest, state.first, state.has_starts
        made.in_system = InSystem(state.pods, state.in_system)
        made.replicas, made.cause = state.replicas, state.cause
        made.start_up = StartUp(state.started_s)
        made._sums = Seconds(state.sums)
        made._latencies = Latencies(state.latencies)
        made._shares = Shares(state.shares) if state.shares else None
        made._opened = Opened(state.open)
        made._ready = ReadyLately(FRESH_S, state.ready)
        if state.parts:
            made.parts = Parts(cls)
            for name, (since, each) in state.parts.items():
                made.parts.windows[name], made.parts.since[name] = cls.restored(each), since
        return made

    def _hear(self, second: int) -> None:
        if self.newest is None:
            self.newest = self.first = second
        elif second > self.newest:
            self._move(second)
        elif self.first is not None and second < self.first:
            self.first = max(second, self.newest - SPAN + 1)

    def _move(self, second: int) -> None:
        """Make ``second`` the newest, and the seconds since the one before zero."""
        newest = self.newest if self.newest is not None else second
        others = range(max(newest + 1, second - SPAN + 1), second + 1)
        if self.has_starts:
            begin, end = newest - SPAN + 1, min(second - SPAN, newest)
            started, finished = (
                self.column("started", begin, end),
                self.column("finished", begin, end),
            )
            self._opened.leave(started, finished, self._usually_open)
        self._sums.clear(others)
        self.in_system.clear(others)
        self.newest = second
        if self.first is not None and self.first <= second - SPAN:
            self.first = second - SPAN + 1
        slot = second // SLOT_S
        if slot > newest // SLOT_S:
            self._latencies.move(slot)

    def _observe_pod(self, pod: str, gauge: PodGauge) -> None:
        """Take in a pod's gauges; the newest counts."""
        if not self.in_system.observe(pod, gauge):
            return
        total = self.in_system.total()
        second = gauge.at_us // 1_000_000
        if second != self.newest:
            self._hear(second)
        if total is not None and self.holds(second):
            self.in_system.put(second, total)

"""Demand: load in the unit that capacity is counted in, second by second and step by step.

Rule: a step's value is the highest mean in it over the time that a request may take, because an
overload shorter than that breaks no SLO; a step whose seconds are no longer held has no value.
What nobody told (starts, latencies, pods' gauges) is never zero: what else was told counts, and
where there is nothing else, demand is not known.
Flow: Window -> DemandMeter -> forecaster (steps), burst and floor (newest seconds).
"""

from __future__ import annotations

import math
from typing import Literal

from models.grid import STEP_S
from models.in_system import FRESH_S
from models.latencies import LATENCY_S
from models.seconds import SPAN
from models.window import Window

SHORT_S = 3
"""The shortest window that demand is averaged over: one second is not yet a burst."""

Unit = Literal["concurrency", "requests", "tokens"]


_REQUESTS = ("started", "finished")
_TOKENS = ("tokens_in", "tokens_in_started", "tokens_out")

LIKE = 0.5
"""Tokens of a started request, over those of one that ended, below which not all tell them."""

SIGMAS = 4.0
"""Standard deviations beyond which a rise is no noise: once in 30,000 independent windows."""


def sure(rate: float, requests: float) -> float:
    """What of a rate is sure, ``SIGMAS`` standard deviations of a Poisson count below it.

    Of 40 a second, known by 100 requests, it is 40 · (1 - 4/√100) = 24.
    """
    return rate * max(1.0 - SIGMAS / math.sqrt(requests), 0.0) if requests > 0 else 0.0


class DemandMeter:
    """Demand of one workload.  Times are event-time seconds, demand is in ``unit``."""

    __slots__ = ("patience_steps", "phase", "unit", "window", "window_s")

    def __init__(
        self, window: Window, unit: Unit, *, patience_s: float | None = None, phase: int = 0
    ) -> None:
        """``unit``: concurrent requests, requests/s, or tokens/s.

        ``patience_s`` is how long a request may take, the SLO's latency: a burst shorter than
        that is served late but in time, so demand is averaged over it (``SHORT_S`` to
        ``STEP_S``; without an SLO ``SHORT_S``).  Steps begin ``phase`` seconds after a multiple
        of ``STEP_S``, so that not all workloads end theirs in the same second.
        """
        self.window = window
        self.unit: Unit = unit
        self.phase = phase
        self.window_s = min(max(int(patience_s or 0), SHORT_S), STEP_S)
        self.patience_steps = max(int(patience_s or 0) // STEP_S, 1)
        """Steps that a request may take."""

    def measures(self) -> tuple[Unit, int]:
        """What a value of this meter means: the unit, and what it is averaged over."""
        return self.unit, self.window_s

    def short(self, complete: int | None) -> float | None:
        """Mean demand over the newest ``window_s``, the open second included; None: no data.

        ``complete`` is the last second that every source has passed.  Of a newer one only a part
        may have been heard, where a source is behind or a service's clock ahead, and what was not
        heard is no zero: so it is the highest mean that ends at ``complete`` or after it.
        """
        newest = self.window.newest
        if newest is None or self.unknown(newest):
            return None
        if self.stale(max(newest, complete or newest)):
            # Who told of demand does not any more: what was told last stands.
            newest = self.window.last_gauge or newest
        elif complete is not None and complete > newest:
            newest = complete  # Nothing was heard since, and all that could be is complete.
        width = self.window_s
        begin = newest if complete is None else max(min(complete, newest), newest - SPAN + width)
        values = self._values(begin - width + 1, newest)
        sums = [math.fsum(values[at : at + width]) for at in range(len(values) - width + 1)]
        return max(sums) / width

    def stale(self, second: int) -> bool:
        """Whether demand rests on gauges of pods, and these are missing."""
        return self.unit == "concurrency" and self.window.gauges_missing(second)

    def unknown(self, second: int) -> bool:
        """Whether there are requests up to ``second``, and nobody says what they come to.

        Of concurrency: not all pods tell what they work on, and no request that ended lately how
        long it took.  Of tokens: no request tells any.
        """
        window, begin = self.window, second - LATENCY_S + 1
        if self.unit == "requests":
            return False
        if self.unit == "concurrency":
            if window.in_system.told and not window.some_pods_silent:
                return False
            says = self.mean_latency_s(second) is not None
        else:
            says = any(window.total(name, begin, second) for name in _TOKENS)
        return not says and any(window.total(name, begin, second) for name in _REQUESTS)

    def untold(self) -> float | None:
        """Demand that there is at least, where all of it is not known now; None: it is."""
        newest = self.window.newest
        if newest is None or not self.unknown(newest):
            return None
        return (self._told(newest) or 0.0) if self.unit == "concurrency" else 0.0

    @property
    def counted(self) -> bool:
        """Whether pods told lately what is in the system: counted, not sampled."""
        window = self.window
        last = window.last_gauge
        return last is not None and last > (window.newest or 0) - FRESH_S

    def surely(self, short: float, complete: int | None) -> float:
        """What of ``short`` is no noise (``sure``), of the requests in the same seconds.

        Requests in the system that pods count are no sample: all of them are there.
        """
        if self.unit == "concurrency" and self.counted:
            return short
        newest = self.window.newest
        if newest is None:
            return short
        end = newest if complete is None else min(max(complete, newest - SPAN + 1), newest)
        counted = self.window.total(self._arrivals(), end - self.window_s + 1, newest)
        return sure(short, counted)

    @property
    def open(self) -> bool:
        """Whether demand is measured at arrival, so that too few replicas do not change it.

        Tokens are not: those of the output are told at completion.
        """
        return self.unit == "requests" and self._arrivals() == "started"

    def requests(self, number: int) -> float:
        """Requests that step ``number``'s value was measured by; 0 where they are not its noise."""
        if self.unit == "concurrency" and self.counted:
            return 0.0
        return self._counted(self._arrivals(), number)

    def _arrivals(self) -> str:
        """The column that tells of requests: starts, which lead, where all of them are told."""
        return "started" if self.window.all_starts_told else "finished"

    def _prompts(self) -> str:
        """The same of prompts' tokens, which a start need not have."""
        window = self.window
        if not window.all_starts_told:
            return "tokens_in"
        started, ended, before, after = map(
            window.held, ("started", "finished", "tokens_in_started", "tokens_in")
        )
        return "tokens_in_started" if before * ended >= LIKE * after * started else "tokens_in"

    def first_step(self) -> int | None:
        """The first step all of whose seconds are held; None: nothing has been heard."""
        first = self.window.first
        return None if first is None else -(-(first - self.phase) // STEP_S)

    def last_step(self, through: int) -> int:
        """The last step that is over when second ``through`` is."""
        return (through + 1 - self.phase) // STEP_S - 1

    def end_of(self, step: int) -> int:
        """When a step is over, Unix seconds."""
        return (step + 1) * STEP_S + self.phase

    def step(self, number: int) -> float | None:
        """Value of grid step ``number``: the highest mean over ``window_s`` within it.

        None: its seconds are no longer held, or those that tell of demand were missing.
        """
        begin = self.end_of(number) - STEP_S
        if self.window.first is None or begin < self.window.first:
            return None
        last = begin + STEP_S - 1
        if self.stale(last) or self.unknown(last):
            return None
        values = self._values(begin, begin + STEP_S - 1)
        width = self.window_s
        means = [math.fsum(values[at : at + width]) for at in range(STEP_S - width + 1)]
        return max(means) / width

    def starts(self, number: int) -> float:
        """Requests started in grid step ``number``, a leading feature."""
        return self._counted("started", number)

    def session_starts(self, number: int) -> float | None:
        """Sessions opened in grid step ``number``, as ``starts``; None: nobody tells of them."""
        if not self.window.has_sessions:
            return None
        return self._counted("sessions", number)

    def tenants(self, number: int, value: float) -> dict[str, float] | None:
        """A step's ``value`` by tenant, in the proportions of the requests that ended in it.

        Tenants are counted of ended requests alone, so that one is somebody's when it is over.
        None: no tenant is known of those that ended, or the unit is not requests, whose shares are
        not those of tokens.  Requests without a tenant are nobody's: of 40, 10 of them a's and 20
        b's, a has 0.25, b 0.5 of ``value``.  Where ``OTHER_TENANTS`` has a part, more tenants than
        have names had requests.
        """
        if self.unit != "requests":
            return None
        counts = self.window.tenants(self.end_of(number) - STEP_S)
        if not counts:
            return None if counts is None or value else {}
        ended = max(self._counted("finished", number), sum(counts.values()))
        return {name: value * (count / ended) for name, count in counts.items()}

    def _counted(self, column: str, number: int) -> float:
        """The sum of a column of the window over grid step ``number``."""
        end = self.end_of(number)
        return float(self.window.total(column, end - STEP_S, end - 1))

    def mean_latency_s(self, number: int) -> float | None:
        """Mean latency over the ``LATENCY_S`` up to ``number``; None: nothing finished."""
        begin = number - LATENCY_S + 1
        count = self.window.total("latency_count", begin, number)
        if not count:
            return None
        return self.window.total("latency_us", begin, number) / count / 1e6

    def seconds(self, begin: int, end: int) -> list[float]:
        """Demand of seconds ``begin`` to ``end``, both included; without events it is zero."""
        return self._values(begin, end)

    def _values(self, begin: int, end: int) -> list[float]:
        """Demand of seconds ``begin`` to ``end``; a second without events is zero."""
        window = self.window
        if self.unit == "concurrency":
            known, some = window.gauges(begin, end), window.some_pods_silent
            if known is not None and not some:
                return known
            return [self._concurrency(number, some) for number in range(begin, end + 1)]
        if self.unit == "requests":
            return [*map(float, window.column(self._arrivals(), begin, end))]
        prompt = window.column(self._prompts(), begin, end)
        output = window.column("tokens_out", begin, end)
        return [float(p + o) for p, o in zip(prompt, output, strict=True)]

    def _concurrency(self, number: int, some_pods_silent: bool) -> float:  # noqa: FBT001 - one caller
        """Requests in the system: what pods report where they do, else Little's law.

        Gauges are seen once a second or less often: the last one within ``FRESH_S`` stands, and
        what started and ended since is added, because starts lead gauges and completions.  Where
        not all pods tell, it is at least what Little's law says.
        """
        told = self._told(number)
        if told is not None and not some_pods_silent:
            return told
        return max(told or 0.0, self._little(number))

    def _told(self, number: int) -> float | None:
        window = self.window
        if window.in_system.told:
            for back in range(int(FRESH_S)):
                gauge = window.gauge(number - back)
                if gauge is None:
                    continue
                if back and window.has_starts:
                    since = number - back + 1
                    gauge += window.total("started", since, number)
                    gauge -= window.total("finished", since, number)
                return max(gauge, 0.0)
        return None

    def _little(self, number: int) -> float:
        """Requests of as many seconds as one takes: of 2 a second that take 30 s it is 60.

        Those of the newest second alone, times 30, would be 0 or 30 or 120, by chance.
        """
        latency_s = self.mean_latency_s(number)
        if latency_s is None:
            return 0.0  # Nothing ended, and none is there: else demand is unknown.
        seconds = min(max(round(latency_s), 1), LATENCY_S)
        arrivals = self.window.total(self._arrivals(), number - seconds + 1, number)
        return arrivals * latency_s / seconds

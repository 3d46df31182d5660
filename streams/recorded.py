"""What a recording has of one workload: demand by second, replicas as they were, start-ups.

Rule: demand is what ``plan`` would have taken it for, by the same merge and the same meter; a
second counts once every telemetry partition is known to have been read past it.
Flow: steps.jsonl -> Recorded -> backtest, shadow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from lab.traces import Series, TraceError
from models import sketch
from models.demand import DemandMeter, Unit
from models.domain.load import Load, Progress, ReplicaGauge
from models.domain.spec import AgentScaler, Metadata
from models.merge import Merge
from models.seconds import SPAN
from streams import steplog
from streams.recorder import STEPS
from streams.steplog import RecordingError

NAMED = 10
"""Workloads that an error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """All variants together at ``at``, Unix seconds."""

    at: float
    desired: int
    ready: int
    starting: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recorded:
    """One workload.  ``seconds`` (n,) is demand from Unix second ``begin`` on, in ``unit``.

    Requests and tokens are counts of each second, concurrency is the level in it.  ``spec`` is
    the last that was recorded; ``started_s`` how long replicas took to start.  ``ended`` (n,) are
    requests that ended in each second, ``late`` those of them that were dropped, or slower than
    the spec's SLO by the latency that was told (to the sketch's 2 %; without an SLO none).
    """

    workload: str
    spec: AgentScaler
    unit: Unit
    begin: int
    seconds: NDArray[np.float64]
    replicas: tuple[Replicas, ...]
    started_s: tuple[float, ...]
    ended: NDArray[np.int64]
    late: NDArray[np.int64]

    @property
    def startup_s(self) -> float | None:
        """The median start-up; None: none was recorded."""
        return median(self.started_s) if self.started_s else None

    def measured_violation(self, begin_s: float, end_s: float) -> float | None:
        """Share of requests that were late, of those that ended between two times since begin.

        0 to 1; None: the spec has no SLO, or none ended.
        """
        part = slice(int(begin_s), int(end_s))
        ended = int(self.ended[part].sum())
        if self.spec.spec.slo is None or not ended:
            return None
        return min(int(self.late[part].sum()) / ended, 1.0)

    def series(self, step_s: int) -> Series:
        """Demand in steps of ``step_s``; a last step that is not over is left out.

        A step of concurrency has the sum of its seconds' levels, so that its mean is the level.
        Raises ``TraceError`` when there are too few steps.
        """
        steps = len(self.seconds) // step_s
        seconds = self.seconds[: steps * step_s]
        values = seconds.reshape(steps, step_s).sum(axis=1)
        try:
            return Series(name=self.workload, step_s=step_s, values=values, seconds=seconds)
        except TraceError as error:
            raise TraceError(
                f"{error}; record for longer, or give a shorter step with --step"
            ) from error


def read(folder: Path, workload: str | None = None, spec: AgentScaler | None = None) -> Recorded:
    """What a recording has of ``workload``; None: of the only one there is, or ``spec``'s.

    ``spec`` replaces the recorded one.  Raises ``RecordingError``, which says what to do.
    """
    path = folder / STEPS
    try:
        lateness_s = steplog.setting(folder, "lateness_s")
    except RecordingError as error:
        raise _unread(folder, str(error)) from error
    try:
        reading = _Reading(_chosen(path, workload, spec))
        for record in steplog.read(path):
            merge = reading.merges.setdefault(record.partition, Merge(lateness_s=lateness_s))
            for item in record.records:
                reading.take(merge, item)
    except OSError as error:
        raise _unread(folder, f"{error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise _unread(folder, str(error)) from error
    return reading.recorded()


def _unread(folder: Path, why: str) -> RecordingError:
    return RecordingError(
        f"{folder} is not a readable recording: {why}; make one with foretide record --to FOLDER"
    )


def _chosen(path: Path, workload: str | None, spec: AgentScaler | None) -> AgentScaler:
    """The spec to go by: the given one, or the workload's last."""
    specs: dict[str, AgentScaler] = {}
    heard: set[str] = set()
    for record in steplog.read(path):
        heard.update(item.workload for item in record.records if isinstance(item, Load))
        for change in record.step().specs:
            if change.spec is not None:
                specs[change.workload] = change.spec
    wanted = workload or (spec.workload if spec is not None else None)
    if workload is None and spec is not None and len(heard) == 1:
        (wanted,) = heard  # Whatever the spec is of: there is one that it can be meant for.
    if wanted is None:
        if len(specs) == 1:
            return next(iter(specs.values()))
        raise RecordingError(f"{path} has {_named(specs)}; give one of them with --workload")
    if wanted not in heard:
        raise RecordingError(f"{path} has no load of {wanted}; it has {_named(heard)}")
    if spec is not None:
        return spec.model_copy(update={"metadata": _metadata(spec, wanted)})
    if wanted not in specs:
        raise RecordingError(
            f"{path} has load of {wanted} and no spec of it: it begins too late, or nobody made "
            "one; give it with --spec FILE"
        )
    return specs[wanted]


def _metadata(spec: AgentScaler, workload: str) -> Metadata:
    """The spec's, under the workload's name."""
    namespace, _, name = workload.partition("/")
    return spec.metadata.model_copy(update={"namespace": namespace, "name": name})


def _named(names: Iterable[str]) -> str:
    ordered = sorted(names)
    if not ordered:
        return "no workload at all"
    more = f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return ", ".join(ordered[:NAMED]) + more


class _Reading:
    """One workload's records, merged as ``plan`` merges them."""

    def __init__(self, spec: AgentScaler) -> None:
        self.merges: dict[int, Merge] = {}
        self._spec = spec
        self._workload = spec.workload
        self._merge: Merge | None = None
        self._meter: DemandMeter | None = None
        self._begin: int | None = None
        self._values: list[float] = []
        self._reports: dict[str, dict[int, ReplicaGauge]] = {}
        self._ended: dict[tuple[int, int, int], tuple[int, int, int]] = {}
        self._starts: dict[tuple[int, int, int], tuple[int, tuple[float, ...]]] = {}

    def take(self, merge: Merge, item: Load | Progress) -> None:
        """A load, if it is the workload's, or progress of its partition."""
        if isinstance(item, Progress):
            merge.progress(item)
        elif item.workload == self._workload:
            if self._merge is None:
                self._merge = merge
                self._meter = DemandMeter(merge.window(item.workload), self._spec.spec.demand.unit)
            # What is about to leave the window is as complete as it will be.
            self._upto(item.second - SPAN)
            merge.add(item)
            self._note(item)

    def recorded(self) -> Recorded:
        """All of it, up to the last second that is complete."""
        merge = self._merge
        if merge is None or self._meter is None:
            raise RecordingError(f"the recording has no load of {self._workload}")
        first, complete = self._first(), merge.closed_through
        if complete is None or first is None or complete < first:
            raise RecordingError(
                f"no second of {self._workload} is complete in the recording: not every telemetry "
                "partition was read past it; record for longer"
            )
        self._upto(complete)
        ended, late = self._counts(first, complete)
        return Recorded(
            workload=self._workload,
            spec=self._spec,
            unit=self._spec.spec.demand.unit,
            begin=first,
            seconds=np.array(self._values[: complete - first + 1]),
            replicas=tuple(self._replicas()),
            started_s=tuple(s for _, starts in self._starts.values() for s in starts),
            ended=ended,
            late=late,
        )

    def _first(self) -> int | None:
        if self._begin is None and self._meter is not None:
            return self._meter.window.first
        return self._begin

    def _upto(self, last: int) -> None:
        """Read the seconds up to ``last`` that have not been read; silent ones are zero."""
        first, meter = self._first(), self._meter
        if meter is None or first is None or meter.window.newest is None:
            return
        begin = first + len(self._values)
        if begin > last:
            return
        self._begin = first
        held = min(last, meter.window.newest)
        if begin <= held:
            self._values += meter.seconds(begin, held)
        self._values += [0.0] * (last - max(held, begin - 1))

    def _note(self, load: Load) -> None:
        for variant, gauge in load.replicas.items():
            self._reports.setdefault(variant, {})[gauge.at_us] = gauge
        key = load.second, load.source, load.block
        if load.finished and load.reach > self._ended.get(key, (-1,))[0]:
            slo = self._spec.spec.slo
            slow = 0 if slo is None else sketch.slower(load.latency, slo.latency_seconds)
            self._ended[key] = load.reach, load.finished, min(slow + load.dropped, load.finished)
        if load.started_s:
            reach, _ = self._starts.get(key, (-1, ()))
            if load.reach > reach:
                self._starts[key] = load.reach, load.started_s

    def _counts(self, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Requests that ended, and the late ones of them, by second."""
        ended, late = np.zeros((2, last - first + 1), np.int64)
        for (second, _, _), (_, count, slow) in self._ended.items():
            if first <= second <= last:
                ended[second - first] += count
                late[second - first] += slow
        return ended, late

    def _replicas(self) -> Iterator[Replicas]:
        """What was reported, whenever it changed."""
        newest: dict[str, ReplicaGauge] = {}
        reports = [
            (at, v, gauge) for v, held in self._reports.items() for at, gauge in held.items()
        ]
        before = None
        for at_us, variant, gauge in sorted(reports, key=lambda report: report[:2]):
            newest[variant] = gauge
            counts = (
                sum(g.desired for g in newest.values()),
                sum(g.ready for g in newest.values()),
                sum(g.starting for g in newest.values()),
            )
            if counts != before:
                desired, ready, starting = before = counts
                yield Replicas(at=at_us / 1e6, desired=desired, ready=ready, starting=starting)

"""How aggregate's rate changes with partitions, processes, workloads and the size of an event.

Rule: one thing at a time differs from the first row; each row is the median of a few runs on a
topic of its own, and its loads are counted.
"""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from throughput_fill import Filled, counted, fill, say
from throughput_run import Run, race

from streams.settings import Settings

EVENTS = 2_000_000
"""Events of a row, at most."""

BYTES = 400_000_000
"""Bytes of a row, at most."""


HOT = 0.9
"""Share of the one workload, where there is one that is hot; compare with the even row alike."""


class Row(NamedTuple):
    """One row; ``size``: bytes of an event, about; None: unpadded; ``hot``: see ``fill``."""

    what: str
    partitions: int = 4
    processes: int = 1
    workloads: int = 200
    size: int | None = None
    hot: float = 0.0


BASE = Row("base")
ROWS = (
    BASE,
    Row("partitions", partitions=1),
    Row("partitions", partitions=2),
    Row("processes", processes=2),
    Row("workloads", workloads=10),
    Row("workloads", workloads=1_000),
    Row("workloads", workloads=100_000),
    Row("event_bytes", size=100),
    Row("event_bytes", size=400),
    Row("event_bytes", size=700),
    Row("event_bytes: an unknown field, the slow path", size=4096),
    Row("hot: 90 % of one workload", hot=HOT, partitions=1),
    Row("hot: 90 % of one workload", hot=HOT, partitions=2),
    Row("hot: 90 % of one workload", hot=HOT),
    Row("hot: 90 % of one workload", hot=HOT, processes=2),
)


def growth(bootstrap: str, *, events: int, runs: int) -> list[dict[str, Any]]:
    """The rows, measured.  Raises ``AssertionError`` when loads do not add up to the events."""
    filled: dict[Row, Filled] = {}
    found = []
    for number, row in enumerate(ROWS):
        kind = row._replace(what="", processes=1)
        if kind not in filled:
            filled[kind] = _filled(bootstrap, f"growth{number}.", row, events)
        topic = filled[kind]
        done = [race("foretide", topic, members=row.processes) for _ in range(runs)]
        assert counted(topic.settings) == topic.events, f"{row}: loads do not add up"  # noqa: S101
        found.append(_told(row, topic, done))
        say(f"  {found[-1]}")
    return found


def _filled(bootstrap: str, prefix: str, row: Row, events: int) -> Filled:
    return fill(
        Settings(bootstrap=bootstrap, topic_prefix=prefix, partitions=row.partitions),
        events=min(events, EVENTS, BYTES // (row.size or 1)),
        workloads=row.workloads,
        size=row.size,
        hot=row.hot,
    )


def _told(row: Row, topic: Filled, runs: list[Run]) -> dict[str, Any]:
    return {
        "what": row.what,
        "partitions": row.partitions,
        "processes": row.processes,
        "workloads": row.workloads,
        "event_bytes": topic.event_bytes,
        "hot": row.hot,
        "events": topic.events,
        "events_per_s": statistics.median(run.events_per_s for run in runs),
        "cpu_s": statistics.median(run.cpu_s for run in runs),
    }

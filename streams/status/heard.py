"""Heard: how far the sources are, as the load topic tells it, partition by partition.

Rule: the same merge that plan closes seconds by, fed with the newest progress alone.
Flow: tails of foretide.load -> Heard -> collect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from models.domain.load import Progress
from models.merge import Merge
from streams import codec
from streams.kafka.look import Bounds, Look

TAILS = (64, 512, 4096)
"""How many of the newest messages of a load partition are searched for progress, one after the
other, until every source is found.  A busy partition has some twenty a second."""


@dataclass(slots=True)
class Heard:
    """What one load partition has heard."""

    merge: Merge
    positions: dict[int, int] = field(default_factory=dict)
    """Next offset by source."""


async def heard(
    look: Look, load: Mapping[TopicPartition, Bounds], *, sources: int, lateness_s: float
) -> dict[int, Heard]:
    """By load partition; ``sources`` is how many telemetry partitions there are."""
    found = {tp.partition: Heard(Merge(lateness_s=lateness_s)) for tp in load}
    lacking = dict(load)
    for tail in TAILS:
        since = {
            tp: max(bounds.end - tail, bounds.begin)
            for tp, bounds in lacking.items()
            if bounds.end > bounds.begin
        }
        ends = {tp: load[tp].end for tp in since}
        for tp, values in (await look.values(since, ends, key=b"progress")).items():
            for value in values:
                _take(found[tp.partition], value)
        lacking = {
            tp: load[tp]
            for tp, first in since.items()
            if len(found[tp.partition].positions) < sources and first > load[tp].begin
        }
    return found


def _take(into: Heard, value: bytes) -> None:
    for record in codec.loads(value)[0]:
        if not isinstance(record, Progress):
            continue
        into.merge.progress(record)
        for told in record.progress:
            into.positions[told.source] = max(into.positions.get(told.source, 0), told.position)


def newest(found: Mapping[int, Heard]) -> tuple[dict[int, float], dict[int, int]]:
    """Watermarks and positions by source, over all load partitions."""
    watermarks: dict[int, float] = {}
    positions: dict[int, int] = {}
    for one in found.values():
        for source, watermark in one.merge.watermarks().items():
            watermarks[source] = max(watermarks.get(source, watermark), watermark)
        for source, position in one.positions.items():
            positions[source] = max(positions.get(source, position), position)
    return watermarks, positions

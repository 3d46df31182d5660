"""Counts: what is counted of requests and seen of pods, of a whole partial or of one variant in it.

Rule: integers, so that any order of adding gives the same; of a pod's gauges the newest stays.
Flow: groups of columns, or single events -> Counts -> Load, Part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from models.domain.load import Part, PodGauge


class Counts:
    """Fields are as in ``Load``."""

    __slots__ = (
        "dropped",
        "errors",
        "finished",
        "latency",
        "latency_count",
        "latency_us",
        "pods",
        "sessions",
        "started",
        "tokens_in",
        "tokens_in_started",
        "tokens_out",
    )

    def __init__(self) -> None:
        """Nothing yet."""
        self.started = 0
        self.sessions = 0
        self.finished = 0
        self.errors = 0
        self.dropped = 0
        self.latency_count = 0
        self.latency_us = 0
        self.latency: dict[int, int] | None = None
        """By bucket.  What is here is never changed, as partials have it too."""
        self.tokens_in_started = 0
        self.tokens_in = 0
        self.tokens_out = 0
        self.pods: dict[str, PodGauge] | None = None

    def add_latencies(self, buckets: Sequence[int], counts: Sequence[int]) -> None:
        """Count latencies by bucket; no bucket comes twice."""
        latency = dict(zip(buckets, counts, strict=True))
        for bucket, count in self.latency.items() if self.latency else ():
            latency[bucket] = latency.get(bucket, 0) + count
        self.latency = latency

    def see(self, pod: str, gauge: PodGauge) -> None:
        """Keep a pod's gauge, unless a newer one is known."""
        if self.pods is None:
            self.pods = {}
        before = self.pods.get(pod)
        if before is None or before.at_us <= gauge.at_us:
            self.pods[pod] = gauge


class PartCounts(Counts):
    """Counts of one variant, and its ``place``: where in the log its name came first.

    Twice the offset, and one more if an event that is no request named it: of one message the
    requests are taken to come before the others.  0: before all that is still to be added.
    """

    __slots__ = ("place",)

    def __init__(self, place: int) -> None:
        """Nothing yet."""
        super().__init__()
        self.place = place

    @classmethod
    def of(cls, counts: Counts, place: int) -> Self:
        """All that has been counted so far."""
        made = cls(place)
        for name in Counts.__slots__:
            setattr(made, name, getattr(counts, name))
        if counts.pods is not None:
            made.pods = dict(counts.pods)
        return made

    def part(self) -> Part:
        """What has been added so far."""
        return Part(
            started=self.started,
            sessions=self.sessions,
            finished=self.finished,
            errors=self.errors,
            dropped=self.dropped,
            latency_count=self.latency_count,
            latency_us=self.latency_us,
            latency={} if self.latency is None else self.latency,
            tokens_in_started=self.tokens_in_started,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            pods=dict(self.pods or ()),
        )

"""Progress: how far a role is in each partition it owns, looked up when somebody asks.

Rule: a view of what the roles hold anyway, taken at the moment of a scrape, so that nothing is
told of a partition that is owned no more, and an age goes on growing when its role stands still.
Flow: roles -> PartitionProgress -> /metrics.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class Standing(NamedTuple):
    """Offsets of one partition as a consumer knows them; None: not known yet.

    ``end`` is of the last fetch; ``committed_ago_s`` since the commit last moved.
    """

    committed: int | None
    end: int | None
    committed_ago_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionProgress:
    """One role in one partition of its topic.  None: not known, or not this role's to know.

    ``lag`` counts records up to the log's end that are not committed.  ``lag_s`` is the age, by
    append time, of the oldest record that was read and is not done; 0 when there is none.
    ``commit_age_s`` is how long the commit has not moved though something is not done.
    """

    partition: int
    lag: int | None
    lag_s: float
    commit_age_s: float
    watermark_age_s: float | None = None
    missing_s: float | None = None
    unheard: int | None = None


class Unsettled:
    """When what was read of one partition, and is not done yet, was appended to the log."""

    def __init__(self) -> None:
        """Nothing has been read."""
        self._batches: deque[tuple[int, float]] = deque()
        """(offset of the last record, append time of the first), oldest first."""

    def read(self, last: int, appended_at: float) -> None:
        """A batch was read that ends with offset ``last`` and begins at ``appended_at``."""
        self._batches.append((last, appended_at))

    def settle(self, through: int | None) -> None:
        """Everything before offset ``through`` is done."""
        while through is not None and self._batches and self._batches[0][0] < through:
            self._batches.popleft()

    def age_s(self, now: float) -> float:
        """Age of the oldest at ``now``, Unix seconds: at most that of its batch's first record."""
        return max(now - self._batches[0][1], 0.0) if self._batches else 0.0


def progress_of(
    partition: int, standing: Standing, unsettled: Unsettled, *, now: float
) -> PartitionProgress:
    """What offsets and unsettled batches say of one partition at ``now``, Unix seconds."""
    lag = None
    if standing.end is not None:
        lag = max(standing.end - (standing.committed or 0), 0)
    age = unsettled.age_s(now)
    waits = standing.committed_ago_s if age else None
    # Before a role's first commit it has waited as long as its oldest record.
    commit_age = age if waits is None else min(waits, age)
    return PartitionProgress(partition=partition, lag=lag, lag_s=age, commit_age_s=commit_age)


class Progressing(Protocol):
    """A role, as far as its progress goes."""

    @property
    def role(self) -> str:
        """Its name."""
        ...

    def progress(self) -> Iterable[PartitionProgress]:
        """Each partition it owns now."""
        ...


class ProgressCollector(Collector):
    """Turns the roles' progress into samples at each scrape."""

    def __init__(self, roles: Iterable[Progressing]) -> None:
        """``roles`` may still be empty of partitions."""
        self._roles = tuple(roles)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See ``Collector``."""
        by_role = ["role", "partition"]
        lag = GaugeMetricFamily(
            "foretide_lag_records", "Records up to the log's end, not committed.", labels=by_role
        )
        lag_s = GaugeMetricFamily(
            "foretide_lag_seconds",
            "Age of the oldest record that was read and is not done.",
            labels=by_role,
        )
        commit_age = GaugeMetricFamily(
            "foretide_commit_age_seconds",
            "How long the commit has not moved though something is not done.",
            labels=by_role,
        )
        watermark_age = GaugeMetricFamily(
            "foretide_watermark_age_seconds",
            "How far a source's watermark is behind.",
            labels=["source"],
        )
        missing = GaugeMetricFamily(
            "foretide_missing_seconds",
            "Seconds past due that not every source has completed.",
            labels=["partition"],
        )
        unheard = GaugeMetricFamily(
            "foretide_sources_unheard",
            "Sources that have never reported to a load partition: no second is complete.",
            labels=["partition"],
        )
        for role in self._roles:
            for found in role.progress():
                number = str(found.partition)
                for family, value in ((lag, found.lag), (lag_s, found.lag_s)):
                    if value is not None:
                        family.add_metric([role.role, number], value)
                commit_age.add_metric([role.role, number], found.commit_age_s)
                for family, of_one in (
                    (watermark_age, found.watermark_age_s),
                    (missing, found.missing_s),
                    (unheard, found.unheard),
                ):
                    if of_one is not None:
                        family.add_metric([number], of_one)
        yield from (lag, lag_s, commit_age, watermark_age, missing, unheard)

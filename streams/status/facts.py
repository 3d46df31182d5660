"""Facts: what was found, as it is shown and as ``--json`` gives it.

Rule: ages are seconds at ``Status.at``, offsets are the broker's own; ``None`` is not known, or
nothing to know.
"""

from __future__ import annotations

from msgspec import Struct


class PartitionFacts(Struct, frozen=True, kw_only=True):
    """One partition of a role's topic.

    ``begin`` and ``end`` are the log's, ``lag`` is from the commit to the end.  ``behind_s`` is
    the age, by append time, of the oldest record that is not done: not committed, and not within
    an open block that is told already; 0: everything is done.
    """

    partition: int
    begin: int
    end: int
    committed: int | None
    lag: int
    behind_s: float | None
    commit_age_s: float | None
    owner: str | None


class RoleFacts(Struct, frozen=True, kw_only=True):
    """One role's group.  ``state`` in Kafka's words."""

    role: str
    group: str
    topic: str
    state: str
    members: int
    partitions: tuple[PartitionFacts, ...]


class SourceFacts(Struct, frozen=True, kw_only=True):
    """One telemetry partition; ``watermark_age_s`` None: not heard of in the newest loads."""

    source: int
    watermark_age_s: float | None


class LoadFacts(Struct, frozen=True, kw_only=True):
    """One load partition; ``missing_s`` None: not every source has been heard of in it."""

    partition: int
    missing_s: float | None


class LogFacts(Struct, frozen=True, kw_only=True):
    """A topic as a whole; ``newest_age_s`` None: it has no records, or they could not be read."""

    topic: str
    records: int
    newest_age_s: float | None


class Status(Struct, frozen=True, kw_only=True):
    """Everything, at one moment (Unix seconds by this machine's clock)."""

    at: float
    bootstrap: str
    topic_faults: tuple[str, ...]
    roles: tuple[RoleFacts, ...]
    sources: tuple[SourceFacts, ...]
    loads: tuple[LoadFacts, ...]
    logs: tuple[LogFacts, ...]

    def log(self, topic: str) -> LogFacts | None:
        """A topic by its name without the prefix; None: it was not looked at."""
        return next((log for log in self.logs if log.topic == topic), None)

"""Judging: which facts need somebody, and what they can do.

Rule: every problem names its place and the next step; what is only worth knowing is a note, and
changes no exit code.  Flow: Status -> Verdict.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from streams.status.facts import PartitionFacts, RoleFacts, Status

BEHIND_S = 10.0
"""Age of undone work, or of a watermark, that is no passing delay any more: a rebalance after a
worker died takes the session timeout (6 s) and a moment."""

NEEDED = {"aggregate": "telemetry", "plan": "load", "actuate": "decisions"}
"""Roles that a cluster cannot do without; ``allocate`` is for pools alone."""


class Verdict(Struct, frozen=True, kw_only=True):
    """``problems`` need somebody; ``notes`` do not."""

    healthy: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def judge(status: Status) -> Verdict:
    """The verdict on what was found."""
    problems = (*status.topic_faults, *_roles(status), *_sources(status), *_loads(status))
    return Verdict(healthy=not problems, problems=problems, notes=tuple(_notes(status)))


def _roles(status: Status) -> Iterator[str]:
    for role in status.roles:
        waits = any(found.lag for found in role.partitions)
        if not role.members:
            if role.role in NEEDED or waits:
                yield (
                    f"{role.role}: no worker is in the group {role.group}. Start one: "
                    f"foretide worker --role {role.role}"
                )
            continue
        if role.state != "Stable":
            yield (
                f"{role.role}: the group {role.group} is {plain(role.state)}. Look again in a few "
                "seconds; if it stays so, a worker keeps joining and leaving: read their logs"
            )
            continue
        yield from _partitions(role)


def _partitions(role: RoleFacts) -> Iterator[str]:
    lost = [found for found in role.partitions if found.owner is None]
    if lost:
        yield (
            f"{role.role}: nobody in the group {role.group} owns {_places(role.topic, lost)}. "
            "Restart a worker of this role, so that the partitions are shared out again"
        )
    cut = [f for f in role.partitions if f.committed is not None and f.begin > f.committed]
    if cut:
        yield (
            f"{role.role}: {_places(role.topic, cut)} begins after what was committed: records "
            "were deleted unread. Lengthen the topic's retention, or find out why the role stood "
            "still"
        )
    if role.role == "aggregate":
        return  # Its watermarks say it more exactly.
    late = [f for f in role.partitions if f.behind_s is None or f.behind_s > BEHIND_S]
    if late:
        most = max((f.behind_s for f in late if f.behind_s is not None), default=None)
        yield (
            f"{role.role}: {age(most)} behind in {_places(role.topic, late)}"
            f"{_at_workers(late)}. If the lag grows, add workers (there are partitions for "
            f"{len(role.partitions)}); if the commit stands still, read that worker's log"
        )


def _sources(status: Status) -> Iterator[str]:
    """Telemetry partitions whose watermark is old; silent ones advance as well."""
    aggregate = next((role for role in status.roles if role.role == "aggregate"), None)
    if aggregate is None or not aggregate.members:
        return  # Said already, and the cause of this.
    ages = {source.source: source.watermark_age_s for source in status.sources}
    late = [f for f in aggregate.partitions if _is_late(ages.get(f.partition))]
    if not late:
        return
    heard = [old for f in late if (old := ages.get(f.partition)) is not None]
    since = f"read only up to {age(max(heard))} ago" if heard else "not heard of lately"
    yield (
        f"aggregate: {_places(aggregate.topic, late)}{_at_workers(late)} {since}: seconds are "
        "missing for all workloads, and soon nothing is scaled in. Is that worker paused, cut off "
        "from Kafka, or overloaded? Restart it, or add workers"
    )


def _is_late(watermark_age_s: float | None) -> bool:
    return watermark_age_s is None or watermark_age_s > BEHIND_S


def _loads(status: Status) -> Iterator[str]:
    stalled = any(_is_late(source.watermark_age_s) for source in status.sources)
    late = [load for load in status.loads if (load.missing_s or 0.0) > BEHIND_S]
    if late and not stalled:  # Else said already, with the cause.
        numbers = ", ".join(str(load.partition) for load in late)
        most = max(load.missing_s or 0.0 for load in late)
        yield (
            f"load {numbers}: {age(most)} of seconds missing though every source reports. Are "
            "the clocks of the workers and the brokers apart?"
        )


def _notes(status: Status) -> Iterator[str]:
    specs = status.log("workloads")
    if specs is not None and not specs.records:
        yield "no AgentScaler is published, so nothing is scaled: foretide worker --specs FOLDER"
    rejected = status.log("rejected")
    if rejected is not None and rejected.records:
        newest = (
            "" if rejected.newest_age_s is None else f", newest {age(rejected.newest_age_s)} ago"
        )
        yield (
            f"{rejected.records} rejected records are kept{newest} (each new owner tells those of "
            "its open block again): foretide tail rejected --from-start --no-follow"
        )


def age(seconds: float | None) -> str:
    """A duration for a person, two digits or so; unknown is ``?``."""
    if seconds is None:
        return "?"
    seconds = max(seconds, 0.0)
    if seconds < 9.95:  # noqa: PLR2004 - what still shows as one digit
        return f"{seconds:.1f} s"
    for unit, size, most in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 48)):
        if seconds / size < most:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def _places(topic: str, found: list[PartitionFacts]) -> str:
    return f"{topic}/{','.join(str(one.partition) for one in found)}"


def _at_workers(found: list[PartitionFacts]) -> str:
    owners = sorted({one.owner for one in found if one.owner is not None})
    return f" (worker at {', '.join(owners)})" if owners else ""


def plain(state: str) -> str:
    """Kafka's word for a group's state as a person would say it."""
    if state == "Dead":
        return "no group yet"
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in state)
    return spaced.strip()

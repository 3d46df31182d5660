"""Telemetry: one record as a user's service published it (docs/design.md, section 4).

Rule: required fields are required, numbers are finite and non-negative, unknown is not zero:
what a service did not say is ``UNSET`` here, and no default invents it.
Flow: client -> foretide.telemetry -> aggregate.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from models.domain.version import Version

MAX_AHEAD_S = 60.0
"""How far ``at`` may lie ahead of the log's append time before the event is rejected."""

_LARGEST = 1e15
"""Upper bound of every number: refuses infinity, and keeps sums of integers below 2**63."""

WORKLOAD_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$(?!\n)"
WORKLOAD_LENGTH = 3, 317

WorkloadName = Annotated[
    str,
    Meta(
        min_length=WORKLOAD_LENGTH[0],
        max_length=WORKLOAD_LENGTH[1],
        pattern=WORKLOAD_PATTERN,
        description="namespace/name, both as Kubernetes spells names",
    ),
]
Label = Annotated[str, Meta(max_length=253)]
Number = Annotated[float, Meta(ge=0, le=_LARGEST)]
Latency = Annotated[float, Meta(ge=0, le=1e6)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000_000)]
Replicas = Annotated[int, Meta(ge=0, le=1_000_000)]
Ratio = Annotated[float, Meta(ge=0, le=1_000)]


class Event(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind"):
    """What every event carries.  ``at`` is Unix seconds by the service's own clock."""

    v: Version
    workload: WorkloadName
    at: Number


class Request(Event, frozen=True, gc=False, kw_only=True, tag="request"):
    """A request that started or finished; starts lead completions by the service time.

    ``opens_session`` of a started one: it is the first of its session, whose others are to come.
    """

    phase: Literal["started", "finished"] = "finished"
    latency_s: Latency | UnsetType = UNSET
    tokens_in: Count | UnsetType = UNSET
    tokens_out: Count | UnsetType = UNSET
    status: Literal["ok", "error", "dropped"] = "ok"
    tenant: Label | UnsetType = UNSET
    variant: Label | UnsetType = UNSET
    pod: Label | UnsetType = UNSET
    session: Label | UnsetType = UNSET
    opens_session: bool | UnsetType = UNSET


class Resource(Event, frozen=True, gc=False, kw_only=True, tag="resource"):
    """Gauges of one pod at one moment; ``*_ratio`` is 0 to 1 of what the pod has.

    ``sessions`` began on it, and are not over: between two requests as well.
    """

    pod: Label
    cpu_cores: Number | UnsetType = UNSET
    memory_bytes: Number | UnsetType = UNSET
    gpu_ratio: Ratio | UnsetType = UNSET
    gpu_memory_bytes: Number | UnsetType = UNSET
    queue_depth: Count | UnsetType = UNSET
    in_flight: Count | UnsetType = UNSET
    kv_cache_ratio: Ratio | UnsetType = UNSET
    sessions: Count | UnsetType = UNSET
    variant: Label | UnsetType = UNSET


class ReplicaReport(Event, frozen=True, gc=False, kw_only=True, tag="replicas"):
    """What the platform reports of a workload: ``started_s`` are start-up times just finished."""

    desired: Replicas
    ready: Replicas
    starting: Replicas = 0
    started_s: tuple[Number, ...] = ()
    variant: Label | UnsetType = UNSET


Telemetry = Request | Resource | ReplicaReport
"""Any event, told apart by ``kind``."""

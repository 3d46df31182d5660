"""Load: events of one workload in one second, of one source partition and block (a partial).

Rule: a partial is cumulative for its (workload, second, source, block); among two of the same
key the one with the higher ``reach`` wins, and a total is the sum over blocks (docs/design.md).
Flow: aggregate -> foretide.load -> plan.
"""

from __future__ import annotations

from msgspec import Struct

from models.domain.version import Version, version


class PodGauge(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """The newest gauges of one pod; ``-`` fields the pod did not report are ``None`` on the wire.

    ``at_us`` is microseconds; the newest of two gauges of a pod wins.
    """

    at_us: int
    in_flight: int | None = None
    queue_depth: int | None = None
    cpu_cores: float | None = None
    memory_bytes: float | None = None
    gpu_ratio: float | None = None
    gpu_memory_bytes: float | None = None
    kv_cache_ratio: float | None = None
    sessions: int | None = None


class ReplicaGauge(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """The newest replica report of one variant; the newest ``at_us`` wins."""

    at_us: int
    desired: int
    ready: int
    starting: int


class Part(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What of a partial is of one variant: of the requests and pods that name it.

    Fields are as in ``Load``, and cumulative as they are.
    """

    started: int = 0
    sessions: int = 0
    finished: int = 0
    errors: int = 0
    dropped: int = 0
    latency_count: int = 0
    latency_us: int = 0
    latency: dict[int, int] = {}
    tokens_in_started: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    pods: dict[str, PodGauge] = {}


class Load(
    Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="load", omit_defaults=True
):
    """One partial.  Sums are integers, so that any order of adding gives the same total.

    ``second`` is the event-time second; ``source`` the telemetry partition; ``block`` the first
    offset of the block; ``reach`` the offset of the last event folded in.  ``latency`` maps a
    bucket of ``models.sketch`` to a count.  ``events`` counts every event of any kind.
    ``sessions`` are the started requests that open a session; where nobody tells of sessions it
    is 0 for ever (``Window.has_sessions``).  ``tokens_in_started`` are prompt tokens of started
    requests, ``tokens_in``/``tokens_out`` those of finished ones.  ``sent_us`` is the newest ``at``
    folded in, microseconds.
    ``started_of`` names the variant of each of ``started_s``; empty: all are of the default one.
    ``variant`` is that of all requests and pods in it, where all name the same one; where they do
    not, ``variants`` has what is of each that is named, ``MAX_VARIANTS`` at most: what names none,
    or one too many, is in no part.
    """

    v: Version = version()
    workload: str
    second: int
    source: int
    block: int
    reach: int
    sent_us: int
    events: int
    started: int = 0
    sessions: int = 0
    finished: int = 0
    errors: int = 0
    dropped: int = 0
    latency_count: int = 0
    latency_us: int = 0
    latency: dict[int, int] = {}
    tokens_in_started: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tenants: dict[str, int] = {}
    pods: dict[str, PodGauge] = {}
    replicas: dict[str, ReplicaGauge] = {}
    started_s: tuple[float, ...] = ()
    started_of: tuple[str, ...] = ()
    variant: str = ""
    variants: dict[str, Part] = {}


class SourceProgress(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """How far one telemetry partition has been folded.

    ``position`` is the next offset to read, ``watermark`` the append time (Unix seconds) up to
    which the partition is known to be read, ``done`` the first offset of the open block: every
    block before it is final and its partials acknowledged by the broker.
    """

    source: int
    position: int
    watermark: float
    done: int


class Progress(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="progress"):
    """Written to every load partition; only with it is a silent second a zero.

    ``sources`` is the number of telemetry partitions there are: a second is complete when all
    of them have reported past it.
    """

    v: Version = version()
    sources: int
    progress: tuple[SourceProgress, ...]


LoadRecord = Load | Progress
"""What the load topic carries, told apart by ``kind``."""

DEFAULT_VARIANT = "default"
"""Name of the one variant of a workload that does not name variants."""

MAX_VARIANTS = 8
"""Variants told apart in one partial."""

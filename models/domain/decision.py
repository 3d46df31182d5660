"""Decision: what a workload gets, and why; the durable, explained event that is the product.

Rule: it carries its own explanation; "why 7 and not 8" is answered from this record alone.
Flow: plan (or allocate) -> foretide.decisions -> actuate, audit, explain, replay.
"""

from __future__ import annotations

import enum
from typing import Literal

from msgspec import Struct

from models.domain.version import Version, version


class Epoch(Struct, frozen=True, gc=False, order=True, array_like=True):
    """Order of decisions of one workload across owners and restarts, compared field by field.

    ``revision`` of the spec (its offset in foretide.workloads plus one), ``era``, ``generation``
    of the consumer group when the input was read, ``sequence`` within it.
    """

    revision: int
    era: int
    generation: int
    sequence: int

    def __str__(self) -> str:
        """The form the applied-epoch annotation holds, e.g. ``12.0.3.41``."""
        return f"{self.revision}.{self.era}.{self.generation}.{self.sequence}"

    @classmethod
    def parse(cls, text: str) -> Epoch:
        """Read what ``str`` wrote.  Raises ``ValueError`` with the text when it is not an epoch."""
        parts = text.split(".")
        if len(parts) != len(cls.__struct_fields__) or not all(p.isdecimal() for p in parts):
            msg = f"not an epoch (revision.era.generation.sequence): {text!r}"
            raise ValueError(msg)
        return cls(*(int(p) for p in parts))


class Reason(enum.StrEnum):
    """Why a decision has the number it has; a closed list, part of the wire version."""

    FORECAST = "forecast"
    DEMAND = "demand"
    BURST = "burst"
    CAPACITY_LEARNING = "capacity-learning"
    SLO_MISSED = "slo-missed"
    BOUNDS = "bounds"
    SCALE_DOWN_STABILIZATION = "scale-down-stabilization"
    SCALE_UP_STABILIZATION = "scale-up-stabilization"
    RATE_LIMITED = "rate-limited"
    STARTS_IN_FLIGHT = "starts-in-flight"
    TOLERANCE = "tolerance"
    FALLBACK = "fallback"
    SCHEDULE = "schedule"
    ACTIVATION = "activation"
    IDLE = "idle"
    PAUSED = "paused"
    DRAIN = "drain"
    EFFECT = "effect"
    POOL_CAPACITY = "pool-capacity"
    REISSUED = "reissued"


class State(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What is or shall be: replicas per variant, resources per container, traffic per variant.

    ``leaving``: pods that should go first when there are fewer, those with least to do first; more
    of them than go where some that left may still tell of themselves.
    """

    replicas: dict[str, int]
    resources: dict[str, dict[str, str]] = {}
    traffic: dict[str, float] = {}
    leaving: tuple[str, ...] = ()


class Stamp(Struct, frozen=True, gc=False, kw_only=True):
    """One guard's mark: the number that came in, the number that went out, and why."""

    guard: str
    before: int
    after: int
    why: str


class Cause(Struct, frozen=True, gc=False, kw_only=True):
    """The newest telemetry behind the decision: its partition, offset and ``at`` in seconds."""

    source: int
    offset: int
    at: float


class VariantCapacity(Struct, frozen=True, gc=False, kw_only=True):
    """What one replica of a variant ``serves`` within the SLO, given or learned; None: unknown.

    ``counted`` is what it counts for: less than it serves where another variant would be at its
    capacity first, as traffic is shared now.
    """

    serves: float | None
    counted: float


class Inputs(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The numbers the decision was made from.  ``None`` is unknown, never zero.

    Demand and capacity are in ``unit``; ``horizon_s`` is how far ahead ``forecast`` looks,
    ``forecast_quantile`` is what was sized for there and ``quantile``
    which quantile of the forecast that is; ``age_s`` how old the newest telemetry
    was.  ``latency_s`` is the SLO's quantile over the short window.  ``capacity_per_replica`` is of
    the mean replica; ``capacity_by_variant`` is there where variants are told apart.
    """

    unit: str
    demand: float | None
    forecast: float | None
    forecast_quantile: float | None
    quantile: float | None
    horizon_s: float
    capacity_per_replica: float | None
    desired: int | None
    ready: int | None
    starting: int | None
    age_s: float | None
    latency_s: float | None = None
    slo_s: float | None = None
    corrections: int = 0
    missing_s: int = 0
    cause: Cause | None = None
    capacity_by_variant: dict[str, VariantCapacity] = {}


class ModelInfo(Struct, frozen=True, gc=False, kw_only=True):
    """Which model forecast.  ``trust`` is ``predictive``, ``reactive`` or ``cold``; see ``why``."""

    name: str
    version: str
    trust: Literal["predictive", "reactive", "cold"]
    why: str


class SizingInfo(Struct, frozen=True, gc=False, kw_only=True):
    """Which way of sizing was followed, and how it stands among all that are scored beside it.

    ``margin`` above the forecast's centre in scales, ``window_s`` of scale-in; ``violations`` and
    ``cost`` are what it would have had over the discounted past, as share of demand and as
    capacity bought over demand; ``budget`` is what is planned with now, ``kept`` whether any
    way kept it, and ``price`` what is paid for one budget's worth of violations, a share of cost.
    ``violated`` is the share that really missed the SLO over the last day, once forecasts were warm
    (of requests where their latency is told, else of demand), ``regret`` what was really paid over
    the cheapest way that kept the budget, as a share.  ``None`` is unknown, never zero.
    """

    margin: float
    window_s: int
    violations: float | None
    cost: float | None
    budget: float | None
    price: float | None
    kept: bool | None
    violated: float | None
    regret: float | None


class Binding(Struct, frozen=True, gc=False, kw_only=True):
    """The constraint that held the decision; ``shadow_price`` in cost per unit, if it has one."""

    constraint: str
    limit: float
    shadow_price: float | None = None


class Alternative(Struct, frozen=True, gc=False, kw_only=True):
    """What ``replicas`` would cost: money per hour, and the chance that demand exceeds capacity."""

    replicas: int
    cost_per_hour: float | None
    overload_probability: float | None


class Decision(Struct, frozen=True, gc=False, kw_only=True, rename={"from_": "from"}):
    """What one workload gets.  ``id`` derives from workload and epoch, never from chance."""

    v: Version = version()
    id: str
    workload: str
    epoch: Epoch
    at: float
    valid_until: float
    mode: Literal["active", "shadow", "paused"]
    from_: State
    to: State
    reason: Reason
    trail: tuple[Stamp, ...]
    inputs: Inputs
    model: ModelInfo
    binding: Binding | None
    alternatives: tuple[Alternative, ...]
    sizing: SizingInfo | None = None


class Hold(Struct, frozen=True, gc=False, kw_only=True):
    """No decision, and why: "could not decide" is a value of its own, never "decide 0"."""

    reason: Literal["awaiting", "no-data", "paused", "unchanged"]
    why: str


def decision_id(workload: str, epoch: Epoch) -> str:
    """``prod/support-bot@12.0.3.41``: unique, ordered, and the same on every replay."""
    return f"{workload}@{epoch}"

"""AgentScaler and Pool: what a user asks for; one model for YAML, topic and custom resource.

Rule: names are Kubernetes'; what is left out is learned; what is set in ``behavior`` is a hard
limit; an unknown field or a misspelt value is an error with its path, never a default.
Flow: YAML or topic -> foretide.workloads -> plan, allocate, actuate.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from models.domain.calendar import cron, time_zone

API_VERSION = "foretide.dev/v1alpha1"

MOST_REPLICAS = 100_000
"""Of a target, whatever asks for them."""

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=253)]
Seconds = Annotated[int, Field(ge=0, le=86_400)]
Positive = Annotated[float, Field(ge=1e-9, le=1e15, allow_inf_nan=False)]
"""From a billionth on, so that whatever is divided by it stays a number."""
NonNegative = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
ReplicaCount = Annotated[int, Field(ge=0, le=MOST_REPLICAS)]


class Model(BaseModel):
    """Frozen, camelCase outside, snake_case inside, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        strict=True,
    )


_Any = TypeVar("_Any", bound=Model)

KNOWN_PARTS = 4096
"""Different parts of specs that are remembered, so that equal ones are one object: a part takes
half a kilobyte, and most workloads of a fleet have the same."""


class _Part:
    """A part of a spec as a key: equal where both what it says and what was set in it is."""

    __slots__ = ("_key", "part")

    def __init__(self, part: Model) -> None:
        self.part = part
        self._key = _form(part)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Part) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _form(value: object) -> object:
    if isinstance(value, Model):
        values = tuple(_form(held) for held in value.__dict__.values())
        return type(value), frozenset(value.model_fields_set), values
    if isinstance(value, tuple):
        return tuple(_form(held) for held in value)
    return type(value), value


@lru_cache(maxsize=KNOWN_PARTS)
def _first(part: _Part) -> Model:
    return part.part


def _shared(part: _Any) -> _Any:
    """The part that was first read of all that are equal to it."""
    return _first(_Part(part))  # type: ignore[return-value]


Shared = AfterValidator(_shared)
"""For parts that hold no mutable value: equal ones become one."""


class Metadata(Model):
    """Name and namespace of a workload, as Kubernetes has them."""

    name: Name
    namespace: Name = "default"
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Target(Model):
    """The object that is scaled, in the AgentScaler's own namespace."""

    api_version: str = "apps/v1"
    kind: Name | Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*$")] = "Deployment"
    name: Name


class Variant(Model):
    """One way to run the workload: its own target, cost and capacity per replica."""

    name: Name
    target: Target
    cost_per_hour: NonNegative | None = None
    per_replica: Positive | None = None
    resources: dict[str, NonNegative] = Field(default_factory=dict)
    min: ReplicaCount = 0
    max: ReplicaCount | None = None


class Replicas(Model):
    """Bounds of the replica count, both included.

    ``cooldown_period_seconds``: with ``min`` 0, how long nothing may have happened before the
    last replica goes (KEDA's cooldownPeriod, and its default).
    """

    min: ReplicaCount = 1
    max: Annotated[int, Field(ge=1, le=MOST_REPLICAS)] = 100
    cooldown_period_seconds: Annotated[int, Field(ge=10, le=86_400)] = 300

    @model_validator(mode="after")
    def _ordered(self) -> Replicas:
        if self.min > self.max:
            msg = f"replicas.min {self.min} is above replicas.max {self.max}"
            raise ValueError(msg)
        return self


class Demand(Model):
    """Unit demand is counted in, and what one ready replica serves of it within the SLO.

    Where ``per_replica`` is left out and there is an SLO it is learned, and the unit too if that
    is left out (docs/capacity.md).
    """

    unit: Literal["concurrency", "requests", "tokens"] = "concurrency"
    per_replica: Positive | None = None


class Slo(Model):
    """At most ``violations`` of requests slower than ``latency_seconds``, over a rolling day."""

    latency_seconds: Positive
    violations: Annotated[float, Field(ge=1e-9, lt=1)] = 0.01


class RatePolicy(Model):
    """HPA's scaling policy: at most ``value`` pods, or percent, within ``period_seconds``."""

    type: Literal["Pods", "Percent"]
    value: Annotated[int, Field(gt=0, le=100_000)]
    period_seconds: Annotated[int, Field(gt=0, le=1800)]


class Rules(Model):
    """HPA's scaling rules for one direction.  None is: not limited by the user."""

    stabilization_window_seconds: Annotated[int, Field(ge=0, le=3600)] | None = None
    select_policy: Literal["Max", "Min", "Disabled"] = "Max"
    policies: tuple[RatePolicy, ...] | None = None
    tolerance: Annotated[float, Field(ge=0, le=1)] | None = None

    @field_validator("policies", mode="before")
    @classmethod
    def _sequence(cls, value: Any) -> Any:  # noqa: ANN401 - pydantic hands over what was written
        return tuple(value) if isinstance(value, list) else value


class Behavior(Model):
    """Rate policies and stabilisation, in HPA's own vocabulary; hard limits when set."""

    scale_up: Annotated[Rules, Shared] = Field(default_factory=lambda: _shared(Rules()))
    scale_down: Annotated[Rules, Shared] = Field(default_factory=lambda: _shared(Rules()))


class Vertical(Model):
    """Vertical sizing of requests per container."""

    mode: Literal["Off", "Recommend", "InPlace"] = "Off"


def _zone_name(name: str) -> str:
    return time_zone(name).key


class Schedule(Model):
    """Bounds that hold from ``start`` to ``end`` (cron expressions) in a time zone.

    ``min`` and ``max`` stand in for those of ``replicas`` while it is on; see docs/policy.md.
    """

    start: Annotated[str, AfterValidator(cron)]
    end: Annotated[str, AfterValidator(cron)]
    timezone: Annotated[str, AfterValidator(_zone_name)] = "UTC"
    min: ReplicaCount | None = None
    max: Annotated[int, Field(ge=1, le=MOST_REPLICAS)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Schedule:
        if self.min is None and self.max is None:
            raise ValueError("a schedule without min and without max changes nothing")
        if self.start == self.end:
            raise ValueError(f"start and end are both {self.start!r}: it would never be off")
        return self


class Fallback(Model):
    """What to do when telemetry is missing for longer than ``after_seconds`` (KEDA's words)."""

    after_seconds: Annotated[int, Field(ge=1, le=86_400)] = 30
    behavior: Literal[
        "static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"
    ] = "currentReplicas"
    replicas: ReplicaCount | None = None

    @model_validator(mode="after")
    def _has_replicas(self) -> Fallback:
        if self.behavior == "currentReplicas":
            return self
        if self.replicas is None:
            msg = f"fallback.replicas is needed with behavior {self.behavior}"
            raise ValueError(msg)
        if self.replicas == 0 and self.behavior != "currentReplicasIfHigher":
            raise ValueError("fallback.replicas 0 would scale to zero on an error; at least 1")
        return self


class Pause(Model):
    """What is not to be done for a while (KEDA's paused-scale-in, -scale-out, -replicas).

    ``replicas``: go to this count and stay.  The bounds hold all the same.
    """

    scale_in: bool = False
    scale_out: bool = False
    replicas: ReplicaCount | None = None

    @property
    def any(self) -> bool:
        """Whether anything is paused."""
        return self.scale_in or self.scale_out or self.replicas is not None


class Drain(Model):
    """Scale-in that lets work end.

    ``budget_seconds``: at once no more replicas than can finish what they have within it; None:
    no limit.  ``pod_deletion_cost``: tell Kubernetes which pods have least to do.
    ``keep_sessions``: no pod leaves on which a session is not over.
    """

    budget_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = None
    pod_deletion_cost: bool = False
    keep_sessions: bool = False

    @model_validator(mode="after")
    def _chosen(self) -> Drain:
        if self.keep_sessions and not self.pod_deletion_cost:
            msg = "keepSessions needs podDeletionCost: true, or Kubernetes takes any pod"
            raise ValueError(msg)
        return self


class ScalerSpec(Model):
    """The spec of an AgentScaler; see docs/reference.md for each field."""

    target: Target | None = None
    variants: tuple[Variant, ...] = ()
    mode: Literal["Active", "Shadow", "Paused"] = "Active"
    replicas: Annotated[Replicas, Shared] = Field(default_factory=lambda: _shared(Replicas()))
    demand: Annotated[Demand, Shared] = Field(default_factory=lambda: _shared(Demand()))
    slo: Annotated[Slo, Shared] | None = None
    weight: Positive = 1.0
    pool: Name | None = None
    cost_per_hour: NonNegative | None = None
    resources: dict[str, NonNegative] = Field(default_factory=dict)
    behavior: Annotated[Behavior, Shared] = Field(default_factory=lambda: _shared(Behavior()))
    vertical: Annotated[Vertical, Shared] = Field(default_factory=lambda: _shared(Vertical()))
    schedules: tuple[Schedule, ...] = ()
    fallback: Annotated[Fallback, Shared] = Field(default_factory=lambda: _shared(Fallback()))
    pause: Annotated[Pause, Shared] = Field(default_factory=lambda: _shared(Pause()))
    drain: Annotated[Drain, Shared] = Field(default_factory=lambda: _shared(Drain()))

    @field_validator("variants", "schedules", mode="before")
    @classmethod
    def _sequence(cls, value: Any) -> Any:  # noqa: ANN401 - pydantic hands over what was written
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _schedules_fit(self) -> ScalerSpec:
        for number, each in enumerate(self.schedules):
            least, by = (self.replicas.min, "replicas.min")
            if each.min is not None:
                least, by = each.min, f"schedules[{number}].min"
            most, limit = (self.replicas.max, "replicas.max")
            if each.max is not None:
                most, limit = each.max, f"schedules[{number}].max"
            if least > most:
                raise ValueError(f"{by} {least} is above {limit} {most}")
        return self

    @model_validator(mode="after")
    def _one_kind_of_target(self) -> ScalerSpec:
        if (self.target is None) == (not self.variants):
            msg = "name either target or variants, not both and not neither"
            raise ValueError(msg)
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            msg = f"variants have the same name twice: {names}"
            raise ValueError(msg)
        if self.drain.keep_sessions and len(self.variants) > 1:
            msg = "drain.keepSessions: pods of several variants are not chosen"
            raise ValueError(msg)
        return self


class AgentScaler(Model):
    """A user's wish for one workload."""

    api_version: Literal["foretide.dev/v1alpha1"] = "foretide.dev/v1alpha1"
    kind: Literal["AgentScaler"] = "AgentScaler"
    metadata: Metadata
    spec: ScalerSpec

    @property
    def workload(self) -> str:
        """``namespace/name``, the workload's name everywhere."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


class PoolSpec(Model):
    """Capacity shared by workloads: resources as Kubernetes spells them, and the hardware."""

    resources: dict[str, NonNegative]
    node_selector: dict[str, str] = Field(default_factory=dict)


class PoolMetadata(Model):
    """Name of a pool; pools are of the cluster, not of a namespace."""

    name: Name


class Pool(Model):
    """A pool of scarce capacity."""

    api_version: Literal["foretide.dev/v1alpha1"] = "foretide.dev/v1alpha1"
    kind: Literal["Pool"] = "Pool"
    metadata: PoolMetadata
    spec: PoolSpec


Spec = Annotated[AgentScaler | Pool, Field(discriminator="kind")]
"""What foretide.workloads carries: key ``namespace/name`` or ``pool/NAME``; None deletes."""

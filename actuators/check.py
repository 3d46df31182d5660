"""What is checked of a decision before it is applied: the actuator trusts nothing.

Rule: each check is a line that says what it found; the first that fails is the outcome.
Used by the dispatcher, once per decision.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from actuators.clock import Clock
from actuators.protocol import TargetRef
from models.domain.decision import Decision
from models.domain.load import DEFAULT_VARIANT
from models.domain.outcome import Result
from models.domain.spec import AgentScaler, Rules
from models.policy.limits import Bounds, Limits

REVISION_WAIT_S = 5.0
"""How long a decision waits for the spec it was made from to be read here (machine's clock)."""

Refusal = tuple[Result, str, str]


class SpecSource(Protocol):
    """The actuator's own table of specs."""

    def get(self, workload: str) -> tuple[AgentScaler, int] | None:
        """Spec and revision."""
        ...

    async def wait_for(self, workload: str, revision: int) -> None:
        """Return when ``revision`` or a newer one has been read."""
        ...


@dataclass(frozen=True, slots=True)
class Verified:
    """A decision that may be applied, and to what."""

    decision: Decision
    refs: tuple[TargetRef, ...]


async def verify(decision: Decision, specs: SpecSource, clock: Clock) -> Verified | Refusal:
    """Check a decision against our own knowledge; see the module's text."""
    if decision.mode != "active":
        return Result.SHADOW, decision.mode, f"the workload's mode is {decision.mode}"
    if clock.now() >= decision.valid_until:
        return Result.EXPIRED, "expired", f"valid until {decision.valid_until:.3f}"
    try:
        await asyncio.wait_for(
            specs.wait_for(decision.workload, decision.epoch.revision), REVISION_WAIT_S
        )
    except TimeoutError:
        text = f"spec revision {decision.epoch.revision} has not been read here"
        return Result.REFUSED, "unknown-revision", text
    found = specs.get(decision.workload)
    if found is None:
        return Result.REFUSED, "no-spec", "the workload's spec is gone"
    scaler, _ = found
    if scaler.spec.mode != "Active":
        return Result.SHADOW, scaler.spec.mode.lower(), f"the spec's mode is {scaler.spec.mode}"
    return (
        _bounds(decision, scaler)
        or _paused(decision, scaler)
        or _step(decision, scaler)
        or Verified(decision, targets(scaler))
    )


def bounds_of(decision: Decision, scaler: AgentScaler) -> Bounds:
    """The bounds when it was made, by our own copy of the spec and its schedules."""
    return Limits(scaler.spec).at(decision.at, decision.inputs.horizon_s)


def _bounds(decision: Decision, scaler: AgentScaler) -> Refusal | None:
    total = sum(decision.to.replicas.values())
    bounds = bounds_of(decision, scaler)
    if any(count < 0 for count in decision.to.replicas.values()):
        return Result.REFUSED, "bounds", f"a negative count: {decision.to.replicas}"
    if not bounds.min <= total <= bounds.max:
        return Result.REFUSED, "bounds", f"{total} is outside {bounds.min} to {bounds.max}"
    known = {ref.variant for ref in targets(scaler)}
    strange = sorted(decision.to.replicas.keys() - known)
    if strange:
        return Result.REFUSED, "bounds", f"unknown variants: {', '.join(strange)}"
    return None


def _paused(decision: Decision, scaler: AgentScaler) -> Refusal | None:
    """What a person has forbidden since, unless the bounds themselves ask for it."""
    before = sum(decision.from_.replicas.values())
    after = sum(decision.to.replicas.values())
    bounds, pause = bounds_of(decision, scaler), scaler.spec.pause
    if pause.replicas is not None or not bounds.min <= before <= bounds.max:
        return None
    if pause.scale_in and after < before:
        return Result.REFUSED, "paused", f"{before} to {after}, but pause.scaleIn is set"
    if pause.scale_out and after > before:
        return Result.REFUSED, "paused", f"{before} to {after}, but pause.scaleOut is set"
    return None


def _step(decision: Decision, scaler: AgentScaler) -> Refusal | None:
    """No single decision may step further than the user's own policies allow in one period."""
    before = sum(decision.from_.replicas.values())
    after = sum(decision.to.replicas.values())
    behavior = scaler.spec.behavior
    rules = behavior.scale_up if after > before else behavior.scale_down
    allowed = largest_step(rules, before)
    bounds = bounds_of(decision, scaler)
    if allowed is None or bounds.min > before or bounds.max < before:
        return None  # No policy set; or the bounds themselves demand the way back.
    if scaler.spec.pause.replicas == after:
        return None
    if before == 0 and after == 1 and rules.select_policy != "Disabled":
        return None  # The first replica: a percentage of nothing allows none.
    if abs(after - before) > allowed:
        text = f"{before} to {after}, but behavior allows a step of {allowed}"
        return Result.REFUSED, "step", text
    return None


def largest_step(rules: Rules, before: int) -> int | None:
    """The largest step that HPA-like rules allow in one period; None when they set no limit."""
    if rules.select_policy == "Disabled":
        return 0
    if not rules.policies:
        return None
    steps = [
        policy.value if policy.type == "Pods" else -(-before * policy.value // 100)
        for policy in rules.policies
    ]
    return max(steps) if rules.select_policy == "Max" else min(steps)


def targets(scaler: AgentScaler) -> tuple[TargetRef, ...]:
    """The objects behind a spec, one per variant."""
    namespace = scaler.metadata.namespace
    if scaler.spec.target is not None:
        return (
            TargetRef(
                workload=scaler.workload,
                variant=DEFAULT_VARIANT,
                namespace=namespace,
                target=scaler.spec.target,
            ),
        )
    return tuple(
        TargetRef(
            workload=scaler.workload,
            variant=variant.name,
            namespace=namespace,
            target=variant.target,
        )
        for variant in scaler.spec.variants
    )

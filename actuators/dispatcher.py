"""The dispatcher: of each workload only the newest decision, different workloads side by side.

Rule: trusts no decision (mode, time to live, spec revision, bounds, step, epoch are checked
again); each decision gets exactly one outcome, and what is refused says why.
Flow: decisions -> Dispatcher -> Actuator; outcomes come back as futures.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass

from actuators.check import SpecSource, Verified, verify
from actuators.clock import Clock
from actuators.errors import ActuationError, Conflict, Denied, Stale, Transient
from actuators.protocol import Actuator, Order
from models.domain.decision import Decision
from models.domain.outcome import Outcome, Result

BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses between attempts, of the machine's clock; the last one repeats until the decision dies."""

FINAL: dict[type[ActuationError], tuple[Result, str]] = {
    Stale: (Result.REFUSED, ""),
    Denied: (Result.FAILED, "; grant it with deploy/rbac.yaml"),
}
"""Errors that end a decision otherwise than as a plain failure, and what to tell the operator."""


@dataclass(slots=True)
class _Pending:
    decision: Decision
    outcome: asyncio.Future[Outcome]
    attempts: int = 0


class _Lane:
    """One workload: what is being applied, and the newest that waits."""

    __slots__ = ("task", "waiting")

    def __init__(self) -> None:
        self.waiting: _Pending | None = None
        self.task: asyncio.Task[None] | None = None


class Dispatcher:
    """Hands decisions to an actuator."""

    def __init__(
        self, actuator: Actuator, *, specs: SpecSource, clock: Clock, concurrency: int
    ) -> None:
        """``concurrency``: workloads at the platform at the same time."""
        self._actuator = actuator
        self._specs = specs
        self._clock = clock
        self._places = asyncio.Semaphore(concurrency)
        self._lanes: dict[str, _Lane] = {}

    def submit(self, decision: Decision) -> asyncio.Future[Outcome]:
        """Take up a decision; the future is its outcome, and never raises but by cancellation."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        pending = _Pending(decision, future)
        lane = self._lanes.setdefault(decision.workload, _Lane())
        older = lane.waiting
        if older is not None and older.decision.epoch > decision.epoch:
            self._finish(pending, Result.SUPERSEDED, "superseded", "a newer decision waits")
            return future
        if older is not None:
            self._finish(older, Result.SUPERSEDED, "superseded", f"by {decision.id}")
        lane.waiting = pending
        if lane.task is None:
            lane.task = asyncio.create_task(self._drive(decision.workload, lane))
        return future

    async def drain(self, *, timeout_s: float) -> bool:
        """Wait until nothing is pending, at most ``timeout_s`` of the machine's clock."""
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        if not tasks:
            return True
        _, left = await asyncio.wait(tasks, timeout=timeout_s)
        return not left

    async def close(self) -> None:
        """Abandon what is pending: it has no outcome, and is read again by the next owner."""
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _drive(self, workload: str, lane: _Lane) -> None:
        pending: _Pending | None = None
        try:
            while (pending := lane.waiting) is not None:
                lane.waiting = None
                async with self._places:
                    await self._take(pending, lane)
        except asyncio.CancelledError:
            for left in (pending, lane.waiting):
                if left is not None and not left.outcome.done():
                    left.outcome.cancel()
            raise
        finally:
            lane.task = None
            if self._lanes.get(workload) is lane and lane.waiting is None:
                del self._lanes[workload]

    async def _take(self, pending: _Pending, lane: _Lane) -> None:
        decision = pending.decision
        verified = await verify(decision, self._specs, self._clock)
        if not isinstance(verified, Verified):
            self._finish(pending, *verified)
            return
        while self._clock.now() < decision.valid_until:
            pending.attempts += 1
            try:
                await self._apply(verified)
            except (Transient, Conflict) as error:
                if lane.waiting is not None:
                    text = f"by {lane.waiting.decision.id}, while: {error}"
                    self._finish(pending, Result.SUPERSEDED, "superseded", text)
                    return
                pause = BACK_OFF_S[min(pending.attempts, len(BACK_OFF_S)) - 1]
                await asyncio.sleep(max(pause, error.retry_after_s or 0.0))
            except ActuationError as error:
                result, advice = FINAL.get(type(error), (Result.FAILED, ""))
                self._finish(pending, result, error.code, f"{error}{advice}")
                return
            except Exception as error:  # noqa: BLE001 - one workload's bug must not stop the others
                self._finish(pending, Result.FAILED, "internal", f"{type(error).__name__}: {error}")
                return
            else:
                self._finish(pending, Result.APPLIED, "", "")
                return
        text = f"valid until {decision.valid_until:.3f}, after {pending.attempts} attempts"
        self._finish(pending, Result.EXPIRED, "expired", text)

    async def _apply(self, verified: Verified) -> None:
        decision = verified.decision
        for ref in verified.refs:
            if ref.variant in decision.to.replicas:
                order = Order(
                    ref=ref,
                    replicas=decision.to.replicas[ref.variant],
                    epoch=decision.epoch,
                    decision=decision.id,
                )
                await self._actuator.apply(order)

    def _finish(self, pending: _Pending, result: Result, why: str, detail: str) -> None:
        if pending.outcome.done():
            return
        decision = pending.decision
        now = self._clock.now()
        pending.outcome.set_result(
            Outcome(
                workload=decision.workload,
                decision=decision.id,
                epoch=decision.epoch,
                at=now,
                result=result,
                why=why,
                detail=detail,
                attempts=pending.attempts,
                replicas=dict(decision.to.replicas) if result is Result.APPLIED else {},
                latency_s=now - decision.at,
                wall_at=time.time(),
            )
        )

"""The dispatcher: of each workload only the newest decision, different workloads side by side.

Rule: trusts no decision (mode, time to live, spec revision, bounds, step, epoch are checked
again); each decision gets exactly one outcome, and what is refused says why.  Of a workload at
most two decisions are held, however long the platform hangs: one under way, and the newest.
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
        """``concurrency``: requests at the platform at the same time.

        Waiting for a spec, or between two attempts, takes no place: a target that fails must not
        keep the others from theirs.
        """
        self._actuator = actuator
        self._specs = specs
        self._clock = clock
        self._places = asyncio.Semaphore(concurrency)
        self._lanes: dict[str, _Lane] = {}

    def submit(self, decision: Decision, *, hold: bool = False) -> asyncio.Future[Outcome]:
        """Take up a decision; the future is its outcome, and never raises but by cancellation.

        ``hold``: wait for ``release``, so that of a backlog only the newest is ever applied.
        """
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
        if not hold:
            self.release(decision.workload)
        return future

    def release(self, workload: str) -> None:
        """Apply what was held of a workload; nothing happens if nothing was."""
        lane = self._lanes.get(workload)
        if lane is not None and lane.task is None:
            lane.task = asyncio.create_task(self._drive(workload, lane))

    async def drain(self, *, timeout_s: float) -> bool:
        """Wait until nothing is pending, at most ``timeout_s`` of the machine's clock."""
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        if not tasks:
            return True
        _, left = await asyncio.wait(tasks, timeout=timeout_s)
        return not left

    async def abandon(self) -> None:
        """Give up what is pending: it has no outcome, and is read again by the next owner."""
        lanes, self._lanes = self._lanes, {}
        tasks = [lane.task for lane in lanes.values() if lane.task is not None]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for lane in lanes.values():
            if lane.waiting is not None:
                lane.waiting.outcome.cancel()

    async def _drive(self, workload: str, lane: _Lane) -> None:
        pending: _Pending | None = None
        try:
            while (pending := lane.waiting) is not None:
                lane.waiting = None
                await self._take(pending, lane)
        except asyncio.CancelledError:
            if pending is not None and not pending.outcome.done():
                pending.outcome.cancel()
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
        failed: ActuationError | None = None
        while True:
            async with self._places:
                if self._overtaken(pending, lane, failed):
                    return
                pending.attempts += 1
                failed = await self._try(pending, verified)
            if failed is None:
                return
            if lane.waiting is None:
                pause = BACK_OFF_S[min(pending.attempts, len(BACK_OFF_S)) - 1]
                # No longer than it lives: an expiry is told when it happens.
                left_s = self._clock.wall_seconds(decision.valid_until - self._clock.now())
                await asyncio.sleep(min(max(pause, failed.retry_after_s or 0.0), max(left_s, 0.01)))

    def _overtaken(self, pending: _Pending, lane: _Lane, failed: ActuationError | None) -> bool:
        """Whether it is too late for this one; looked at with a place, which may come late."""
        decision = pending.decision
        if lane.waiting is not None:
            text = "" if failed is None else f", while: {failed}"
            text = f"by {lane.waiting.decision.id}{text}"
            self._finish(pending, Result.SUPERSEDED, "superseded", text)
        elif self._clock.now() >= decision.valid_until:
            text = f"valid until {decision.valid_until:.3f}, after {pending.attempts} attempts"
            self._finish(pending, Result.EXPIRED, "expired", text)
        return pending.outcome.done()

    async def _try(self, pending: _Pending, verified: Verified) -> ActuationError | None:
        """One attempt; returns what is worth another one, and finishes the decision otherwise."""
        try:
            await self._apply(verified)
        except (Transient, Conflict) as error:
            return error
        except ActuationError as error:
            result, advice = FINAL.get(type(error), (Result.FAILED, ""))
            self._finish(pending, result, error.code, f"{error}{advice}")
        except Exception as error:  # noqa: BLE001 - one workload's bug must not stop the others
            self._finish(pending, Result.FAILED, "internal", f"{type(error).__name__}: {error}")
        else:
            self._finish(pending, Result.APPLIED, "", "")
        return None

    async def _apply(self, verified: Verified) -> None:
        decision = verified.decision
        for ref in verified.refs:
            if ref.variant in decision.to.replicas:
                order = Order(
                    ref=ref,
                    replicas=decision.to.replicas[ref.variant],
                    epoch=decision.epoch,
                    decision=decision.id,
                    leaving=decision.to.leaving,
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

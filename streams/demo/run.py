"""The demo's run: start everything, replay, drain, check, compare.

Rule: whatever happens, what was started is stopped, in the opposite order.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from foretide_client import AsyncTelemetry

from actuators.clock import ScaledClock
from actuators.kubernetes import KubernetesActuator, connect
from lab.compare import RunResult, result_of, run_policy, static_peak
from lab.kubeapi import KubeApi
from lab.plant import Plant
from lab.policies import Hpa
from lab.traces import Arrival, open_trace
from lab.view import ViewState
from models.domain.outcome import Result
from models.grid import STEP_S, phase_of
from streams.app import Worker, build
from streams.demo import checks
from streams.demo.collect import Collected
from streams.demo.options import NAME, NAMESPACE, WORKLOAD, Options, scaler, settings
from streams.demo.service import Service
from streams.kafka.embedded import EmbeddedBroker
from streams.recorder import Recorder
from streams.roles.actuate import Actuate
from streams.roles.plan import Plan
from streams.settings import Settings

DRAIN_TRACE_S = 120.0
"""How long after the last arrival the clock goes on running fast."""

SETTLE_WALL_S = 20.0
"""How long the account may take to add up after the drain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """Newest event behind a decision to the API's answer; ``wall_ms`` in real milliseconds."""

    count: int
    p50_wall_ms: float
    p95_wall_ms: float
    p50_trace_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What a demo run found."""

    results: tuple[RunResult, ...]
    reaction: Reaction | None
    checks: tuple[checks.Check, ...]
    decisions: int
    outcomes: dict[str, int]
    events: int
    rejected: int

    @property
    def ok(self) -> bool:
        """Whether the account adds up."""
        return all(check.ok for check in self.checks)


class Demo:
    """One run.  Use ``async with``; then ``replay``, perhaps ``idle``."""

    def __init__(self, options: Options, *, say: Callable[[str], None]) -> None:
        """``say`` is told what is being done, a line at a time.  Raises ``TraceError``."""
        self.options = options
        self.arrivals: tuple[Arrival, ...] = open_trace(options.trace)
        self._say = say
        self._stack = contextlib.AsyncExitStack()
        length = self.arrivals[-1].at_s
        self.view = ViewState(
            workload=WORKLOAD,
            unit="concurrency",
            slo_s=options.parameters.slo_s,
            length_s=length,
            speed=options.speed,
        )

    async def __aenter__(self) -> Self:
        """Start the broker, the API, the worker; returns when every role is assigned."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything."""
        await self._stack.aclose()

    async def _start(self) -> None:
        options = self.options
        options.out.mkdir(parents=True, exist_ok=True)
        self._say("starting the embedded Kafka broker")
        probe = Settings()
        broker = EmbeddedBroker(topic_prefix=probe.topic_prefix)
        self._stack.callback(broker.stop)
        self.settings = settings(broker.bootstrap, options.speed)
        # Stands still until everything is up: the trace begins then.
        length = self.arrivals[-1].at_s + DRAIN_TRACE_S
        self.clock = ScaledClock(speed=options.speed, length_s=length)
        self._say("starting the Kubernetes facade")
        self.api = KubeApi(self.clock)
        await self.api.start()
        self._stack.push_async_callback(self.api.stop)
        client = await connect(self.api.kubeconfig())
        actuator = KubernetesActuator(client, clock=self.clock, resync_s=self.settings.resync_s)
        self._stack.push_async_callback(actuator.close)
        self.collected = Collected(self.view)
        self.recorder = Recorder(self.settings, options.out, self.collected.take, self._about())
        await self.recorder.start()
        self._stack.push_async_callback(self.recorder.stop)
        # After the worker has stopped: what it sent last belongs to the recording.
        self._stack.push_async_callback(self.recorder.catch_up, timeout_s=3.0)
        self._say("starting the worker: aggregate, plan, allocate, actuate")
        self.worker: Worker = build(
            self.settings,
            clock=self.clock,
            actuator=actuator,
            specs=[scaler(options.parameters)],
            check_topics=False,
        )
        self._stack.push_async_callback(self.worker.stop)
        await self.worker.start()
        await asyncio.wait_for(self.worker.ready(), timeout=60)

    async def replay(self) -> DemoResult:
        """Replay the trace, drain, check, and compare."""
        options = self.options
        length = self.arrivals[-1].at_s
        self.clock.start()
        begin = self.begin = await self._on_the_grid()
        self.plant = Plant(
            self.arrivals, options.parameters, seed=options.seed, begin=begin, name=NAME
        )
        self.api.add("Deployment", NAMESPACE, NAME, self.plant)
        telemetry = AsyncTelemetry(
            self.settings.bootstrap, workload=WORKLOAD, linger_s=0.005, clock=self.clock.now
        )
        telemetry.start()
        self.service = Service(self.plant, self.api, telemetry, self.clock)
        self.view.phase = "replaying"
        watcher = asyncio.create_task(self._watch(begin))
        failure = asyncio.create_task(self.worker.run())
        serving = asyncio.create_task(self.service.run(begin + length + 2 * DRAIN_TRACE_S))
        try:
            await asyncio.wait([serving, failure], return_when=asyncio.FIRST_COMPLETED)
            if failure.done():
                failure.result()
            await serving
            self.view.phase = "draining"
            self.plant.close()
            result = await self._settle(telemetry, begin)
        finally:
            for task in (watcher, serving, failure):
                task.cancel()
            await asyncio.gather(watcher, serving, failure, return_exceptions=True)
            await telemetry.close(timeout_s=2.0)
        return result

    async def _on_the_grid(self) -> float:
        """Wait for the next step of the learner's grid to begin, and say when that is.

        Else it is left to chance which requests of the first minutes are seen as one step, and
        with them how the first crowd is met.
        """
        now = self.clock.now()
        phase = phase_of(WORKLOAD)
        begin = phase + STEP_S * math.ceil((now - phase) / STEP_S)
        await asyncio.sleep((begin - now) / self.options.speed)
        return float(begin)

    async def _settle(self, telemetry: AsyncTelemetry, begin: float) -> DemoResult:
        """Close the account: no new events, then wait until all of them have come through."""
        self._say("draining")
        actuate = next(role for role in self.worker.roles if isinstance(role, Actuate))
        plan = next(role for role in self.worker.roles if isinstance(role, Plan))
        flushed = await telemetry.flush(timeout_s=10.0)
        actuate.replicas.silent = True
        deadline = asyncio.get_running_loop().time() + SETTLE_WALL_S
        found: list[checks.Check] = []
        while asyncio.get_running_loop().time() < deadline:
            await self.recorder.catch_up(timeout_s=2.0)
            acknowledged = telemetry.stats().sent + actuate.replicas.reported
            found = [
                checks.counted(acknowledged, sum(plan.totals().values())),
                checks.answered(self.collected.decisions, self.collected.outcomes),
                checks.applied(
                    self.collected.outcomes.values(),
                    self.plant.desired,
                    self.options.parameters.initial_replicas,
                ),
            ]
            if flushed and all(check.ok for check in found):
                break
            await asyncio.sleep(0.2)
        self._say("running the same hour under HPA and a static peak")
        options = self.options
        parameters = options.parameters
        ours = result_of("Foretide", self.plant.account, begin)
        hpa = Hpa(target=0.7, least=parameters.min_replicas, most=parameters.max_replicas)
        theirs = await asyncio.to_thread(
            run_policy, self.arrivals, parameters, hpa, seed=options.seed
        )
        static = await asyncio.to_thread(static_peak, self.arrivals, parameters, seed=options.seed)
        by_result: dict[str, int] = {}
        for outcome in self.collected.outcomes.values():
            by_result[outcome.result.value] = by_result.get(outcome.result.value, 0) + 1
        return DemoResult(
            results=(ours, theirs, static),
            reaction=self._reaction(),
            checks=tuple(found),
            decisions=len(self.collected.decisions),
            outcomes=by_result,
            events=telemetry.stats().sent + actuate.replicas.reported,
            rejected=self.recorder.counts["rejected"],
        )

    def _reaction(self) -> Reaction | None:
        """Event to patch of each applied decision, in both kinds of seconds."""
        delays = sorted(
            outcome.at - decision.inputs.cause.at
            for decision in self.collected.decisions
            if decision.inputs.cause is not None
            and (outcome := self.collected.outcomes.get(decision.id)) is not None
            and outcome.result is Result.APPLIED
        )
        if not delays:
            return None
        p50 = delays[(len(delays) - 1) // 2]
        p95 = delays[max(math.ceil(0.95 * len(delays)), 1) - 1]
        return Reaction(
            count=len(delays),
            p50_wall_ms=p50 / self.options.speed * 1e3,
            p95_wall_ms=p95 / self.options.speed * 1e3,
            p50_trace_s=p50,
        )

    async def _watch(self, begin: float) -> None:
        """Keep the view's state fresh."""
        view = self.view
        while True:
            account = self.plant.account
            now = self.clock.now()
            view.elapsed_s = max(now - begin, 0.0)
            view.served = account.served
            view.desired, view.ready = self.plant.desired, self.plant.ready
            view.starting = self.plant.starting
            recent = sorted(latency for at, latency in account.latencies[-400:] if at > now - 60)
            view.latency_p95_s = (
                recent[max(math.ceil(0.95 * len(recent)), 1) - 1] if recent else None
            )
            view.demand.append(float(self.plant.in_system))
            view.upper.append(self.collected.upper or 0.0)
            view.replicas.append(float(view.ready))
            view.latency.append(view.latency_p95_s or 0.0)
            reaction = self._reaction()
            view.event_to_patch_s = None if reaction is None else reaction.p50_wall_ms / 1e3
            await asyncio.sleep(0.5)

    def _about(self) -> dict[str, object]:
        return {
            "workload": WORKLOAD,
            "seed": self.options.seed,
            "speed": self.options.speed,
            "trace": "shipped" if self.options.trace is None else self.options.trace.name,
        }

    async def until_now(self) -> None:
        """Wait until the hour that was replayed has become the hour that has just gone by.

        Before that, telemetry of this moment would lie in the loop's future.
        """
        await self.clock.meet_the_wall()

    async def idle(self) -> None:
        """Keep the loop alive without traffic, until cancelled or a role fails."""
        actuate = next(role for role in self.worker.roles if isinstance(role, Actuate))
        actuate.replicas.silent = False
        idling = asyncio.create_task(self.service.idle())
        try:
            await self.worker.run()
        finally:
            idling.cancel()


def as_json(result: DemoResult) -> dict[str, object]:
    """The final figures as one JSON object."""
    reaction = result.reaction
    return {
        "ok": result.ok,
        "checks": [
            {"name": check.name, "ok": check.ok, "detail": check.detail} for check in result.checks
        ],
        "policies": [
            {
                "policy": run.policy,
                "served": run.served,
                "dropped": run.dropped,
                "latency_p50_s": run.latency_p50_s,
                "latency_p95_s": run.latency_p95_s,
                "violation_share": run.violation_share,
                "replica_hours": run.replica_hours,
                "peak_replicas": run.peak_replicas,
                "actions": run.actions,
            }
            for run in result.results
        ],
        "event_to_patch": None
        if reaction is None
        else {
            "n": reaction.count,
            "p50_wall_ms": reaction.p50_wall_ms,
            "p95_wall_ms": reaction.p95_wall_ms,
            "p50_trace_s": reaction.p50_trace_s,
        },
        "events": result.events,
        "decisions": result.decisions,
        "outcomes": result.outcomes,
        "rejected": result.rejected,
    }

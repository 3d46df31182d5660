"""How long from one telemetry event to the patched Deployment, on a real Kafka and Kubernetes.

Rule: each sample is one event, followed by its partition and offset into the decision that names
it as its cause, and to the API server's answer; one unmatched or negative sample fails the run.
Usage: python bench/reaction.py [--samples 200] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaProducer

from lab.servers import ControlPlane, KafkaServer, ToolsMissingError
from lab.servers.process import Process
from models.domain.outcome import Outcome, Result
from streams import codec, topics
from streams.kafka.reader import read
from streams.settings import Settings

IN_FLIGHT = 30
LIMIT_S = 10.0


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=200, help="events to follow")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    try:
        samples, unmatched = asyncio.run(_run(given.samples))
    except ToolsMissingError as error:
        sys.exit(str(error))
    delays = [sample.patched_s for sample in samples]
    bad = unmatched + sum(delay < 0 for delay in delays)
    found = {
        "n": len(delays),
        "p50_s": _quantile(delays, 0.5),
        "p95_s": _quantile(delays, 0.95),
        "p99_s": _quantile(delays, 0.99),
        "max_s": max(delays, default=None),
        "unmatched": unmatched,
        "decided_p50_s": _quantile([sample.decided_s for sample in samples], 0.5),
        "decision_to_patch_p50_s": _quantile([s.patched_s - s.decided_s for s in samples], 0.5),
    }
    if given.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:10} {value}")
    sys.exit(1 if bad or len(delays) < given.samples else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One event: seconds from sending it to the decision, and to the API server's answer."""

    decided_s: float
    patched_s: float


def _quantile(values: list[float], level: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(math.ceil(level * len(ordered)), 1) - 1]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def _run(samples: int) -> tuple[list[Sample], int]:
    folder = Path(tempfile.mkdtemp(prefix="foretide-bench-"))
    try:
        _say("starting Kafka and Kubernetes")
        with KafkaServer() as kafka, ControlPlane(pod_start_s=0.5) as plane:
            return await _measure(samples, folder, kafka, plane)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _measure(
    samples: int, folder: Path, kafka: KafkaServer, plane: ControlPlane
) -> tuple[list[Sample], int]:
    settings = Settings(bootstrap=kafka.bootstrap)
    await topics.create(settings)
    names = [f"w{number:04d}" for number in range(samples + 1)]
    _say(f"creating {len(names)} deployments")
    specs = folder / "specs.yaml"
    specs.write_text("\n---\n".join(_spec(name) for name in names))
    for name in names:
        await asyncio.to_thread(plane.create_deployment, name)
    kubeconfig = folder / "kubeconfig.json"
    kubeconfig.write_text(json.dumps(plane.kubeconfig()))
    environment = {
        "FORETIDE_BOOTSTRAP": kafka.bootstrap,
        "FORETIDE_KUBECONFIG": str(kubeconfig),
        "FORETIDE_SPECS": str(specs),
        "FORETIDE_WEB_PORT": "0",
        "FORETIDE_WEB_HOST": "127.0.0.1",
        # Repeated reports would be the newest telemetry of a workload by chance.
        "FORETIDE_RESYNC_S": "3600",
        "PYTHONPATH": str(Path.cwd()),
    }
    command = [sys.executable, "-c", "from streams.cli import main; main()", "worker"]
    worker = Process("worker", command, folder, environment)
    worker.start()
    try:
        _say("starting the worker")
        await asyncio.to_thread(
            worker.wait_until, lambda: "ready: roles" in worker.log(), limit_s=90
        )
        await asyncio.sleep(10)  # All replicas have been reported, and it is quiet.
        return await _follow(settings, names)
    except BaseException:
        _say(worker.log())
        raise
    finally:
        worker.stop(limit_s=15)


async def _follow(  # noqa: C901 - one walk, told in order
    settings: Settings, names: list[str]
) -> tuple[list[Sample], int]:
    causes: dict[tuple[int, int], str] = {}
    decided_at: dict[str, float] = {}
    outcomes: dict[str, Outcome] = {}

    async def decisions() -> None:
        async for value in read(settings, "decisions", from_start=True, follow=True):
            decision = codec.decision(value)
            if decision.inputs.cause is not None:
                cause = decision.inputs.cause
                causes[cause.source, cause.offset] = decision.id
                decided_at[decision.id] = decision.at

    async def answers() -> None:
        async for value in read(settings, "outcomes", from_start=True, follow=True):
            outcome = codec.outcome(value)
            outcomes[outcome.decision] = outcome

    followers = [asyncio.create_task(decisions()), asyncio.create_task(answers())]
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap, acks="all")
    await producer.start()
    samples: list[Sample] = []
    unmatched = 0
    try:
        _say(f"following {len(names) - 1} events, one at a time")
        for number, name in enumerate(names):
            sent_at = time.time()
            event = {
                "v": 1,
                "kind": "resource",
                "workload": f"default/{name}",
                "at": sent_at,
                "pod": "p0",
                "in_flight": IN_FLIGHT,
                "queue_depth": 0,
            }
            placed = await producer.send_and_wait(
                f"{settings.topic_prefix}telemetry",
                json.dumps(event).encode(),
                key=f"default/{name}".encode(),
            )
            event_id = (placed.partition, placed.offset)
            deadline = time.monotonic() + LIMIT_S
            outcome = None
            while outcome is None and time.monotonic() < deadline:
                await asyncio.sleep(0.005)
                outcome = outcomes.get(causes.get(event_id, ""))
            if outcome is None or outcome.result is not Result.APPLIED:
                unmatched += 1
                _say(f"{name}: event {event_id} unmatched: {outcome}")
            elif number > 0:  # The first warms connections up.
                samples.append(
                    Sample(
                        decided_s=decided_at[outcome.decision] - sent_at,
                        patched_s=outcome.wall_at - sent_at,
                    )
                )
            await asyncio.sleep(0.05)
    finally:
        await producer.stop()
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
    return samples, unmatched


def _spec(name: str) -> str:
    return json.dumps(
        {
            "apiVersion": "foretide.dev/v1alpha1",
            "kind": "AgentScaler",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "target": {"kind": "Deployment", "name": name},
                "demand": {"unit": "concurrency", "perReplica": 4},
            },
        }
    )


if __name__ == "__main__":
    main()

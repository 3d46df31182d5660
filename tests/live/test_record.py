"""What ran on a real Kafka, recorded and replayed: the same decisions, byte for byte."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from lab.servers import KafkaServer
from tests.live import ledger, stack

MAIN = [sys.executable, "-c", "from streams.cli import main; main()"]


async def foretide(worker: stack.WorkerProcess, *command: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [*MAIN, *command],
        env=worker.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_recorded_from_kafka_and_replayed(kafka: KafkaServer, tmp_path: Path) -> None:
    settings = stack.fresh_settings(kafka.bootstrap)
    await stack.make_topics(settings)
    specs = tmp_path / "specs.yaml"
    specs.write_text(stack.scaler("swings", demand={"unit": "requests", "perReplica": 1}))
    worker = stack.WorkerProcess(
        settings, folder=tmp_path, plane=None, specs=specs, roles="aggregate,plan,allocate,actuate"
    )
    worker.start()
    try:
        await stack.until(worker.ready)
        async with ledger.traffic(settings) as traffic:
            for number in range(60):
                await traffic.request("default/swings", number % 4, time.time(), latency_s=0.1)
                await asyncio.sleep(0.05)
        for _ in range(100):
            if await stack.records(settings, "decisions"):
                break
            await asyncio.sleep(0.2)
    finally:
        worker.stop()
    folder = str(tmp_path / "recording")
    done = await foretide(worker, "record", "--to", folder, "--no-follow")
    assert done.returncode == 0, done.stderr
    done = await foretide(worker, "replay", "--from", folder, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["identical"]
    assert found["recorded"] == len(await stack.records(settings, "decisions")) > 0
    done = await foretide(worker, "record", "--to", folder, "--no-follow")
    assert done.returncode == 1
    assert "has a recording already" in done.stderr

"""One workload with nine events of ten, spread over all partitions: two workers share it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab.servers import KafkaServer
from tests.live import ledger, stack

EVENTS = 40_000


@pytest.mark.timeout(120)
async def test_a_hot_workload_is_shared_by_two_workers_and_its_total_is_exact(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    settings = stack.fresh_settings(kafka.bootstrap)
    await stack.make_topics(settings)
    workers = [
        stack.WorkerProcess(
            settings, folder=tmp_path / str(number), plane=None, specs=None, roles="aggregate"
        )
        for number in range(2)
    ]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            await stack.until(worker.ready)
        await stack.until(
            lambda: all(len(w.metric("foretide_lag_records")) == 2 for w in workers),
            what="each worker owns two of four partitions",
        )
        async with ledger.traffic(settings) as traffic:
            for number in range(EVENTS):
                hot = number % 10
                name = "default/hot" if hot else f"default/cold{number % 70 // 10}"
                await traffic.request(name, number // 10 % 4, time.time(), latency_s=0.1)
        found = await ledger.counted(settings, traffic.sent, limit_s=30)
        assert found == traffic.sent
        assert found["default/hot"] == EVENTS * 9 // 10
        folded = [worker.metric("foretide_events_total")[""] for worker in workers]
        assert sum(folded) == EVENTS
        assert min(folded) > 0.4 * EVENTS
        # And one load partition holds its whole total, though four sources told of it.
        loads = await ledger.rows(settings, "load")
        merges = ledger.merged(loads, settings.lateness_s)
        holders = [merge for merge in merges.values() if "default/hot" in merge.totals()]
        assert len(holders) == 1
    finally:
        for worker in workers:
            worker.stop()

"""The least a Python consumer can do: aiokafka, orjson, a dict; nothing checked, nothing produced.

Arguments: bootstrap, prefix, group, events, max_records, fetch_bytes, limit_s.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import span
from aiokafka import AIOKafkaConsumer


async def _run(given: dict[str, Any]) -> None:
    consumer = AIOKafkaConsumer(
        given["prefix"] + "telemetry",
        bootstrap_servers=given["bootstrap"],
        group_id=given["group"],
        auto_offset_reset="earliest",
        auto_commit_interval_ms=1000,
        max_partition_fetch_bytes=given["fetch_bytes"],
    )
    await consumer.start()
    events, limit, max_records = 0, given["events"], given["max_records"]
    loads: dict[tuple[str, int], list[float]] = {}
    begin = None
    try:
        while events < limit:
            called = span.mark() if begin is None else begin
            fetched = await consumer.getmany(timeout_ms=1000, max_records=max_records)
            if not fetched:
                continue
            begin = called
            for records in fetched.values():
                for record in records:
                    event = orjson.loads(record.value)
                    key = event["workload"], int(event["at"])
                    load = loads.get(key)
                    if load is None:
                        load = loads[key] = [0, 0.0, 0]
                    load[0] += 1
                    load[1] += event["latency_s"]
                    load[2] += event["tokens_in"] + event["tokens_out"]
                events += len(records)
        end = span.mark()
        assert begin is not None  # noqa: S101 - the loop was entered
        assert sum(load[0] for load in loads.values()) == events  # noqa: S101 - or it is no contender
    finally:
        await consumer.stop()
    span.report(begin, end, events=events, packages=("aiokafka", "orjson"))


if __name__ == "__main__":
    asyncio.run(_run(span.arguments()))

"""Faust as its own guide has it: a Record, an agent, one event at a time; a dict in memory.

Arguments: bootstrap, prefix, group, events (after so many it stops), limit_s.
"""

from __future__ import annotations

import asyncio
from typing import Any

import faust
import span


class Request(faust.Record, serializer="json"):
    """One event."""

    v: int
    kind: str
    workload: str
    at: float
    latency_s: float
    tokens_in: int
    tokens_out: int
    status: str


async def _run(given: dict[str, Any]) -> None:
    app = faust.App(
        given["group"],
        broker=f"kafka://{given['bootstrap']}",
        env_prefix="BENCH_FAUST_",
        store="memory://",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        loghandlers=[],
        logging_config=None,
    )
    topic = app.topic(given["prefix"] + "telemetry", value_type=Request)
    loads: dict[tuple[str, int], list[float]] = {}
    marks: list[span.Mark] = []
    done = asyncio.Event()
    limit = given["events"]

    @app.agent(topic)
    async def fold(stream: Any) -> None:  # noqa: ANN401 - Faust has no types
        events = 0
        async for event in stream:
            if not marks:
                marks.append(span.mark())
            load = loads.setdefault((event.workload, int(event.at)), [0, 0.0, 0])
            load[0] += 1
            load[1] += event.latency_s
            load[2] += event.tokens_in + event.tokens_out
            events += 1
            if events == limit:
                marks.append(span.mark())
                done.set()

    app.finalize()
    await app.start()
    await done.wait()
    span.report(*marks, events=limit, packages=("faust-streaming", "aiokafka"))
    await app.stop()


if __name__ == "__main__":
    asyncio.run(_run(span.arguments()))

"""bytewax as its own guide has it: its Kafka source, a stateless flat map an event, a dict.

Arguments: bootstrap, prefix, events (after so many it stops), limit_s.
"""

from __future__ import annotations

import os
from typing import Any

import bytewax.operators as op  # type: ignore[import-not-found]
import orjson
import span
from bytewax.connectors.kafka import KafkaSource  # type: ignore[import-not-found]
from bytewax.connectors.stdio import StdOutSink  # type: ignore[import-not-found]
from bytewax.dataflow import Dataflow  # type: ignore[import-not-found]
from bytewax.run import cli_main  # type: ignore[import-not-found]


def _run(given: dict[str, Any]) -> None:
    loads: dict[tuple[str, int], list[float]] = {}
    begin: span.Mark | None = None
    events, limit = 0, given["events"]

    def fold(message: Any) -> tuple[()]:  # noqa: ANN401 - bytewax is not installed where types are checked
        nonlocal begin, events
        if begin is None:
            begin = span.mark()
        event = orjson.loads(message.value)
        load = loads.setdefault((event["workload"], int(event["at"])), [0, 0.0, 0])
        load[0] += 1
        load[1] += event["latency_s"]
        load[2] += event["tokens_in"] + event["tokens_out"]
        events += 1
        if events == limit:
            span.report(begin, span.mark(), events=limit, packages=("bytewax",))
            os._exit(0)  # A dataflow ends with its source, and not before.
        return ()

    flow = Dataflow("throughput")
    source = KafkaSource([given["bootstrap"]], [given["prefix"] + "telemetry"], tail=False)
    folded = op.flat_map("fold", op.input("telemetry", flow, source), fold)
    op.output("nothing", folded, StdOutSink())
    cli_main(flow)


if __name__ == "__main__":
    _run(span.arguments())

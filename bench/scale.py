"""How many workloads one worker can carry: decisions' lag, CPU, and memory, by their number.

Rule: every run has a real Kafka and a worker process of its own, with all roles; what a workload
takes of memory is measured on the core's own objects after more than an hour of its events.
Usage: python bench/scale.py [--workloads 10000] [--until-it-breaks] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import signal
import sys
from typing import Any

from scale_run import Run, run, say

from lab.servers import ToolsMissingError

BROKEN_S = 1.0
"""A p99 above this, and one worker carries no more."""


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--workloads", type=int, nargs="+", default=[100, 1_000, 10_000], help="how many"
    )
    parser.add_argument("--seconds", type=int, default=60, help="how long to measure")
    parser.add_argument("--warm", type=int, default=45, help="how long to run before that")
    parser.add_argument(
        "--until-it-breaks", action="store_true", help="then twice as many, until p99 is over 1 s"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows: list[dict[str, Any]] = []
    try:
        for workloads in given.workloads:
            rows.append(_row(asyncio.run(run(workloads, warm_s=given.warm, seconds=given.seconds))))
            say(json.dumps(rows[-1]))
    except ToolsMissingError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(rows))


def _row(found: Run) -> dict[str, Any]:
    seen = found.seen
    every = [*seen.caused, *seen.timed]
    return {
        "workloads": found.workloads,
        "decisions": len(every),
        "decision_lag_p50_s": _quantile(seen.caused, 0.5),
        "decision_lag_p99_s": _quantile(seen.caused, 0.99),
        "caused": len(seen.caused),
        "timed": len(seen.timed),
        "timed_p50_s": _quantile(seen.timed, 0.5),
        "timed_p99_s": _quantile(seen.timed, 0.99),
        "all_lag_p99_s": _quantile(every, 0.99),
        "cpu_ratio": round(found.worker_cpu, 3),
        "kafka_cpu_ratio": round(found.kafka_cpu, 3),
        "bench_cpu_ratio": round(found.bench_cpu, 3),
        "machine_cpu_ratio": round(found.machine_cpu, 3),
        "worker_rss_bytes": found.rss_bytes,
        "ready_s": round(found.ready_s, 1),
        "events_per_s": round(found.sent / found.seconds, 1),
        "sent_late_s": round(found.sent_late_s, 3),
    }


def _quantile(values: list[float], level: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(math.ceil(level * len(ordered)), 1) - 1], 4)


if __name__ == "__main__":
    main()

"""How many workloads one worker carries: the lag of its decisions, its CPU, its memory.

Rule: every run has a Kafka and a worker process of its own, with all roles and the actuator in
memory; what a workload takes of memory is measured apart (scale_state.py), after an hour of loads.
Usage: python bench/scale.py [--workloads 10000 ...] [--until-it-breaks] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from scale_run import ROOT, Run, run, say

from lab.servers import ToolsMissingError
from lab.servers.process import ServerError

BROKEN_S = 1.0
"""A p99 above this, and one worker carries no more."""

STATE_S = 300
"""The longest that measuring the state may take."""


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, nargs="+", default=[10_000], help="how many")
    parser.add_argument("--seconds", type=int, default=45, help="how long to measure")
    parser.add_argument("--warm", type=int, default=45, help="how long to run before that")
    parser.add_argument(
        "--until-it-breaks", action="store_true", help="go on with twice as many, until p99 > 1 s"
    )
    parser.add_argument("--no-state", action="store_true", help="do not measure the state")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    if min(given.workloads) < 1 or given.seconds < 1 or given.warm < 1:
        parser.error("numbers must be 1 or more")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        state = {} if given.no_state else _state()
        rows = _runs(given)
    except (ToolsMissingError, ServerError, TimeoutError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    found = {**rows[len(given.workloads) - 1], **state, "runs": rows}
    if given.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:26} {value}")


def _state() -> dict[str, Any]:
    """In a process of its own, so that nothing else is counted."""
    say("measuring the state of a workload, after more than an hour of loads")
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, str(Path(__file__).with_name("scale_state.py"))],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=STATE_S,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    say(json.dumps(found))
    return found


def _runs(given: argparse.Namespace) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def measure(workloads: int) -> dict[str, Any]:
        row = _row(asyncio.run(run(workloads, warm_s=given.warm, seconds=given.seconds)))
        rows.append(row)
        say(json.dumps(row))
        return row

    for workloads in given.workloads:
        row = measure(workloads)
    while given.until_it_breaks and not row["broken"]:
        row = measure(row["workloads"] * 2)
    return rows


def _row(found: Run) -> dict[str, Any]:
    caused, timed = found.seen.caused, found.seen.timed
    p99_s = _quantile(caused, 0.99)
    return {
        "workloads": found.workloads,
        "decisions": len(caused) + len(timed),
        "decisions_caused": len(caused),
        "decision_lag_p50_s": _quantile(caused, 0.5),
        "decision_lag_p99_s": p99_s,
        "all_lag_p50_s": _quantile([*caused, *timed], 0.5),
        "all_lag_p99_s": _quantile([*caused, *timed], 0.99),
        "broken": p99_s is None or p99_s > BROKEN_S,
        "cpu_ratio": round(found.worker_cpu, 3),
        "kafka_cpu_ratio": round(found.kafka_cpu, 3),
        "bench_cpu_ratio": round(found.bench_cpu, 3),
        "other_cpu_ratio": round(
            found.machine_cpu - found.worker_cpu - found.kafka_cpu - found.bench_cpu, 3
        ),
        "worker_rss_bytes": found.rss_bytes,
        "ready_s": round(found.ready_s, 1),
        "events_per_s": round(found.sent / found.seconds, 1),
        "sent_late_s": round(found.sent_late_s, 3),
        "seconds": round(found.seconds, 1),
    }


def _quantile(values: list[float], level: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(math.ceil(level * len(ordered)), 1) - 1], 4)


if __name__ == "__main__":
    main()

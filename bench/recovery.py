"""Takeover of plan: a worker of two is killed, until every workload's decisions have resumed.

Rule: session timeout and snapshot interval are the product's defaults; the recorded step log is
then run through one uninterrupted fleet, and every decision must be the same, byte for byte.
Usage: python bench/recovery.py [--workloads 1000] [--kills 1] [--pauses 0] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import signal
import sys

from recovery.run import Options, run

from lab.servers import ToolsMissingError
from streams.settings import Settings


def main() -> None:
    """Run the bench; 1 when decisions did not resume, or are not those of the replay."""
    usual = Settings()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=1, help="kill -9, one after the other")
    parser.add_argument("--pauses", type=int, default=0, help="SIGSTOP beyond the session, SIGCONT")
    parser.add_argument("--session-timeout-s", type=float, default=usual.session_timeout_s)
    parser.add_argument("--snapshot-interval-s", type=float, default=usual.snapshot_interval_s)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = Options(
        workloads=given.workloads,
        kills=given.kills,
        pauses=given.pauses,
        session_timeout_s=given.session_timeout_s,
        snapshot_interval_s=given.snapshot_interval_s,
    )
    try:
        report = asyncio.run(run(options))
    except ToolsMissingError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    found = dataclasses.asdict(report)
    if given.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:22} {value}")
    sys.exit(0 if report.ok else 1)


if __name__ == "__main__":
    main()

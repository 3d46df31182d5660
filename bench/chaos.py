"""Totals under failure: workers die, stall, come and go, the broker restarts, partials come twice.

Rule: what is counted is what the broker acknowledged, event for event, or the run fails; the same
seed does the same things, though not at the same places of the log.
Usage: python bench/chaos.py [--seed 1] [--minutes 15] [--rate 600] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import signal
import sys

from chaos.run import run

from lab.servers import ToolsMissingError


def main() -> None:
    """Run the harness; 1 when anything is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of traffic and disturbances")
    parser.add_argument("--minutes", type=float, default=15.0, help="how long to disturb")
    parser.add_argument("--rate", type=float, default=600.0, help="events per second, about")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        report, folder = asyncio.run(
            run(seed=given.seed, minutes=given.minutes, rate_per_s=given.rate)
        )
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
    if folder is not None:
        print(f"not exact: see {folder}", file=sys.stderr)
    sys.exit(0 if report.exact else 1)


if __name__ == "__main__":
    main()

"""How long from one telemetry event to the patched Deployment, on a real Kafka and Kubernetes.

Rule: each sample is one event, followed by its partition and offset into the load that counts it,
the decision that names it as its cause, and the API server's answer; one unmatched or negative
sample fails the run.  First with nothing else to do, then beside traffic of half of what the same
worker was just seen to take in, both with one event a message.
Usage: python bench/reaction.py [--samples 200] [--idle-only] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import signal
import sys
from typing import Any

from reaction_follow import HOPS, Sample
from reaction_run import Found, Phase, run

from lab.servers import ToolsMissingError


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=200, help="events to follow in each part")
    parser.add_argument("--idle-only", action="store_true", help="without the part under load")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        found = asyncio.run(run(given.samples, loaded=not given.idle_only))
    except ToolsMissingError as error:
        sys.exit(str(error))
    told = _told(found)
    if given.json:
        print(json.dumps(told))
    else:
        _print(told)
    phases = [found.idle] if found.loaded is None else [found.idle, found.loaded]
    sys.exit(0 if all(_whole(phase, given.samples) for phase in phases) else 1)


def _whole(phase: Phase, samples: int) -> bool:
    negative = any(sample.patched_s < 0 for sample in phase.samples)
    return not negative and not phase.unmatched and len(phase.samples) == samples


def _told(found: Found) -> dict[str, Any]:
    told = _phase(found.idle)
    if found.loaded is not None:
        told["loaded"] = {
            "capacity_events_per_s": found.capacity,
            "events_per_s": found.rate,
            **_phase(found.loaded),
        }
    return told


def _phase(phase: Phase) -> dict[str, Any]:
    delays = [sample.patched_s for sample in phase.samples]
    return {
        "n": len(delays),
        **{f"p{round(level * 100)}_s": _quantile(delays, level) for level in (0.5, 0.95, 0.99)},
        "max_s": _quantile(delays, 1.0),
        "unmatched": phase.unmatched,
        "hops": _hops(phase.samples),
    }


def _hops(samples: list[Sample]) -> dict[str, dict[str, float | None]]:
    """Of each hop its quantiles, and its share of all the time that all samples took."""
    whole = sum(sample.patched_s for sample in samples)
    found = {}
    for hop in HOPS:
        took = [sample.hop_s(hop) for sample in samples]
        found[hop] = {
            "p50_s": _quantile(took, 0.5),
            "p99_s": _quantile(took, 0.99),
            "share": round(sum(took) / whole, 3) if whole else None,
        }
    return found


def _quantile(values: list[float], level: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(math.ceil(level * len(ordered)), 1) - 1], 4)


def _print(told: dict[str, Any], indent: str = "") -> None:
    for name, value in told.items():
        if isinstance(value, dict):
            print(f"{indent}{name}")
            _print(value, indent + "  ")
        else:
            print(f"{indent}{name:22} {value}")


if __name__ == "__main__":
    main()

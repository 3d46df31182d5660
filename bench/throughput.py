"""How many events a second one aggregate process takes in, beside other ways to do it in Python.

Rule: all contenders read the very same topic of a real Kafka, in turn, each in a process of its
own; Foretide's loads must add up to the events exactly, or the bench fails.
Usage: python bench/throughput.py [--events 2000000] [--runs 5] [--only PART ...] [--json]
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from throughput_fill import Filled, FillError, counted, fill, say
from throughput_growth import growth
from throughput_run import ContenderError, Run, other_python, race

from lab.servers import KafkaServer, ToolsMissingError
from lab.servers.tools import kafka_classpath
from streams.settings import Settings

FEW = 3
"""Runs of a row of growth, at most."""

PARTS = "throughput", "batched", "growth"
"""One event a message, beside the others; a hundred a message; what the rate depends on."""

TOGETHER = 100
"""Events of one message of the batched topic."""

MAX_RECORDS = 2000, 5000
"""What the bare consumer asks for at a time; the better one counts."""

SLOWER = {"faust": ("plain_faust", 100_000), "quix": ("quix_streams", 300_000)}
SLOWER["bytewax"] = "bytewax_flow", 300_000
"""Contender -> its file, and after how many events it stops: a rate needs no more."""

OURS = ("faust",)
"""Of those, the ones that run in Foretide's own environment."""


class WrongError(Exception):
    """Loads do not add up to the events."""


@dataclass(slots=True)
class Results:
    """Runs by contender, and why one has none."""

    runs: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))
    missing: dict[str, str] = field(default_factory=dict)

    def rate(self, name: str) -> float | None:
        """Median events a second by the wall."""
        found = self.runs.get(name)
        return statistics.median(run.events_per_s for run in found) if found else None

    def cpu_s(self, name: str) -> float:
        """Median CPU seconds."""
        return statistics.median(run.cpu_s for run in self.runs[name])

    def versions(self) -> dict[str, str]:
        """Of everything that ran."""
        found = {"kafka": _kafka_version()}
        for runs in self.runs.values():
            found |= runs[0].versions
        return dict(sorted(found.items()))


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000, help="events of a topic")
    parser.add_argument("--runs", type=int, default=5, help="runs of each contender")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part (repeatable)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    if given.events < TOGETHER or given.runs < 1:
        parser.error(f"--events must be {TOGETHER} or more, --runs 1 or more")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        found = _measure(given.events, given.runs, given.only or PARTS)
    except (ToolsMissingError, FillError, ContenderError, WrongError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    if given.json:
        print(json.dumps(found))
    else:
        _table(found)


def _measure(events: int, runs: int, parts: Sequence[str]) -> dict[str, Any]:
    results, rows = Results(), []
    found: dict[str, Any] = {}
    say("starting Kafka")
    with KafkaServer() as kafka:
        if "throughput" in parts:
            topic = fill(Settings(bootstrap=kafka.bootstrap, topic_prefix="one."), events=events)
            python = _python(results)
            for number in range(runs):
                say(f"run {number + 1} of {runs}")
                _closely(topic, results)
                if number == 0:
                    _exact(topic)
                _others(topic, python, results)
            _exact(topic)  # Every run sent the same partials again: they must not count again.
            found |= _compared(results, topic)
        if "batched" in parts:
            settings = Settings(bootstrap=kafka.bootstrap, topic_prefix="many.")
            topic = fill(settings, events=events, together=TOGETHER)
            results.runs["batched"] = [race("foretide", topic) for _ in range(runs)]
            _exact(topic)
            found |= _batched(results)
        if "growth" in parts:
            rows = growth(kafka.bootstrap, events=events, runs=min(runs, FEW))
    return found | {
        "missing": results.missing,
        "versions": results.versions(),
        "runs": {
            name: [
                {"events_per_s": run.events_per_s, "cpu_s": run.cpu_s, "events": run.events}
                for run in every
            ]
            for name, every in results.runs.items()
        },
        "growth": rows,
    }


def _closely(topic: Filled, results: Results) -> None:
    results.runs["foretide"].append(race("foretide", topic))
    for most in MAX_RECORDS:
        run = race("bare", topic, max_records=most, fetch_bytes=4 * 1024 * 1024)
        results.runs[f"bare_{most}"].append(run)


def _others(topic: Filled, python: str | None, results: Results) -> None:
    for name, (file, enough) in SLOWER.items():
        where = sys.executable if name in OURS else python
        if where is None or name in results.missing:
            continue
        try:
            run = race(file, topic, python=where, events=min(topic.events, enough))
        except ContenderError as error:
            results.missing[name] = str(error)
            say(str(error))
        else:
            results.runs[name].append(run)


def _python(results: Results) -> str | None:
    try:
        return other_python()
    except ContenderError as error:
        say(str(error))
        results.missing |= {name: str(error) for name in SLOWER if name not in OURS}
        return None


def _exact(topic: Filled) -> None:
    """Raises ``WrongError`` unless the loads are the events."""
    total = counted(topic.settings)
    say(f"  {topic.settings.topic_prefix}load: {total:,} of {topic.events:,} events")
    if total != topic.events:
        raise WrongError(f"{total} events in the loads of {topic.events}")


def _compared(results: Results, topic: Filled) -> dict[str, Any]:
    bares = {most: results.rate(f"bare_{most}") or 0.0 for most in MAX_RECORDS}
    best = max(bares, key=lambda most: bares[most])
    foretide = results.rate("foretide") or 0.0
    rates = {name: results.rate(name) for name in SLOWER}
    return {
        "foretide_events_per_s": foretide,
        "bare_events_per_s": bares[best],
        "ratio": foretide / bares[best],
        "foretide_cpu_s": results.cpu_s("foretide"),
        "bare_cpu_s": results.cpu_s(f"bare_{best}"),
        "bare_max_records": best,
        **{f"{name}_events_per_s": rate for name, rate in rates.items()},
        **{f"ratio_to_{name}": foretide / rate for name, rate in rates.items() if rate},
        "events": topic.events,
        "event_bytes": topic.event_bytes,
    }


def _batched(results: Results) -> dict[str, Any]:
    """Per CPU second, which is per core, and by the wall."""
    batched = results.runs["batched"]
    return {
        "batched_events_per_s": statistics.median(run.events / run.cpu_s for run in batched),
        "batched_events_per_s_wall": results.rate("batched"),
    }


def _kafka_version() -> str:
    """From the name of its clients' jar."""
    jars = Path(kafka_classpath().removesuffix("*")).glob("kafka-clients-*.jar")
    return next(jars).stem.removeprefix("kafka-clients-")


def _table(found: dict[str, Any]) -> None:
    for name, value in found.items():
        if isinstance(value, float):
            print(f"{name:26} {value:>14,.2f}")
        elif not isinstance(value, (dict, list)):
            print(f"{name:26} {value!s:>14}")
    print("versions  " + ", ".join(f"{name} {said}" for name, said in found["versions"].items()))
    for name, reason in found["missing"].items():
        print(f"{name} is missing: {reason.splitlines()[0]}")
    if found["growth"]:
        print("\npartitions processes workloads bytes     events/s   CPU s  what")
    for row in found["growth"]:
        print(
            f"{row['partitions']:10} {row['processes']:9} {row['workloads']:9,}"
            f" {row['event_bytes']:5,} {row['events_per_s']:12,.0f} {row['cpu_s']:7.2f}"
            f"  {row['what']}"
        )


if __name__ == "__main__":
    main()

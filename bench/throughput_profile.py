"""Where aggregate's time goes: one-event messages, read and folded under cProfile, stage by stage.

Rule: each thread has a profile of its own; a stage is the cumulative time of one function that
works on whole batches, so that what the profiler itself costs stays small beside it.
Usage: python bench/throughput_profile.py [--events 2000000] [--together 1] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import sys
import threading
from pathlib import Path
from typing import Any

from throughput_fill import Filled, fill, say

sys.path.insert(0, str(Path(__file__).with_name("contenders")))

import foretide

from lab.servers import KafkaServer, ToolsMissingError
from streams.app import build, settle_in
from streams.settings import Settings

LIMIT_S = 300.0

STAGES = {
    "fetch: parse wire batches (aiokafka, bulk)": ("aiokafka/consumer/fetcher.py", "getall"),
    "decode: scan into columns, validate": ("streams/telemetry.py", "decode"),
    "fold: groups, sums, sketches": ("models/blocks.py", "fold"),
    "drain: partials out of the sums": ("models/blocks.py", "drain"),
    "encode: partials to JSON, in messages": ("streams/bundles.py", "bundles"),
    "send: hand over to the producer": ("streams/kafka/outbox.py", "send"),
}
"""By stage the function whose cumulative time it is."""


def main() -> None:
    """Run the profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--together", type=int, default=1, help="events of a message")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    try:
        with KafkaServer() as kafka:
            settings = Settings(bootstrap=kafka.bootstrap, topic_prefix="profile.")
            topic = fill(settings, events=given.events, together=given.together)
            found = _profiled(topic)
    except ToolsMissingError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    if given.json:
        print(json.dumps(found))
        return
    for name, value in found["stages"].items():
        print(f"{name:44} {value['seconds']:6.2f} s {value['us_per_event']:6.3f} µs an event")


def _profiled(topic: Filled) -> dict[str, Any]:
    profiles: list[cProfile.Profile] = []

    def begin(*_: object) -> None:
        """In each thread that is started from now on, once."""
        threading.setprofile(None)
        sys.setprofile(None)
        profile = cProfile.Profile()
        profiles.append(profile)
        threading.setprofile(begin)
        profile.enable()

    threading.setprofile(begin)
    main_thread = cProfile.Profile()
    profiles.append(main_thread)
    main_thread.enable()
    try:
        asyncio.run(asyncio.wait_for(_run(topic), LIMIT_S))
    finally:
        main_thread.disable()
        threading.setprofile(None)
    stages = {}
    for stage, (file, name) in STAGES.items():
        seconds = sum(_cumulative(profile, file, name) for profile in profiles)
        stages[stage] = {
            "seconds": round(seconds, 3),
            "us_per_event": round(seconds / topic.events * 1e6, 4),
        }
    return {"events": topic.events, "messages": topic.messages, "stages": stages}


def _cumulative(profile: cProfile.Profile, file: str, name: str) -> float:
    stats: dict[Any, Any] = getattr(pstats.Stats(profile), "stats")  # noqa: B009 - not in typeshed
    return sum(
        row[3]
        for (path, _, function), row in stats.items()
        if function == name and path.endswith(file)
    )


async def _run(topic: Filled) -> None:
    gun = foretide.Gun(len(topic.ends))
    settings = topic.settings.model_copy(
        update={"roles": ("aggregate",), "web_host": "127.0.0.1", "web_port": 0}
    )
    worker = build(settings)
    settle_in()
    await worker.start()
    try:
        await foretide._through(worker, gun, topic.ends)  # noqa: SLF001 - the bench's own
        say(f"  {topic.events:,} events folded")
    finally:
        await worker.stop()


if __name__ == "__main__":
    main()

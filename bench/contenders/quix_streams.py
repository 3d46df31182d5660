"""quix-streams as its own guide has it: a streaming data frame, an update an event, a dict.

Arguments: bootstrap, prefix, group, events (after so many it stops), limit_s.
"""

from __future__ import annotations

import tempfile
from typing import Any

import span
from quixstreams import Application  # type: ignore[import-not-found]


def _run(given: dict[str, Any], folder: str) -> None:
    app = Application(
        broker_address=given["bootstrap"],
        consumer_group=given["group"],
        auto_offset_reset="earliest",
        commit_interval=1.0,
        auto_create_topics=False,
        state_dir=folder,
        loglevel="WARNING",
    )
    loads: dict[tuple[str, int], list[float]] = {}
    marks: list[span.Mark] = []
    events, limit = 0, given["events"]

    def fold(event: dict[str, Any]) -> None:
        nonlocal events
        if not marks:
            marks.append(span.mark())
        load = loads.setdefault((event["workload"], int(event["at"])), [0, 0.0, 0])
        load[0] += 1
        load[1] += event["latency_s"]
        load[2] += event["tokens_in"] + event["tokens_out"]
        events += 1
        if events == limit:
            marks.append(span.mark())
            app.stop()

    frame = app.dataframe(app.topic(given["prefix"] + "telemetry", value_deserializer="json"))
    frame.update(fold)
    app.run()
    span.report(*marks, events=limit, packages=("quixstreams",))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as state:
        _run(span.arguments(), state)

"""``foretide publish``: telemetry from a file, stdin or a trace, as it is.

Rule: lines go out unvalidated, because the pipeline's own validation is what refuses them; only
what Kafka could not take is refused here, with its line and size.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from streams.cli import broker, options

if TYPE_CHECKING:
    from lab.traces import Arrival
    from streams.settings import Settings

MAX_LINE_BYTES = 900_000
"""Below the broker's usual limit of 1 MB, headers included."""

CHUNK_BYTES = 256 * 1024

PROGRESS_EVERY = 500


@click.command("publish")
@click.argument(
    "source", default="-", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@options.bootstrap
@click.option(
    "--trace",
    is_flag=True,
    help="SOURCE is a trace of requests, as for the demo: publish starts and ends as they came.",
)
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=options.Number(0.01, 1000),
    metavar="X",
    help="With --trace: how many times as fast as it was.",
)
@click.option(
    "--workload",
    default="prod/support-bot",
    show_default=True,
    metavar="NAMESPACE/NAME",
    help="With --trace: whose requests they are.",
)
@click.option(
    "--keep-times",
    is_flag=True,
    help="Leave `at` (Unix seconds) as it is instead of re-basing to now.",
)
def command(
    *,
    source: str,
    bootstrap: str | None,
    trace: bool,
    speed: float,
    workload: str,
    keep_times: bool,
) -> None:
    """Publish telemetry: SOURCE is a file of JSON lines, or - (the default) for stdin.

    Lines go out as they are, at once; times are re-based so that the first readable `at` is now,
    and the rest keep their distance. A trace goes out in its own time, stamped with now.

    \b
    Examples:
      foretide publish events.jsonl
      cat events.jsonl | foretide publish -
      foretide publish --trace mine.csv --workload prod/chat
    """
    settings = options.settings(bootstrap=bootstrap)
    try:
        if trace:
            counts = broker.run(settings, _replay(settings, _of_trace(source, workload), speed))
        else:
            with click.open_file(source, "rb") as file:
                counts = broker.run(
                    settings, _publish(settings, _lines(file), rebase=not keep_times)
                )
    except BrokenPipeError:
        raise  # Whoever read our output has gone.
    except OSError as error:
        raise click.ClickException(str(error)) from error
    sent, refused = counts
    click.echo(
        f"{sent} messages acknowledged, {refused} refused here as too large; "
        "what is no telemetry shows in: foretide tail rejected",
        err=True,
    )
    sys.exit(1 if refused else 0)


async def _lines(file: IO[bytes]) -> AsyncIterator[list[tuple[int, bytes]]]:
    """Lines with their numbers, as many at a time as are there; waits for more in a thread."""
    read: Callable[[int], bytes] = getattr(file, "read1", file.read)  # What has come of a pipe.
    number, rest = 0, b""
    while chunk := await asyncio.to_thread(read, CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        yield [(number + place, line.rstrip(b"\r")) for place, line in enumerate(lines, start=1)]
        number += len(lines)
    if rest:
        yield [(number + 1, rest.rstrip(b"\r"))]


def _of_trace(source: str, workload: str) -> Iterator[tuple[float, dict[str, object]]]:
    """(seconds since the begin, event) of each request's start and end, in order.

    The file is read at once, so that a fault of it is told before Kafka is looked for.
    """
    from lab.traces import TraceError, open_trace  # noqa: PLC0415 - heavy

    if source == "-":
        raise click.UsageError("--trace reads a file: give it as SOURCE, stdin cannot be one")
    try:
        arrivals = open_trace(Path(source))
    except TraceError as error:
        raise click.ClickException(str(error)) from error
    return _events(arrivals, workload)


def _events(
    arrivals: Iterable[Arrival], workload: str
) -> Iterator[tuple[float, dict[str, object]]]:
    """A trace knows when requests came and how long they were in tokens, not how long they took.

    The nominal service time of the demo's fleet stands in for that.
    """
    from lab.plant import PlantParameters  # noqa: PLC0415 - heavy

    parameters = PlantParameters()
    ends: list[tuple[float, int, dict[str, object]]] = []
    for number, arrival in enumerate(arrivals):
        while ends and ends[0][0] <= arrival.at_s:
            at, _, event = heapq.heappop(ends)
            yield at, event
        tokens = {"tokens_in": arrival.tokens_in}
        head = {"v": 1, "kind": "request", "workload": workload}
        yield arrival.at_s, {**head, "phase": "started", **tokens}
        latency_s = parameters.service_s(arrival.tokens_in, arrival.tokens_out)
        finished = {**head, "latency_s": latency_s, "tokens_out": arrival.tokens_out, **tokens}
        heapq.heappush(ends, (arrival.at_s + latency_s, number, finished))
    while ends:
        at, _, event = heapq.heappop(ends)
        yield at, event


async def _replay(
    settings: Settings, events: Iterator[tuple[float, dict[str, object]]], speed: float
) -> tuple[int, int]:
    """Publish each event when its time has come, ``speed`` times as fast as it was."""
    from streams.kafka.outbox import Outbox, acknowledged  # noqa: PLC0415 - heavy

    outbox = Outbox(settings)
    await outbox.start()
    began, sent = time.monotonic(), 0
    try:
        for due_s, event in events:
            wait = due_s / speed - (time.monotonic() - began)
            if wait > 0:
                await asyncio.sleep(wait)
            value = json.dumps({**event, "at": time.time()}).encode()
            await acknowledged([await outbox.send("telemetry", value, key=str(event["workload"]))])
            sent += 1
            if sent % PROGRESS_EVERY == 0:
                click.echo(f"{due_s / 60:.1f} min of the trace, {sent} events", err=True)
        return sent, 0
    finally:
        await outbox.stop()


async def _publish(
    settings: Settings, lines: AsyncIterator[list[tuple[int, bytes]]], *, rebase: bool
) -> tuple[int, int]:
    from streams.kafka.outbox import Outbox, acknowledged  # noqa: PLC0415 - heavy

    outbox = Outbox(settings)
    await outbox.start()
    sends, sent, refused = [], 0, 0
    rebased = Rebase() if rebase else None
    try:
        async for some in lines:
            for number, line in some:
                value = line if rebased is None else rebased(line)
                if len(value) > MAX_LINE_BYTES:
                    refused += 1
                    click.echo(
                        f"line {number}: {len(value)} bytes, {MAX_LINE_BYTES} is the most a "
                        "message may have; not sent",
                        err=True,
                    )
                    continue
                sends.append(await outbox.send("telemetry", value, key=None))
            if len(sends) >= 5_000:  # noqa: PLR2004 - bounds memory
                await acknowledged(sends)
                sent += len(sends)
                sends.clear()
        await acknowledged(sends)
        return sent + len(sends), refused
    finally:
        await outbox.stop()


class Rebase:
    """Moves `at` so that the first one read is now.

    Works on the text, so that a broken line stays exactly as broken as it is.
    """

    _AT = re.compile(rb'("at"\s*:\s*)(-?[0-9]{1,12}(?:\.[0-9]{1,9})?)(?=\s*[,}])')

    def __init__(self, now: float | None = None) -> None:
        self._now = time.time() if now is None else now
        self._shift: float | None = None

    def __call__(self, line: bytes) -> bytes:
        """The line with every `at` in it moved."""
        return self._AT.sub(self._move, line)

    def _move(self, found: re.Match[bytes]) -> bytes:
        at = float(found[2])
        if self._shift is None:
            self._shift = self._now - at
        return found[1] + f"{max(at + self._shift, 0.0):.6f}".encode()

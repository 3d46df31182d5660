"""``foretide publish``: telemetry from a file, stdin or a trace, as it is.

Rule: lines go out unvalidated, because the pipeline's own validation is what refuses them; only
what Kafka could not take is refused here, with its line and size.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from streams.cli import options

if TYPE_CHECKING:
    from streams.settings import Settings

MAX_LINE_BYTES = 900_000
"""Below the broker's usual limit of 1 MB, headers included."""


@click.command("publish")
@click.argument("source", default="-", type=click.Path(dir_okay=False, allow_dash=True))
@options.bootstrap
@click.option(
    "--trace",
    is_flag=True,
    help="SOURCE is a trace of requests (as for the demo); publish a finished request for each.",
)
@click.option("--workload", default="prod/support-bot", show_default=True, help="With --trace.")
@click.option("--keep-times", is_flag=True, help="Leave `at` as it is instead of re-basing to now.")
def command(
    *, source: str, bootstrap: str | None, trace: bool, workload: str, keep_times: bool
) -> None:
    """Publish telemetry: SOURCE is a file of JSON lines, or - for stdin.

    Times are re-based so that the first readable `at` is now; the rest keep their distance.

    \b
    Examples:
      foretide publish events.jsonl
      cat events.jsonl | foretide publish -
      foretide publish --trace mine.csv --workload prod/chat
    """
    settings = options.settings(bootstrap=bootstrap)
    try:
        if trace:
            lines = _of_trace(source, workload)
            counts = options.run(
                _publish(settings, lines, rebase=not keep_times), bootstrap=settings.bootstrap
            )
        else:
            with click.open_file(source, "rb") as file:
                counts = options.run(
                    _publish(settings, _lines(file), rebase=not keep_times),
                    bootstrap=settings.bootstrap,
                )
    except OSError as error:
        raise click.ClickException(str(error)) from error
    sent, refused = counts
    click.echo(f"{sent} messages acknowledged, {refused} refused here as too large", err=True)
    sys.exit(1 if refused else 0)


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(file, start=1):
        yield number, line.rstrip(b"\r\n")


def _of_trace(source: str, workload: str) -> Iterator[tuple[int, bytes]]:
    from lab.traces import TraceError, open_trace  # noqa: PLC0415 - heavy

    try:
        arrivals = open_trace(Path(source))
    except TraceError as error:
        raise click.ClickException(str(error)) from error
    for number, arrival in enumerate(arrivals, start=1):
        record = {
            "v": 1,
            "kind": "request",
            "workload": workload,
            "at": arrival.at_s,
            "tokens_in": arrival.tokens_in,
            "tokens_out": arrival.tokens_out,
        }
        yield number, json.dumps(record).encode()


async def _publish(
    settings: Settings, lines: Iterator[tuple[int, bytes]], *, rebase: bool
) -> tuple[int, int]:
    from streams.kafka.outbox import Outbox, acknowledged  # noqa: PLC0415 - heavy

    outbox = Outbox(settings)
    await outbox.start()
    sends, sent, refused = [], 0, 0
    rebased = Rebase() if rebase else None
    try:
        for number, line in lines:
            value = line if rebased is None else rebased(line)
            if len(value) > MAX_LINE_BYTES:
                refused += 1
                click.echo(
                    f"line {number}: {len(value)} bytes, {MAX_LINE_BYTES} is the most a message "
                    "may have; not sent",
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

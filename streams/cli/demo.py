"""``foretide demo``: see it work before you read a line.

Rule: exit 0 only when the account adds up; plain lines without a terminal.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from pathlib import Path

import click

from streams.cli import logs, options


@click.command("demo")
@click.option(
    "--trace",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Requests to replay: Azure LLM CSV, or JSON lines with at, tokens_in, tokens_out. "
    "Default: the shipped hour of a code service.",
)
@click.option(
    "--speed",
    default=30.0,
    show_default=True,
    type=options.Number(1, 240),
    metavar="X",
    help="How many times as fast as it was; the faster, the more the machine's own delays count.",
)
@click.option(
    "--seed", default=1, show_default=True, type=int, help="Of the chance in start-up times."
)
@click.option("--json", "as_json", is_flag=True, help="Print the final figures as one JSON object.")
@click.option("--stay", is_flag=True, help="Keep the loop alive afterwards, until Ctrl-C.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for the report and the recordings; those of an earlier demo are written over.",
)
def command(
    *, trace: Path | None, speed: float, seed: int, as_json: bool, stay: bool, out: Path
) -> None:
    """Replay a real hour of LLM requests through the whole loop, in about two minutes.

    Starts an embedded Kafka broker, a worker with all roles, and a simulated fleet behind a
    Kubernetes API on loopback; replays the trace in a closed loop; then shows how the same hour
    goes under a Kubernetes HPA and a static peak.

    \b
    Examples:
      foretide demo
      foretide demo --trace mine.jsonl --speed 30
      foretide demo --json > figures.json
      foretide demo --stay        # then publish, tail and explain in a second terminal
    """
    logs("WARNING")
    logging.getLogger("streams.roles").setLevel("ERROR")
    from lab.traces import TraceError  # noqa: PLC0415 - heavy
    from streams.demo.options import OccupiedError, Options, earlier  # noqa: PLC0415 - heavy

    try:
        again = earlier(out)
    except OccupiedError as error:
        raise click.ClickException(str(error)) from error
    asked = Options(trace=trace, speed=speed, seed=seed, stay=stay, out=out)
    try:
        ok = options.run(_demo(asked, as_json=as_json, again=again))
    except TraceError as error:
        raise click.BadParameter(str(error), param_hint="--trace") from error
    except BrokenPipeError:
        raise  # Whoever read our output has gone.
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{where}{error.strerror or error}") from error
    sys.exit(0 if ok else 1)


async def _demo(asked, *, as_json: bool, again: bool) -> bool:  # type: ignore[no-untyped-def]  # noqa: ANN001
    from streams.demo import show  # noqa: PLC0415 - heavy
    from streams.demo.options import REPORT  # noqa: PLC0415 - heavy
    from streams.demo.run import Demo  # noqa: PLC0415 - heavy
    from streams.demo.run import as_json as figures  # noqa: PLC0415

    screen = show.Screen(quiet=as_json)
    demo = Demo(asked, say=screen.say)  # Reads the trace: a fault of it is told before all else.
    if again:
        click.echo(f"{asked.out} has an earlier run of the demo: it is written over", err=True)
    async with demo:
        (asked.out / REPORT).unlink(missing_ok=True)  # An earlier run's, which is over.
        with screen.following(demo.view):
            watching = asyncio.create_task(screen.follow(demo.view))
            try:
                result = await demo.replay()
            except asyncio.CancelledError:
                cut = f"{asked.out} holds the run up to here, and no report"
                click.echo(f"stopped before the end of the trace: {cut}", err=True)
                raise
            finally:
                watching.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watching
        show.write_report(demo, result)
        if as_json:
            click.echo(json.dumps(figures(result)))
        else:
            screen.finish(demo, result)
        if asked.stay:
            await demo.until_now()
            screen.stay(demo)
            with contextlib.suppress(asyncio.CancelledError):
                await demo.idle()
    return result.ok

"""``foretide status``: how the loop stands, partition by partition, and what to do about it.

Rule: needs Kafka's address and nothing else; exits with 1 when something needs somebody.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from streams.cli import broker, options, outputs

if TYPE_CHECKING:
    from rich.console import Console

    from streams.settings import Settings
    from streams.status.show import Before

EVERY_S = 2.0
"""How often ``--watch`` looks."""


@click.command("status")
@options.bootstrap
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON; ages in seconds.")
@click.option("--all", "every", is_flag=True, help="All partitions, not only the worst.")
@click.option("--watch", is_flag=True, help="Look again every 2 s, until Ctrl-C.")
def command(*, bootstrap: str | None, as_json: bool, every: bool, watch: bool) -> None:
    """Show how the loop stands: groups, lag, watermarks, and what to do about what is wrong.

    Exits with 0 when all is well, 1 when something needs somebody.

    \b
    behind     age of the oldest record that is not done yet
    commit     since the commit last moved (an idle partition's open block stays uncommitted)
    watermark  how far behind a telemetry partition is known to be read
    missing    seconds that should be complete by now, and are not

    \b
    Examples:
      foretide status --bootstrap localhost:9092
      foretide status --watch
      foretide status --json | jq '.verdict.problems'
    """
    settings = options.settings(bootstrap=bootstrap)
    work = _status(settings, as_json=as_json, every=every, watch=watch)
    try:
        # Whoever watches may have begun before Kafka has: every look says how it went.
        healthy = broker.watch(settings, work) if watch else broker.run(settings, work)
    except click.Abort:
        if watch:
            return  # Ctrl-C is how it ends.
        raise
    sys.exit(0 if healthy else 1)


async def _status(settings: Settings, *, as_json: bool, every: bool, watch: bool) -> bool:
    from aiokafka.errors import KafkaConnectionError, KafkaError  # noqa: PLC0415 - heavy
    from rich.console import Console  # noqa: PLC0415 - heavy

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = outputs.WIDEST  # Whoever reads a pipe reads all columns.
    before: Before = {}
    while True:
        try:
            healthy, before = await _once(settings, console, before, as_json=as_json, every=every)
        except (TimeoutError, KafkaError) as error:
            if not watch:
                if isinstance(error, TimeoutError):
                    raise KafkaConnectionError("no answer within a few seconds") from error
                raise
            why = "no answer within a few seconds"
            if isinstance(error, KafkaError):
                why = options.unanswered(error)
            click.echo(f"Kafka at {settings.bootstrap}: {why}; looking again", err=True)
            healthy = False
        if not watch:
            return healthy
        await asyncio.sleep(EVERY_S)


async def _once(
    settings: Settings, console: Console, before: Before, *, as_json: bool, every: bool
) -> tuple[bool, Before]:
    import msgspec  # noqa: PLC0415 - heavy

    from streams.status.collect import collect  # noqa: PLC0415 - heavy
    from streams.status.judge import judge  # noqa: PLC0415
    from streams.status.show import Report, lags  # noqa: PLC0415 - heavy

    status = await collect(settings)
    verdict = judge(status)
    if as_json:
        whole = {"verdict": verdict, **msgspec.structs.asdict(status)}
        click.echo(msgspec.json.encode(whole).decode())
    else:
        if before and console.is_terminal:
            console.clear()
        # Piped, a problem stays on one line for whoever searches in it.
        report = Report(status, verdict, every=every, before=before)
        console.print(report, soft_wrap=not console.is_terminal)
    return verdict.healthy, lags(status)

"""``foretide record``: a cluster's decisions, and all that led to them, into a folder.

Rule: joins no group and writes nothing to Kafka; what it writes, ``replay`` and ``explain`` read.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli import options

if TYPE_CHECKING:
    from streams.settings import Settings

SAID_EVERY_S = 10.0
CAUGHT_UP_S = 3600.0


@click.command("record")
@options.bootstrap
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to; it must not have a recording yet.",
)
@click.option("--no-follow", is_flag=True, help="End at the present end of the logs.")
def command(*, bootstrap: str | None, folder: Path, no_follow: bool) -> None:
    """Record the step log with its loads, decisions, forecasts, outcomes and rejections.

    From the beginning of the logs on, until Ctrl-C.  A recording replays byte for byte when the
    step log still had its beginning (three days, unless the topic keeps it longer), with the same
    FORETIDE_LATENESS_S and FORETIDE_DECISION_VALID_S as the workers had.

    \b
    Examples:
      foretide record --to recording --no-follow
      foretide replay --from recording
    """
    if (folder / "meta.json").exists():
        raise click.ClickException(f"{folder} has a recording already: give another folder")
    settings = options.settings(bootstrap=bootstrap)
    done = options.run(record(settings, folder, follow=not no_follow), bootstrap=settings.bootstrap)
    if not done:
        raise click.ClickException(f"the end of the logs was not reached in {CAUGHT_UP_S:g} s")


async def record(settings: Settings, folder: Path, *, follow: bool) -> bool:
    """Record until the present end of the logs, or until it is cancelled.

    False: the end was not reached within ``CAUGHT_UP_S``.
    """
    from streams.recorder import Recorder  # noqa: PLC0415 - heavy

    recorder = Recorder(settings, folder)
    meta = {"lateness_s": settings.lateness_s, "valid_s": settings.decision_valid_s}
    done = True
    try:
        await recorder.start()
        await asyncio.to_thread((folder / "meta.json").write_text, json.dumps(meta))
        if follow:
            while True:
                _say(recorder.counts)
                await asyncio.sleep(SAID_EVERY_S)
        done = await recorder.catch_up(CAUGHT_UP_S)
    except asyncio.CancelledError:
        if not follow:
            raise
    finally:
        await recorder.stop()
    _say(recorder.counts)
    return done


def _say(counts: dict[str, int]) -> None:
    click.echo(", ".join(f"{count} {topic}" for topic, count in counts.items()), err=True)

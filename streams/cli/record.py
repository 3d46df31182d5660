"""``foretide record``: a cluster's decisions, and all that led to them, into a folder.

Rule: joins no group and writes nothing to Kafka; what it writes, ``replay`` and ``explain`` read.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli import broker, options, outputs

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
    help="Folder to write to, made where it is missing; it must not have a recording yet.",
)
@click.option(
    "--no-follow", is_flag=True, help="End at the present end of the logs, instead of at Ctrl-C."
)
def command(*, bootstrap: str | None, folder: Path, no_follow: bool) -> None:
    """Record the step log with its loads, decisions, forecasts, outcomes and rejections.

    From the beginning of the logs on, until Ctrl-C.  Where there is nothing to record, nothing is
    written.  A recording replays byte for byte when the
    step log still had its beginning (three days, unless the topic keeps it longer), with the same
    FORETIDE_LATENESS_S and FORETIDE_DECISION_VALID_S as the workers had.

    \b
    Examples:
      foretide record --to recording --no-follow
      foretide replay --from recording
    """
    from streams.recorder import FILES, STEPS  # noqa: PLC0415 - heavy
    from streams.steplog import META  # noqa: PLC0415 - heavy

    there = [name for name in (META, STEPS, *FILES.values()) if (folder / name).exists()]
    if there:
        raise click.ClickException(
            f"{folder} has a recording already ({there[0]}): give another folder"
        )
    outputs.writable({"--to": str(folder / META)}, parents=True)
    settings = options.settings(bootstrap=bootstrap)
    if not broker.run(settings, record(settings, folder, follow=not no_follow)):
        raise click.ClickException(f"the end of the logs was not reached in {CAUGHT_UP_S:g} s")


async def record(settings: Settings, folder: Path, *, follow: bool) -> bool:
    """Record until the present end of the logs, or until it is cancelled.

    False: the end was not reached within ``CAUGHT_UP_S``.  Raises ``click.ClickException`` when
    nothing was recorded, and then nothing was written.
    """
    from streams.kafka.reader import there  # noqa: PLC0415 - heavy
    from streams.recorder import FILES, Recorder  # noqa: PLC0415 - heavy

    recorder = Recorder(settings, folder)
    done = True
    try:
        await there(settings, (*FILES, "steps", "load"))
        await recorder.start()
        if follow:
            while True:
                _say(recorder.counts)
                await recorder.follow(SAID_EVERY_S)
        done = await recorder.catch_up(CAUGHT_UP_S)
    except asyncio.CancelledError:
        if not follow:
            raise
    except OSError as error:
        if error.filename is None:
            raise  # Not of a file.
        raise click.ClickException(
            f"{error.filename} cannot be written: {error.strerror}"
        ) from error
    finally:
        await recorder.stop()
    if not any(recorder.counts.values()):
        raise click.ClickException(
            f"nothing was recorded, and nothing written: the topics {settings.topic_prefix}steps, "
            f"{', '.join(settings.topic_prefix + name for name in FILES)} are empty; is a worker "
            "running?"
        )
    _say(recorder.counts)
    return done


def _say(counts: dict[str, int]) -> None:
    click.echo(", ".join(f"{count} {topic}" for topic, count in counts.items()), err=True)

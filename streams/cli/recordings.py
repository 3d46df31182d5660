"""A user's own recording: of a folder, or of the step log's topic on Kafka.

Rule: what the topic still has is recorded into a folder first, so that both are read alike.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from streams.cli import broker, options

if TYPE_CHECKING:
    from models.domain.spec import AgentScaler
    from streams.recorded import Recorded

NAMES = "--from", "--from-log"
"""One option, alike wherever a recording is read; the second name is the older one."""


class _Folder(click.Path):
    """A folder that is there; who has none is told where they come from."""

    def __init__(self) -> None:
        super().__init__(exists=True, file_okay=False, path_type=Path)

    def fail(
        self, message: str, param: click.Parameter | None = None, ctx: click.Context | None = None
    ) -> NoReturn:
        super().fail(f"{message} `foretide demo` and `foretide record` make one.", param, ctx)


def source(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option of a recording's folder, or of the step log's topic; ``text`` is its help."""
    return click.option(*NAMES, "log", metavar="FOLDER|TOPIC", help=text)


def folder(
    text: str, *, required: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option of a recording's folder; ``text`` is its help."""
    return click.option(
        *NAMES, "folder", required=required, type=_Folder(), metavar="FOLDER", help=text
    )


workload = click.option(
    "--workload", metavar="NAMESPACE/NAME", help="Of a recording that has several."
)


def opened(
    source: str, *, workload: str | None, spec: AgentScaler | None, bootstrap: str | None
) -> Recorded:
    """What is recorded in a folder, or on Kafka in the step log's topic."""
    from streams.recorded import read  # noqa: PLC0415 - heavy
    from streams.steplog import RecordingError  # noqa: PLC0415 - heavy

    folder = Path(source)
    settings = options.settings(bootstrap=bootstrap)
    topic = f"{settings.topic_prefix}steps"
    try:
        if folder.is_dir():
            return read(folder, workload, spec)
        if source != topic:
            raise click.BadParameter(
                f"{source} is neither a folder of `foretide record` or `foretide demo` nor the "
                f"step log's topic, {topic}",
                param_hint="--from",
            )
        from streams.cli.record import record  # noqa: PLC0415 - heavy

        with tempfile.TemporaryDirectory(prefix="foretide-") as made:
            work = record(settings, Path(made), follow=False)
            if not broker.run(settings, work):
                raise click.ClickException(f"the end of {topic} was not reached in time")
            return read(Path(made), workload, spec)
    except RecordingError as error:
        raise click.ClickException(str(error)) from error

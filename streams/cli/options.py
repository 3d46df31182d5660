"""Options and failures that commands share.

Rule: a wrong setting is a usage error with its name, never a traceback.
"""

from __future__ import annotations

import asyncio
import difflib
import signal
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from streams.settings import Settings
from streams.topics import TopicsError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

T = TypeVar("T")

bootstrap = click.option(
    "--bootstrap",
    metavar="HOST:PORT",
    help="Kafka bootstrap servers  [env: FORETIDE_BOOTSTRAP; default: localhost:9092]",
)


def settings(**given: Any) -> Settings:  # noqa: ANN401 - settings by name
    """Settings from the environment, and from options that were given."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in fault['loc'])}: "
            f"{fault['msg'].removeprefix('Value error, ')}{_not(fault)} "
            f"(FORETIDE_{str(fault['loc'][0]).upper()})"
            for fault in error.errors()
        ]
        raise click.UsageError("\n".join(lines)) from error


def _not(fault: ErrorDetails) -> str:
    given = f", not {fault['input']!r}"
    return "" if fault["msg"].endswith(given) else given


def misspelt(environment: Iterable[str]) -> list[str]:
    """What to say of variables that look like settings and are none."""
    known = {f"FORETIDE_{name.upper()}" for name in Settings.model_fields}
    lines = []
    for name in sorted(environment):
        foreign = not name.startswith("FORETIDE_") or name.startswith("FORETIDE_FAUST_")
        if foreign or name in known or name == "FORETIDE_TOOLS":
            continue
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        hint = f"; did you mean {close[0]}?" if close else ""
        lines.append(f"{name} is no setting and is ignored{hint}")
    return lines


def unreadable(topic: str, field: str, reason: str) -> None:
    """Say on stderr that a record was passed over: a newer worker may have written it."""
    where = f"{field}: " if field else ""
    click.echo(f"{topic}: a record that this version cannot read: {where}{reason}", err=True)


def run(work: Coroutine[Any, Any, T], *, bootstrap: str = "") -> T:
    """Run a coroutine; Ctrl-C and SIGTERM cancel it, and it cleans up."""
    try:
        return asyncio.run(_interruptible(work))
    except asyncio.CancelledError:
        raise click.Abort from None
    except BrokenPipeError:
        raise  # Whoever read our output has gone: no fault of Kafka's.
    except TopicsError as error:
        raise click.ClickException(str(error)) from error
    except (KafkaError, ConnectionError) as error:
        where = f" at {bootstrap}" if bootstrap else ""
        raise click.ClickException(
            f"Kafka{where} cannot be reached or refused: {error!r}. Is it running, and is "
            "FORETIDE_BOOTSTRAP right?"
        ) from error


async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    cancel: Callable[[], object] = task.cancel
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, cancel)
    return await task


def writable(*paths: str | None) -> None:
    """Refuse outputs that could not be written, before long work.

    Raises ``click.UsageError``: a folder is missing, or two outputs are one file.
    """
    given = [path for path in paths if path is not None]
    if len(set(given)) < len(given):
        raise click.UsageError("two outputs would be written to one place; give each its own")
    for path in given:
        folder = Path(path).parent
        if path != "-" and not folder.is_dir():
            raise click.UsageError(f"{path} cannot be written: there is no folder {folder}")

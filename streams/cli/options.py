"""Options and failures that commands share.

Rule: a wrong setting is a usage error with its name, never a traceback.
"""

from __future__ import annotations

import asyncio
import difflib
import math
import signal
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

import click
from aiokafka.errors import KafkaConnectionError, KafkaError
from pydantic import ValidationError

from streams.kafka.security import SecurityError
from streams.plain import plain
from streams.settings import Settings
from streams.topics import TopicsError

T = TypeVar("T")

bootstrap = click.option(
    "--bootstrap",
    metavar="HOST:PORT",
    help="Kafka bootstrap servers  [env: FORETIDE_BOOTSTRAP; default: localhost:9092]",
)


class Number(click.FloatRange):
    """A finite number within a range: what click itself lets pass as one may be NaN."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number.  Fails as click's types do."""
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value!r} is no finite number", param, ctx)
        return found


def settings(**given: Any) -> Settings:  # noqa: ANN401 - settings by name
    """Settings from the environment, and from options that were given."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in fault['loc'])}: {plain(fault)} "
            f"(FORETIDE_{str(fault['loc'][0]).upper()})"
            for fault in error.errors()
        ]
        raise click.UsageError("\n".join(lines)) from error


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
    except (TopicsError, SecurityError) as error:
        raise click.ClickException(str(error)) from error
    except (KafkaConnectionError, ConnectionError) as error:
        raise away(bootstrap, unanswered(error)) from error
    except KafkaError as error:
        raise click.ClickException(f"{_kafka(bootstrap)} refused: {error}") from error


def away(bootstrap: str, reason: str) -> click.ClickException:
    """What to say of a Kafka that cannot be reached, and what to do."""
    return click.ClickException(
        f"{_kafka(bootstrap)} cannot be reached: {reason}. Say where it is (--bootstrap HOST:PORT "
        "or FORETIDE_BOOTSTRAP), or start one: docker compose up -d kafka topics, which is then at "
        "localhost:9094"
    )


def unanswered(error: KafkaError | ConnectionError) -> str:
    """Why there was no connection; aiokafka tells the cause of a first one to its log alone."""
    told = str(error.args[-1]) if error.args else ""
    return "nobody answers there" if not told or told.startswith("Unable to bootstrap") else told


def _kafka(bootstrap: str) -> str:
    return f"Kafka at {bootstrap}" if bootstrap else "Kafka"


async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    cancel: Callable[[], object] = task.cancel
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, cancel)
    return await task

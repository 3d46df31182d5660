"""Commands that talk to Kafka: it is reached first, and what its client logs is said plainly.

Rule: one line says what cannot be reached and what to do; no library's log, no traceback.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from streams.cli import options
from streams.kafka.reach import AwayError, logged_to, reach
from streams.settings import Settings

T = TypeVar("T")

SAID_EVERY_S = 10.0
"""How often it is said that a broker has gone while a command follows it."""


def run(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine once Kafka has answered; Ctrl-C and SIGTERM cancel it."""
    return options.run(_reached(settings, work), bootstrap=settings.bootstrap)


def watch(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that says itself when Kafka is away, and goes on."""
    with logged_to(logging.NullHandler()):
        return options.run(work, bootstrap=settings.bootstrap)


async def _reached(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    try:
        await reach(settings)
        with logged_to(_Gone(settings.bootstrap)):
            return await work
    except AwayError as error:
        raise options.away(settings.bootstrap, str(error)) from error
    finally:
        work.close()  # It may not have begun.


REFUSALS = ("authoriz", "authoris", "authentic")
"""In what aiokafka says where Kafka is there and refuses."""


class _Gone(logging.Handler):
    """Says once in a while that Kafka is away, whatever the errors are in detail, or refuses."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(logging.ERROR)
        self._bootstrap = bootstrap
        self._at = -SAID_EVERY_S

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now - self._at < SAID_EVERY_S:
            return
        self._at = now
        said = record.getMessage()
        if any(word in said.lower() for word in REFUSALS):
            text = f"Kafka at {self._bootstrap} refuses: {said}"
        else:
            text = f"Kafka at {self._bootstrap} went away ({said}); waiting for it"
        click.echo(text, err=True)

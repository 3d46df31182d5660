"""Progress of long work on stderr: bars on a terminal, elsewhere a line once in a while.

Rule: what is over within seconds says nothing where there is no terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

LINE_EVERY_S = 10.0

Told = Callable[[float], None]
"""Tells what share of something is done, 0 to 1."""


@contextmanager
def bars() -> Iterator[Callable[[str], Told]]:
    """What begins something by its name, and gives what is told of its progress."""
    from rich.console import Console  # noqa: PLC0415 - heavy
    from rich.progress import (  # noqa: PLC0415 - heavy
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines().begin
        return
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        tasks: dict[str, int] = {}

        def begin(name: str) -> Told:
            if name not in tasks:
                tasks[name] = shown.add_task(name, total=1.0)
            task = tasks[name]

            def told(share: float) -> None:
                shown.update(task, completed=share)  # type: ignore[arg-type]

            return told

        yield begin


class _Lines:
    """For a log: what is under way, how far it is, and since when."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()

    def begin(self, name: str) -> Told:
        def told(share: float) -> None:
            now = time.monotonic()
            if now - self._said >= LINE_EVERY_S:
                self._said = now
                click.echo(f"{name}: {share:.0%}, after {now - self._began:.0f} s", err=True)

        return told

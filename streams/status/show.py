"""Showing: a status as tables that fit the terminal, then what to do.

Rule: a narrow terminal loses columns, never digits; colour repeats what the words say.
Flow: Status, Verdict -> text.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from streams.status.facts import PartitionFacts, RoleFacts, Status
from streams.status.judge import BEHIND_S, Verdict, age, plain

ROWS = 16
"""Partitions of a role that are shown, the worst first, unless all are asked for."""

GAP = 2
"""Spaces between columns."""

Before = Mapping[tuple[str, int], int]
"""Lag by (role, partition) when it was looked at last."""


class _Column(NamedTuple):
    """One column; of those that do not fit the highest ``rank`` goes first, 0 never."""

    head: str
    rank: int
    of: Callable[[PartitionFacts], Text]


class Report:
    """A status for rich to print."""

    def __init__(
        self, status: Status, verdict: Verdict, *, every: bool = False, before: Before | None = None
    ) -> None:
        """``every``: all partitions; ``before``: lags to compare with."""
        self._status = status
        self._verdict = verdict
        self._every = every
        self._before = before or {}
        self._watermarks = {one.source: one.watermark_age_s for one in status.sources}
        self._missing = {one.partition: one.missing_s for one in status.loads}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """See rich."""
        status = self._status
        at = dt.datetime.fromtimestamp(status.at, dt.UTC).strftime("%H:%M:%S UTC")
        yield Text.assemble(("foretide ", "bold"), f"on {status.bootstrap}, {at}")
        for role in status.roles:
            yield Text()
            yield from self._role(role, options.max_width)
        yield Text()
        yield from self._logs()
        yield Text()
        yield from self._judged(wrapped=console.is_terminal)

    def _role(self, role: RoleFacts, width: int) -> Iterator[RenderableType]:
        style = "green" if role.state == "Stable" else "yellow"
        workers = f"{role.members} worker{'' if role.members == 1 else 's'}"
        yield Text.assemble(
            (role.role, "bold"), f"  {role.topic}  ", (plain(role.state), style), f", {workers}"
        )
        if not role.partitions:
            return
        worst_first = sorted(role.partitions, key=_urgency, reverse=True)
        shown = role.partitions if self._every else worst_first[:ROWS]
        shown = sorted(shown, key=lambda one: one.partition)
        cells = [(c, [c.of(found) for found in shown]) for c in self._columns(role.role)]
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
        kept = _fitting(cells, width)
        for column, _ in kept:
            left = column.head == "worker"
            table.add_column(column.head, justify="left" if left else "right", no_wrap=True)
        for row in zip(*(texts for _, texts in kept), strict=True):
            table.add_row(*row)
        yield table
        hidden = len(role.partitions) - len(shown)
        if hidden:
            yield Text(f"and {hidden} more that are no worse (--all)", style="dim")

    def _columns(self, role: str) -> list[_Column]:
        columns = [
            _Column("part", 0, lambda f: Text(str(f.partition))),
            _Column("committed", 2, lambda f: _number(f.committed)),
            _Column("end", 2, lambda f: _number(f.end)),
            _Column("lag", 0, lambda f: self._lag(role, f)),
            _Column("behind", 0, lambda f: _age(f.behind_s)),
            _Column("commit", 1, lambda f: Text(age(f.commit_age_s) if f.commit_age_s else "-")),
        ]
        if role == "aggregate":
            columns.append(
                _Column("watermark", 0, lambda f: _age(self._watermarks.get(f.partition)))
            )
        if role == "plan":
            columns.append(_Column("missing", 0, lambda f: _age(self._missing.get(f.partition))))
        return [*columns, _Column("worker", 3, lambda f: Text(f.owner or "nobody"))]

    def _lag(self, role: str, found: PartitionFacts) -> Text:
        before = self._before.get((role, found.partition), found.lag)
        more = found.lag - before
        sign = "↑" if more > 0 else "↓" if more < 0 else ""
        return Text(f"{found.lag}{sign}", style="yellow" if more > 0 else "")

    def _logs(self) -> Iterator[Text]:
        for topic in ("decisions", "outcomes", "snapshots", "rejected"):
            log = self._status.log(topic)
            if log is None:
                continue
            told = "none" if not log.records else f"newest {age(log.newest_age_s)} ago"
            kept = f", {log.records} kept" if log.records else ""
            yield Text.assemble((f"{topic:10}", "bold"), told, kept)

    def _judged(self, *, wrapped: bool) -> Iterator[RenderableType]:
        """``wrapped``: long lines are folded under themselves; else each is one line, for grep."""
        told = [
            *((Text("note", "cyan"), note) for note in self._verdict.notes),
            *((Text("problem", "bold red"), problem) for problem in self._verdict.problems),
        ]
        if wrapped:
            grid = Table.grid(padding=(0, 2, 0, 0))
            for kind, text in told:
                grid.add_row(kind, text)
            yield grid
        else:
            for kind, text in told:
                kind.pad_right(9 - len(kind))
                yield Text.assemble(kind, text)
        if self._verdict.healthy:
            yield Text("healthy", style="bold green")


def lags(status: Status) -> dict[tuple[str, int], int]:
    """Lags, to compare the next status with."""
    return {
        (role.role, found.partition): found.lag
        for role in status.roles
        for found in role.partitions
    }


def _urgency(found: PartitionFacts) -> tuple[float, int]:
    return (float("inf") if found.behind_s is None else found.behind_s, found.lag)


def _fitting(
    cells: list[tuple[_Column, list[Text]]], width: int
) -> list[tuple[_Column, list[Text]]]:
    """The columns that fit."""
    kept = cells
    for rank in (3, 2, 1):
        needed = sum(max(len(c.head), *(len(t) for t in texts)) + GAP for c, texts in kept)
        if needed - GAP <= width:
            break
        kept = [(column, texts) for column, texts in kept if column.rank < rank]
    return kept


def _number(value: int | None) -> Text:
    return Text("-" if value is None else str(value))


def _age(seconds: float | None) -> Text:
    late = seconds is None or seconds > BEHIND_S
    return Text(age(seconds), style="bold red" if late else "")

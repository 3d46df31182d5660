"""How the demo shows itself: a live view on a terminal, plain lines elsewhere, the end.

Rule: stdout carries what was asked for, progress goes to stderr where that matters (--json).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console
from rich.live import Live

from lab.report import render
from lab.summary import static_is, summary_table, verdict
from lab.view import ViewState, frame, plain_line
from streams.demo.options import REPORT, WORKLOAD
from streams.demo.run import Demo, DemoResult

PLAIN_EVERY_S = 5.0
FRAMES_PER_S = 5


SLOW = 10.0
"""Times real speed at which a machine's delays hardly count."""


def called() -> str:
    """How to call this program from here: by its name where a shell finds it."""
    if shutil.which("foretide"):
        return "foretide"
    place = Path(sys.executable).with_name("foretide")
    within = place.is_relative_to(Path.cwd())
    return str(place.relative_to(Path.cwd()) if within else place)


def _slower(speed: float) -> str:
    """How to make them count less."""
    if speed <= SLOW:
        return ""
    return f"; --speed {max(speed / 3, SLOW):g} makes it less"


class Screen:
    """Where a demo run is watched."""

    def __init__(self, *, quiet: bool) -> None:
        """``quiet``: stdout belongs to JSON; progress goes to stderr as plain lines."""
        self._console = Console(stderr=quiet, highlight=False)
        self._live: Live | None = None
        self._rich = self._console.is_terminal and not quiet
        # A terminal wants words wrapped; a file or a pipe wants lines left whole.
        self._flat = not self._console.is_terminal

    def say(self, text: str) -> None:
        """One thing is being done."""
        self._console.print(f"· {text}", style="dim")

    @contextlib.contextmanager
    def following(self, view: ViewState) -> Iterator[None]:
        """A live display, where there is a terminal."""
        if not self._rich:
            yield
            return
        with Live(
            frame(view), console=self._console, refresh_per_second=FRAMES_PER_S, transient=True
        ) as live:
            self._live = live
            yield
            self._live = None

    async def follow(self, view: ViewState) -> None:
        """Show progress until cancelled."""
        while True:
            if self._live is not None:
                self._live.update(frame(view))
                await asyncio.sleep(1 / FRAMES_PER_S)
            else:
                await asyncio.sleep(PLAIN_EVERY_S)
                self._console.print(plain_line(view), soft_wrap=self._flat)

    def finish(self, demo: Demo, result: DemoResult) -> None:
        """The end: table, verdict, checks, where things lie, what to do next."""
        console = self._console
        parameters = demo.options.parameters
        console.print()
        for line in parameters.lines():
            console.print(line, soft_wrap=self._flat)
        console.print()
        reaction, speed = result.reaction, demo.options.speed
        console.print(summary_table(result.results, parameters))
        if reaction is not None:
            console.print(
                f"Newest event to patched Deployment: {reaction.p50_wall_ms:.0f} ms (median of "
                f"{reaction.count}), {reaction.p95_wall_ms:.0f} ms (p95). At {speed:g} times real "
                f"speed that is {reaction.p50_trace_s:.1f} s of the trace (median), which Foretide "
                f"pays for and no other here does{_slower(speed)}.",
                soft_wrap=self._flat,
            )
        console.print(verdict(result.results, parameters), soft_wrap=self._flat)
        console.print(
            "HPA and static ran in simulated time with no delay at all; static "
            f"is {static_is(result.results, parameters)}, with all replicas ready from the start.",
            soft_wrap=self._flat,
        )
        console.print()
        for check in result.checks:
            mark = "ok " if check.ok else "NOT"
            console.print(f"{mark} {check.name}: {check.detail}", soft_wrap=self._flat)
        out, name = demo.options.out, called()
        console.print(
            f"\nreport      {out / REPORT}\nrecordings  {out}/*.jsonl "
            "(steps, decisions, forecasts, outcomes, rejected)\n\nGo on with:\n"
            + (f"  {name} explain {WORKLOAD} --from {out}\n" if demo.collected.decisions else "")
            + f"  {name} replay --from {out}\n"
            f"  {name} demo --stay\n"
            f"  {name} check --show examples/support-bot.yaml",
            soft_wrap=self._flat,
        )

    def stay(self, demo: Demo) -> None:
        """The loop stays: how to talk to it."""
        given, name = demo.settings, called()
        where = given.bootstrap
        worker = (
            f"FORETIDE_LATENESS_S={given.lateness_s:g} "
            f"FORETIDE_DECISION_VALID_S={given.decision_valid_s:g}"
        )
        self._console.print(
            f"\nThe loop stays alive at {where}, until Ctrl-C.  In another terminal:\n"
            f"  {name} publish --bootstrap {where} events.jsonl\n"
            f"  {name} tail decisions --bootstrap {where}\n"
            f"  {name} explain {WORKLOAD} --bootstrap {where}\n"
            f"  {worker} {name} record --bootstrap {where} --to rec\n"
            f"({name} status needs a real Kafka: this broker does not describe groups)",
            soft_wrap=self._flat,
        )


def write_report(demo: Demo, result: DemoResult) -> None:
    """The HTML report, beside the recordings."""
    render(
        demo.options.out / REPORT,
        runs=result.results,
        decisions=[msgspec.to_builtins(d) for d in demo.collected.decisions],
        forecasts=[msgspec.to_builtins(f) for f in demo.collected.forecasts],
        outcomes={name: o.result.value for name, o in demo.collected.outcomes.items()},
        begin=demo.begin,
        parameters=demo.options.parameters,
        trace="the shipped Azure LLM code trace (2023-11-16)"
        if demo.options.trace is None
        else demo.options.trace.name,
    )

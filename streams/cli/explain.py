"""``foretide explain``: why this number, and not one more or fewer.

Rule: answers from the decision's own record alone.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from streams.cli import broker, options, recordings

if TYPE_CHECKING:
    from models.domain.decision import Decision, Inputs, SizingInfo
    from models.domain.outcome import Outcome
    from streams.settings import Settings

T = TypeVar("T")

LEAST_CHANCE = 0.001
"""Chances are shown to that: what differs by less looks the same."""


@click.command("explain")
@click.argument("workload", metavar="NAMESPACE/NAME")
@options.bootstrap
@click.option(
    "--at",
    "at",
    metavar="TIME",
    help="The decision that held then: 2026-01-31T10:42:00 (UTC; with Z or +02:00 in that zone), "
    "10:42:00 on the day of the newest decision, or Unix seconds such as 1769856120.  "
    "[default: the newest decision]",
)
@recordings.folder(
    "A recording (foretide record, or the demo's demo-out), instead of Kafka.",
)
def command(*, workload: str, bootstrap: str | None, at: str | None, folder: Path | None) -> None:
    """Explain the decision that held for a workload at a moment: why this number of replicas.

    \b
    Examples:
      foretide explain prod/support-bot
      foretide explain prod/code-assistant --from demo-out --at 10:42:00
      foretide explain prod/support-bot --at 2026-01-31T10:42:00+01:00
    """
    if folder is not None:
        decisions, outcomes = _recorded(folder)
    else:
        settings = options.settings(bootstrap=bootstrap)
        decisions, outcomes = broker.run(settings, _logged(settings))
    mine = sorted((d for d in decisions if d.workload == workload), key=lambda d: d.epoch)
    if not mine:
        known = ", ".join(sorted({d.workload for d in decisions})) or "none"
        raise click.ClickException(f"no decision of {workload}; there are decisions of: {known}")
    if at is not None:
        until = moment(at, mine[-1].at)
        first, mine = mine[0], [d for d in mine if d.at <= until]
        if not mine:
            raise click.ClickException(
                f"no decision of {workload} at or before {at}; the first is of {_utc(first.at)}"
            )
    click.echo(explanation(mine[-1], outcomes.get(mine[-1].id)))


def _recorded(folder: Path) -> tuple[list[Decision], dict[str, Outcome]]:
    from streams import codec  # noqa: PLC0415 - heavy

    decisions = list(_lines(folder / "decisions.jsonl", codec.decision))
    found = _lines(folder / "outcomes.jsonl", codec.outcome)
    return decisions, {outcome.decision: outcome for outcome in found}


def _lines(path: Path, decode: Callable[[bytes], T]) -> Iterator[T]:
    """Records of a recording's file; a fault is told with its line."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise click.ClickException(
            f"{path.parent} is not a readable recording: {path}: {error.strerror}; make one with "
            "foretide record --to FOLDER"
        ) from error
    for number, line in enumerate(lines, start=1):
        try:
            yield decode(line)
        except ValueError as error:
            raise click.ClickException(f"{path}:{number}: {error}") from error


async def _logged(settings: Settings) -> tuple[list[Decision], dict[str, Outcome]]:
    from streams import codec  # noqa: PLC0415 - heavy
    from streams.kafka.reader import read  # noqa: PLC0415 - heavy

    decisions: list[Decision] = []
    async for value in read(settings, "decisions", from_start=True, follow=False):
        try:
            decisions.append(codec.decision(value))
        except codec.REFUSALS as error:
            options.unreadable("decisions", *codec.why(error, value))
    outcomes: dict[str, Outcome] = {}
    async for value in read(settings, "outcomes", from_start=True, follow=False):
        try:
            outcome = codec.outcome(value)
        except codec.REFUSALS as error:
            options.unreadable("outcomes", *codec.why(error, value))
            continue
        outcomes[outcome.decision] = outcome
    return decisions, outcomes


def moment(text: str, newest: float) -> float:
    """Unix seconds of what a person wrote; a bare time of day is the newest decision's day.

    Without a zone it is UTC.  Raises ``click.BadParameter``.
    """
    with contextlib.suppress(ValueError):
        seconds = float(text)
        if math.isfinite(seconds):
            return seconds
    with contextlib.suppress(ValueError):
        time = dt.time.fromisoformat(text)
        zone = time.tzinfo or dt.UTC
        day = dt.datetime.fromtimestamp(newest, zone).date()
        return dt.datetime.combine(day, time, zone).timestamp()
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no time; write 2026-01-31T10:42:00, 10:42:00 (both UTC, unless Z or "
            "+02:00 says the zone) or Unix seconds",
            param_hint="--at",
        ) from error
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()


def explanation(decision: Decision, outcome: Outcome | None) -> str:
    """The whole story of one decision, for a person."""
    inputs = decision.inputs
    before = sum(decision.from_.replicas.values())
    after = sum(decision.to.replicas.values())
    slo = "no SLO" if inputs.slo_s is None else f"SLO {inputs.slo_s:.2f} s"
    age = "of unknown age" if inputs.age_s is None else f"{inputs.age_s:.2f} s old"
    lines = [
        f"{decision.workload}: {before} → {after} replicas, because {decision.reason.value}",
        f"  decided {_utc(decision.at)}, {decision.mode}, id {decision.id}",
        "",
        "What was known",
        f"  demand now        {_known(inputs.demand, inputs.unit)}",
        f"  forecast          {_forecast(inputs)}",
        f"  model             {decision.model.name} ({decision.model.trust}: {decision.model.why})",
        f"  one replica       {_known(inputs.capacity_per_replica, inputs.unit)}",
        *_by_variant(inputs),
        f"  replicas          {_n(inputs.desired)} asked for, {_n(inputs.ready)} ready, "
        f"{_n(inputs.starting)} starting",
        f"  latency           {_known(inputs.latency_s, 's at the 0.95 quantile')}, {slo}",
        f"  telemetry         {age}, {inputs.missing_s} s missing, "
        f"{inputs.corrections} corrections",
        "",
        "How the number came about",
    ]
    for stamp in decision.trail:
        change = f"{stamp.before} → {stamp.after}" if stamp.before != stamp.after else stamp.after
        lines.append(f"  {stamp.guard:14} {change!s:9} {stamp.why}")
    if decision.binding is not None:
        lines.append(
            f"  held by           {decision.binding.constraint} ({decision.binding.limit:g})"
        )
    lines += _sizing(decision.sizing)
    lines += ["", f"Why {after}, and not one more or fewer"]
    for other in decision.alternatives:
        cost = "" if other.cost_per_hour is None else f"costs {other.cost_per_hour:.2f} an hour, "
        risk = (
            "risk unknown yet"
            if other.overload_probability is None
            else f"{other.overload_probability:.1%} chance that demand exceeds it"
        )
        serves = other.replicas * (inputs.capacity_per_replica or math.inf)
        if inputs.demand is not None and serves < inputs.demand:
            risk = f"less than there is now; in {inputs.horizon_s:.0f} s {risk}"
        mark = "▸" if other.replicas == after else " "
        lines.append(f"  {mark} {other.replicas:3}  {cost}{risk}")
    if _alike(decision):
        lines.append(
            "    (Chances are counted from past misses of the forecast, so far out in coarse "
            "steps; the number is what is wished for above.)"
        )
    lines += ["", f"What became of it: {_became(outcome)}"]
    return "\n".join(lines)


def _by_variant(inputs: Inputs) -> list[str]:
    """What a replica of each variant serves, where they are told apart."""
    return [
        f"    {name:15} {_known(each.serves, inputs.unit)}"
        + (f", counted as {each.counted:.2f}" if each.counted != each.serves else "")
        for name, each in inputs.capacity_by_variant.items()
    ]


def _alike(decision: Decision) -> bool:
    """Whether one fewer is said to be as safe, which nothing would then speak against."""
    chances = {
        other.replicas: other.overload_probability
        for other in decision.alternatives
        if other.overload_probability is not None
    }
    after = sum(decision.to.replicas.values())
    here, fewer = chances.get(after), chances.get(after - 1)
    return here is not None and fewer is not None and fewer - here < LEAST_CHANCE


def _sizing(sizing: SizingInfo | None) -> list[str]:
    """How it stands with the violation budget."""
    if sizing is None:
        return []
    scored = "not scored yet: what is believed of margins decides"
    if sizing.violations is not None and sizing.cost is not None and sizing.budget is not None:
        kept = "" if sizing.kept else "; no way of sizing would have kept it"
        scored = (
            f"would have missed {sizing.violations:.2%} so far, with {sizing.cost:.2f} times the "
            f"capacity that demand took; planned with {sizing.budget:.2%}{kept}"
        )
    lines = [
        "",
        "How it is sized",
        f"  margin            {sizing.margin:g} times what forecasts miss by, above the forecast; "
        f"scale-in after {sizing.window_s} s",
        f"  in hindsight      {scored}",
    ]
    if sizing.violated is not None:
        lines.append(f"  really missed     {sizing.violated:.2%} within the last day")
    if sizing.regret is not None:
        more = "more" if sizing.regret >= 0 else "less"
        lines.append(
            f"  really paid       {abs(sizing.regret):.1%} {more} than the cheapest way that kept "
            "the budget"
        )
    return lines


def _became(outcome: Outcome | None) -> str:
    if outcome is None:
        return "no outcome yet"
    why = f" ({outcome.why}: {outcome.detail})" if outcome.why else ""
    return f"{outcome.result.value}{why}, {outcome.latency_s:.3f} s after it was made"


def _utc(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _forecast(inputs: Inputs) -> str:
    """What was foreseen, and what of it counted."""
    if inputs.forecast is None:
        return f"none for {inputs.horizon_s:.0f} s ahead"
    told = f"{inputs.forecast:.2f} in {inputs.horizon_s:.0f} s"
    if inputs.forecast_quantile is None:
        return f"{told}; not sized by it"
    share = "" if inputs.quantile is None else f" (quantile {inputs.quantile:g})"
    return f"{told}; sized for {inputs.forecast_quantile:.2f}{share}"


def _known(value: float | None, unit: str) -> str:
    """A number with its unit, which what is not known has not."""
    return "not known" if value is None else f"{_n(value)} {unit}"


def _n(value: float | None) -> str:
    if value is None:
        return "not known"
    return str(value) if isinstance(value, int) else f"{value:.2f}"

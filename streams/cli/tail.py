"""``foretide tail``: follow what the loop decided, foresaw, did and refused.

Rule: one line a record; ``--json`` gives the record's own bytes, for jq and files.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from streams.cli import broker, options

if TYPE_CHECKING:
    from streams.settings import Settings

WHAT = ["decisions", "forecasts", "outcomes", "rejected"]


@click.command("tail")
@click.argument("what", metavar="[WHAT]", type=click.Choice(WHAT), default="decisions")
@options.bootstrap
@click.option("--json", "as_json", is_flag=True, help="The records themselves as JSON, one a line.")
@click.option("--from-start", is_flag=True, help="Begin with the oldest kept, not with the newest.")
@click.option("--no-follow", is_flag=True, help="Stop at the present end.")
def command(
    *, what: str, bootstrap: str | None, as_json: bool, from_start: bool, no_follow: bool
) -> None:
    """Follow the loop until Ctrl-C.

    WHAT: decisions (the default), forecasts, outcomes or rejected (input). Times are UTC.

    \b
    Examples:
      foretide tail
      foretide tail rejected --from-start --no-follow
      foretide tail outcomes --json | jq .why
    """
    settings = options.settings(bootstrap=bootstrap)
    broker.run(
        settings,
        _tail(settings, what, as_json=as_json, from_start=from_start, follow=not no_follow),
    )


async def _tail(
    settings: Settings, what: str, *, as_json: bool, from_start: bool, follow: bool
) -> None:
    from streams import codec  # noqa: PLC0415 - heavy
    from streams.kafka.reader import logged  # noqa: PLC0415 - heavy

    show: dict[str, Any] = {
        "decisions": lambda v, _: decision_line(codec.decision(v)),
        "forecasts": lambda v, _: forecast_line(codec.forecast(v)),
        "outcomes": lambda v, _: outcome_line(codec.outcome(v)),
        "rejected": lambda v, at: f"{_clock(at)} {rejected_line(codec.rejected(v))}",
    }
    told: set[tuple[str, int, int, int | None]] = set()
    async for value, at in logged(settings, what, from_start=from_start, follow=follow):
        try:
            line = show[what](value, at)
        except codec.REFUSALS as error:
            options.unreadable(what, *codec.why(error, value))
            continue
        if what == "rejected":
            # A block that is folded again rejects again: a place in the log is told once.
            place = codec.rejected(value)
            key = (place.topic, place.partition, place.offset, place.index)
            if key in told:
                continue
            told.add(key)
        click.echo(value.decode() if as_json else line)


def _clock(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%H:%M:%S")


def decision_line(decision: Any) -> str:  # noqa: ANN401 - the codec's record
    """One line of a decision."""
    before = sum(decision.from_.replicas.values())
    after = sum(decision.to.replicas.values())
    why = decision.trail[-1].why if decision.trail else ""
    return (
        f"{_clock(decision.at)} {decision.workload}  {before} → {after}  "
        f"{decision.reason.value}: {why}  [{decision.epoch}]"
    )


def forecast_line(forecast: Any) -> str:  # noqa: ANN401
    """One line of a forecast."""
    band = ", ".join(f"q{level} {value:.2f}" for level, value in forecast.quantiles.items())
    return (
        f"{_clock(forecast.at)} {forecast.workload}  now {forecast.demand:.2f}, in "
        f"{forecast.horizon_s:.0f} s {forecast.centre:.2f} ({band}) {forecast.unit}, "
        f"{forecast.trust}"
    )


def outcome_line(outcome: Any) -> str:  # noqa: ANN401
    """One line of an outcome."""
    why = f" {outcome.why}: {outcome.detail}" if outcome.why else ""
    return f"{_clock(outcome.at)} {outcome.decision}  {outcome.result.value}{why}"


def rejected_line(rejected: Any) -> str:  # noqa: ANN401
    """One line of a rejection."""
    index = "" if rejected.index is None else f"[{rejected.index}]"
    field = f" {rejected.field}:" if rejected.field else ""
    return (
        f"{rejected.topic}/{rejected.partition}@{rejected.offset}{index}{field} "
        f"{rejected.reason} ({rejected.size} bytes)"
    )

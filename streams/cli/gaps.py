"""Steps that nobody measured: how many there are, and when a trial would be of nothing else.

Rule: a gap is never filled; what is mostly gaps, or longer than a trial can hold, is refused with
what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lab.traces import Series

MOST_MISSING = 0.9
"""Share of steps without a value above which nothing is run: two samples a year apart."""

MANY_MISSING = 0.5
"""Share above which it is said before the work."""

LONGEST_S = 400 * 86_400
"""A trial holds each second of a series, some 65 bytes of it at once: 2.3 GB for 400 days."""

MOST_STEPS = 1_000_000
"""A forecaster takes some 100 µs of each: two minutes a horizon for 23 months of minutes."""


def count(series: Series) -> int:
    """Steps without a value."""
    import numpy as np  # noqa: PLC0415 - heavy

    return int(np.isnan(series.values).sum())


def refuse(series: Series, option: str) -> None:
    """Refuse a series that is mostly gaps; ``option`` is what names it.

    Raises ``click.BadParameter``.
    """
    steps, missing = len(series.values), count(series)
    if missing <= MOST_MISSING * steps:
        return
    raise click.BadParameter(
        f"{series.name}: {missing:,} of {steps:,} steps of {series.step_s} s have no value, which "
        f"is too few to run on; {_why(series)}",
        param_hint=option,
    )


def unscored(series: Series, option: str) -> None:
    """Refuse a series whose scored half has no value.  Raises ``click.BadParameter``."""
    import numpy as np  # noqa: PLC0415 - heavy

    scored = series.values[series.half :]
    if np.isnan(scored).all():
        raise click.BadParameter(
            f"{series.name}: no step of the scored half, the last {len(scored):,}, has a value; "
            "leave out what was not measured at its end",
            param_hint=option,
        )


def too_long(series: Series, option: str) -> None:
    """Refuse a series of more seconds than a trial can hold.  Raises ``click.BadParameter``."""
    if series.length_s <= LONGEST_S:
        return
    raise click.BadParameter(
        f"{series.name}: {series.length_s / 86_400:,.4g} days are more than a trial holds, which "
        f"is {LONGEST_S // 86_400} days; give a part of it (backtest --hours {LONGEST_S // 3600} "
        "takes the first)",
        param_hint=option,
    )


def too_many(series: Series, option: str) -> None:
    """Refuse a series of more steps than anybody waits for.  Raises ``click.BadParameter``."""
    steps = len(series.values)
    if steps <= MOST_STEPS:
        return
    raise click.BadParameter(
        f"{series.name}: {steps:,} steps of {series.step_s} s are more than are walked, which is "
        f"{MOST_STEPS:,}: is a time in another unit? Else give a longer --step, or a part of it",
        param_hint=option,
    )


def told(series: Series) -> tuple[str, ...]:
    """How many there are, in a line; empty: none."""
    import numpy as np  # noqa: PLC0415 - heavy

    missing = count(series)
    if not missing:
        return ()
    scored = int(np.isnan(series.values[series.half :]).sum())
    return (
        f"{missing:,} of {len(series.values):,} steps have no value ({scored:,} in the scored "
        "half): nothing is told of them, and nothing is scored in them",
    )


def cautions(series: Series) -> list[str]:
    """What to say before the work of a series with more gaps than values."""
    steps, missing = len(series.values), count(series)
    if missing <= MANY_MISSING * steps:
        return []
    return [
        f"{missing:,} of {steps:,} steps have no value, which is {missing / steps:.0%}: "
        f"{_why(series)}"
    ]


def _why(series: Series) -> str:
    """What makes most of a series gaps, as far as its numbers tell."""
    import numpy as np  # noqa: PLC0415 - heavy

    from lab.fluid.verdict import duration  # noqa: PLC0415 - heavy

    known = np.flatnonzero(~np.isnan(series.values))
    apart = np.diff(known)
    if len(apart) and (every := int(np.gcd.reduce(apart))) > 1:
        return (
            f"values are {every} steps apart: does the column step count seconds? It counts steps "
            "(0, 1, 2); or is --step too short?"
        )
    if not len(apart):
        return "give a file that has more of them"
    longest = duration((int(apart.max()) - 1) * series.step_s)
    return f"the longest gap is of {longest}: give the part that was measured, as a file of its own"

"""Composition of request traces: many tenants, time warp, rate, flash crowds, outages.

Rule: arrivals in, arrivals out, in order of time; all chance from a seed; every request keeps the
lengths of a real one.  (Series by the minute have a composition of their own.)
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.traces.arrival import Arrival

Trace = tuple[Arrival, ...]


def tenants(traces: Mapping[str, Sequence[Arrival]]) -> Trace:
    """One service used by all of them; each arrival is labelled with its tenant's name."""
    return _sorted(
        dataclasses.replace(arrival, tenant=name)
        for name, trace in traces.items()
        for arrival in trace
    )


def warp(trace: Sequence[Arrival], stretch: float) -> Trace:
    """Time runs ``stretch`` times slower: the rate is divided by it, the shape is kept."""
    _above("stretch", stretch)
    return tuple(dataclasses.replace(a, at_s=a.at_s * stretch) for a in trace)


def shift(trace: Sequence[Arrival], by_s: float) -> Trace:
    """The trace turned by ``by_s`` seconds: what runs off its end comes at its beginning."""
    if not trace:
        return ()
    length_s = math.nextafter(trace[-1].at_s, math.inf)
    return _sorted(dataclasses.replace(a, at_s=(a.at_s + by_s) % length_s) for a in trace)


def scale(trace: Sequence[Arrival], factor: float, *, seed: int, jitter_s: float = 30.0) -> Trace:
    """The rate times ``factor``, over the whole trace.

    Below 1 each request stays with that chance.  Above 1 it comes ``factor`` times in the mean:
    itself, and copies at most ``jitter_s`` away to either side, so that copies are no burst; what
    would lie outside of the trace is folded back into it.
    """
    _above("factor", factor)
    chance = _chance(seed, "scale")
    end = trace[-1].at_s if trace else 0.0
    found = []
    for arrival in trace:
        copies = int(factor) + (chance.random() < factor % 1)
        if copies:
            found.append(arrival)
        for _ in range(copies - 1):
            at = abs(arrival.at_s + chance.uniform(-jitter_s, jitter_s))
            at = max(end - abs(end - at), 0.0)
            found.append(dataclasses.replace(arrival, at_s=at))
    return _sorted(found)


def flash(
    trace: Sequence[Arrival],
    *,
    at_s: float,
    length_s: float,
    factor: float,
    seed: int,
    rise_s: float = 0.0,
) -> Trace:
    """A flash crowd: from ``at_s`` for ``length_s`` the rate is ``factor`` times what it was.

    It rises over ``rise_s`` in a straight line (0: a step), stays, and ends at once.  ``factor``
    is at least 1; lengths are those of requests that were there.  With an infinite ``length_s``
    the crowd stays.
    """
    if factor < 1:
        raise ValueError(f"factor is {factor!r}, at least 1 was expected")
    chance = _chance(seed, "flash")
    found = list(trace)
    for arrival in trace:
        since = arrival.at_s - at_s
        if not 0 <= since < length_s:
            continue
        risen = 1.0 if since >= rise_s else since / rise_s
        more = (factor - 1) * risen
        for _ in range(int(more) + (chance.random() < more % 1)):
            # Within a second, and inside of the crowd's time: a copy must not come before it.
            at = arrival.at_s + chance.uniform(-1.0, 1.0)
            at = min(max(at, at_s), math.nextafter(at_s + length_s, 0.0))
            found.append(dataclasses.replace(arrival, at_s=at))
    return _sorted(found)


def step10x(trace: Sequence[Arrival], *, seed: int) -> Trace:
    """Ten times the rate from the middle of the trace on."""
    middle = trace[-1].at_s / 2 if trace else 0.0
    return flash(trace, at_s=middle, length_s=math.inf, factor=10.0, seed=seed)


def outage(
    trace: Sequence[Arrival],
    *,
    at_s: float,
    length_s: float,
    seed: int,
    returning: float = 0.0,
    spread_s: float = 10.0,
) -> Trace:
    """Clients cannot reach the service from ``at_s`` for ``length_s``.

    ``returning`` (0 to 1) is the share of those requests that come again, within ``spread_s`` of
    the end: the herd after an outage.
    """
    if not 0 <= returning <= 1:
        raise ValueError(f"returning is {returning!r}, 0 to 1 was expected")
    chance = _chance(seed, "outage")
    found = []
    for arrival in trace:
        if not at_s <= arrival.at_s < at_s + length_s:
            found.append(arrival)
        elif chance.random() < returning:
            at = at_s + length_s + chance.uniform(0.0, spread_s)
            found.append(dataclasses.replace(arrival, at_s=at))
    return _sorted(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """A composed trace, and in ``story`` what was done, a line a step."""

    trace: Trace
    story: tuple[str, ...]


def compose(
    traces: Sequence[Sequence[Arrival]], *, seed: int, tenants_most: int = 4
) -> Composition:
    """Two to ``tenants_most`` tenants out of ``traces``, then up to three events, from ``seed``.

    A tenant is one of the traces, warped by 0.5 to 2, turned by any time, scaled by 0.3 to 2.
    All are cut to the shortest.  The events are two flash crowds of 2 to 10 times and an outage,
    in the second half (the first is warm-up); each happens with a chance of a half.
    """
    if not traces or not all(traces):
        raise ValueError("traces is empty or has a trace without requests")
    if tenants_most < 2:  # noqa: PLR2004 - said in the text
        raise ValueError(f"tenants_most is {tenants_most}, at least 2 was expected")
    chance = _chance(seed, "compose")
    story: list[str] = []
    parts: dict[str, Trace] = {}
    for number in range(chance.randint(2, tenants_most)):
        which = chance.randrange(len(traces))
        stretch, factor = chance.uniform(0.5, 2.0), chance.uniform(0.3, 2.0)
        part = warp(traces[which], stretch)
        turned = chance.uniform(0.0, part[-1].at_s)
        part = scale(shift(part, turned), factor, seed=seed * 1000 + number)
        parts[f"tenant-{number + 1}"] = part
        story.append(
            f"tenant-{number + 1}: trace {which + 1}, time x {stretch:.2f}, turned by "
            f"{turned:.0f} s, rate x {factor:.2f}"
        )
    length_s = min((part[-1].at_s for part in parts.values() if part), default=0.0)
    trace = tuple(a for a in tenants(parts) if a.at_s <= length_s)
    story.append(f"cut to {length_s:.0f} s: {len(trace)} requests")
    for number in range(3):
        at_s = chance.uniform(0.5, 0.9) * length_s
        lasts_s = chance.uniform(0.01, 0.1) * length_s
        factor, happens = chance.uniform(2.0, 10.0), chance.random()
        if happens >= 0.5:  # noqa: PLR2004 - said in the text
            continue
        if number < 2:  # noqa: PLR2004 - said in the text
            rise_s = chance.choice((0.0, lasts_s / 4))
            trace = flash(
                trace, at_s=at_s, length_s=lasts_s, factor=factor, seed=seed + number, rise_s=rise_s
            )
            story.append(
                f"flash crowd at {at_s:.0f} s for {lasts_s:.0f} s, x {factor:.1f}, rising over "
                f"{rise_s:.0f} s"
            )
        else:
            trace = outage(trace, at_s=at_s, length_s=lasts_s, seed=seed, returning=0.5)
            story.append(f"outage at {at_s:.0f} s for {lasts_s:.0f} s, half of it comes again")
    return Composition(trace=trace, story=tuple(story))


def _sorted(arrivals: Iterable[Arrival]) -> Trace:
    return tuple(sorted(arrivals, key=lambda arrival: arrival.at_s))


def _chance(seed: int, what: str) -> random.Random:
    return random.Random(f"{seed} {what}")  # noqa: S311 - seeded chance


def _above(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is {value!r}, a finite number above 0 was expected")

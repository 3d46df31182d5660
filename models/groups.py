"""Groups: requests of one workload in one second, summed together.

Rule: exact integers; tenants and variants in the order they came.  Requests of a group that has
several variants are summed a second time, by variant.
Flow: Columns -> groups -> Sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns import NOBODY, Ints
from models.rows import Part, Rows, Totals, rows_of
from models.sums import Sums

Key = tuple[str, int]
"""Workload and second."""

_DENSE = 1 << 18
"""Keys numbered by a table of all that are possible, when these are no more."""


def add_requests(parts: Sequence[Part], sums_of: Callable[[Key], Sums]) -> list[Key]:
    """Add requests to the sums of their groups, and say which groups these are.

    Parts are numbered alike and in the order of the log; at least one, and none of them empty.
    """

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([part.column(name) for part in parts])

    at, names = column("at"), parts[0].columns.names
    codes, seconds, group = _grouped(column("workload"), at.astype(np.int64))
    keys = [(names[code], second) for code, second in zip(codes, seconds, strict=True)]
    touched = [sums_of(key) for key in keys]
    reaches = np.concatenate([part.reaches() for part in parts])
    rows = rows_of(parts, group)
    divided = _divided(parts, group, touched)
    if divided is not None:
        _add_by_variant(divided, rows, reaches, touched, parts[0].columns.variants)
    requests = rows.add_to(touched)
    totals = Totals(group, len(keys))
    newest_us = totals.newest(np.rint(at * 1e6).astype(np.int64))
    told = zip(touched, requests, totals.newest(reaches), newest_us, strict=True)
    for sums, count, reach, sent_us in told:
        sums.events += count
        sums.reach = max(sums.reach, reach)
        sums.sent_us = max(sums.sent_us, sent_us)
    if any(part.columns.tenant is not None for part in parts):
        tenant = np.concatenate([part.tenant() for part in parts])
        counted = tenant != NOBODY
        if rows.ended is not None:
            counted &= rows.ended == 1
        _tenants(touched, group[counted], tenant[counted], parts[0].columns.tenants)
    return keys


def _divided(parts: Sequence[Part], group: Ints, touched: Sequence[Sums]) -> Ints | None:
    """The variant of each request that is to be added by variant, else ``NOBODY``; None: none is.

    Tells the sums what is about to come.
    """
    if all(part.columns.variant is None for part in parts):
        for sums in touched:
            if sums.variant != "":
                sums.meet("")
        return None
    names = parts[0].columns.variants
    variant = np.concatenate([part.variant() for part in parts])
    low, high = int(variant.min()), int(variant.max())
    least, most = [low] * len(touched), [high] * len(touched)
    if low != high:
        lowest, highest = np.full(len(touched), high), np.full(len(touched), low)
        np.minimum.at(lowest, group, variant)
        np.maximum.at(highest, group, variant)
        least, most = lowest.tolist(), highest.tolist()
    told = ["" if code == NOBODY else names[code] for code in least]
    mixed = [
        sums.meet(name if code == other else None)
        for sums, name, code, other in zip(touched, told, least, most, strict=True)
    ]
    return np.where(np.array(mixed)[group], variant, NOBODY) if any(mixed) else None


def _add_by_variant(
    variant: Ints, rows: Rows, reaches: Ints, touched: Sequence[Sums], names: Sequence[str]
) -> None:
    """Add the requests that have a ``variant`` here to the parts of their groups' sums."""
    chosen = np.flatnonzero(variant != NOBODY)
    pairs = rows.group[chosen] * len(names) + variant[chosen]
    distinct, first, part = np.unique(pairs, return_index=True, return_inverse=True)
    order = np.argsort(first)
    whose, which = (found.tolist() for found in np.divmod(distinct, len(names)))
    places: dict[int, dict[str, int]] = {}
    for pair, reach in zip(order.tolist(), reaches[chosen[first[order]]].tolist(), strict=True):
        places.setdefault(whose[pair], {})[names[which[pair]]] = 2 * reach
    for number, found in places.items():
        touched[number].name(found)
    targets = [
        (touched[number].parts or {}).get(names[code])
        for number, code in zip(whose, which, strict=True)
    ]
    has = np.array([target is not None for target in targets])
    held = has[part]
    targeted = (np.cumsum(has) - 1)[part]
    rows.some(chosen[held], targeted[held]).add_to([one for one in targets if one is not None])


def _grouped(workload: Ints, seconds: Ints) -> tuple[list[int], list[int], Ints]:
    """Workload and second of each group, and each request's group."""
    base = int(seconds.min())
    span = int(seconds.max()) - base + 1
    if span > _DENSE:  # Wrong clocks: only the seconds that there are.
        distinct, second = np.unique(seconds, return_inverse=True)
    else:
        distinct, second = np.arange(base, base + span), seconds - base
    key = workload * len(distinct) + second
    possible = (int(workload.max()) + 1) * len(distinct)
    if possible > _DENSE:
        keys, group = np.unique(key, return_inverse=True)
    else:
        numbers = np.zeros(possible, np.int64)
        numbers[key] = 1
        keys = np.flatnonzero(numbers)
        numbers[keys] = np.arange(len(keys))
        group = numbers[key]
    codes, which = np.divmod(keys, len(distinct))
    return codes.tolist(), distinct[which].tolist(), group


def _tenants(touched: Sequence[Sums], group: Ints, tenant: Ints, names: Sequence[str]) -> None:
    """Count tenants, of each group in the order in which they first came."""
    pairs = group * len(names) + tenant
    distinct, first, counts = np.unique(pairs, return_index=True, return_counts=True)
    order = np.argsort(first)
    whose, which = np.divmod(distinct[order], len(names))
    for number, code, count in zip(
        whose.tolist(), which.tolist(), counts[order].tolist(), strict=True
    ):
        touched[number].add_tenant(names[code], count)

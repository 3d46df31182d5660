"""Reading series: ``step,value`` CSV, NAB's ``timestamp,value``, and what single requests make.

Rule: a fault is told with file, line and what to do; a step that has no row, or an empty value,
is missing, and stays so.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lab.traces.arrival import Arrival, TraceError
from lab.traces.files import arrivals_of
from lab.traces.reading import (
    HEADERS,
    MILLISECONDS,
    REQUESTS,
    Format,
    as_number,
    as_whole,
    csv_rows,
    format_of,
    read_text,
)
from lab.traces.series import Series, series_of
from lab.traces.servegen import STEP_S as SERVEGEN_STEP_S
from lab.traces.servegen import servegen

STEP_S = 60
"""Step of a file that does not say: most published series count minutes."""

MOST_STEPS = 10_000_000
"""Steps beyond which a step number is a fault, not a long trace: 19 years of minutes."""

MOST_LOST = 0.1
"""Share of NAB's rows that clocks may push into their neighbour's step."""

_UNIX = re.compile(r"\d+(\.\d+)?")
_NAMED_STEP = re.compile(r"\.(\d{1,5})s\.")


def open_series(
    path: Path | str, *, form: Format | None = None, step_s: int | None = None, seed: int = 1
) -> Series:
    """The series in a file; None: format and step by content and name (``x.300s.csv``: 300 s).

    ``seed`` is of what a ServeGen file leaves to chance.  Raises ``TraceError`` and ``OSError``.
    """
    path = Path(path)
    text = read_text(path)
    found = form or format_of(text, str(path))
    return dataclasses.replace(_read(text, found, path, step_s, seed), form=found)


def _read(text: str, form: Format, path: Path, step_s: int | None, seed: int) -> Series:
    name, named = str(path), _NAMED_STEP.search(path.name)
    step = step_s or (int(named[1]) if named else STEP_S)
    if form in REQUESTS:
        return _counted(arrivals_of(text, name, form), step, path.name, name)
    if form == "servegen":
        if step != SERVEGEN_STEP_S:
            raise TraceError(
                f"{name}: rates of a servegen file are made into steps of {SERVEGEN_STEP_S} s, not "
                f"{step}: leave --step out, and .{step}s. out of its name"
            )
        return servegen(_rows(text, name, form), path.name, where=name, seed=seed)
    if form == "nab":
        return _nab(text, name, path.name, step_s)
    values: dict[int, float] = {}
    for line, (step_text, value) in _rows(text, name, form):
        try:
            at = as_whole(step_text)
        except ValueError:
            shown = f"{step_text[:20]!r}"
            raise TraceError(f"{name}:{line}: step is {shown}, not a whole number") from None
        if not 0 <= at < MOST_STEPS:
            raise TraceError(f"{name}:{line}: step {at} is not from 0 to {MOST_STEPS - 1}")
        if at in values:
            raise TraceError(f"{name}:{line}: step {at} is there twice; keep one of them")
        values[at] = _value(value, f"{name}:{line}")
    return _filled(values, step, path.name, name)


def _counted(arrivals: Sequence[Arrival], step_s: int, title: str, name: str) -> Series:
    """Requests by step; times that make too many steps or too few are a fault of the file."""
    last_s = arrivals[-1].at_s
    if last_s / step_s >= MOST_STEPS:
        raise TraceError(
            f"{name}: requests over {last_s:.4g} s are more than {MOST_STEPS} steps of {step_s} s: "
            "is the time of one in another unit?"
        )
    try:
        return series_of(arrivals, step_s=step_s, name=title)
    except TraceError as error:
        raise TraceError(f"{error}; give a shorter step with --step") from error


def _nab(text: str, name: str, title: str, step_s: int | None) -> Series:
    """NAB's series: the step is the commonest distance of two rows, the slots are its multiples."""
    stamps: dict[int, float] = {}
    rows = 0
    for line, (stamp, value) in _rows(text, name, "nab"):
        # Of two rows of one second (clocks are set back) the later line counts.
        rows += 1
        stamps[_second(stamp, f"{name}:{line}")] = _value(value, f"{name}:{line}")
    if len(stamps) < 2:  # noqa: PLR2004 - a distance takes two
        raise TraceError(f"{name}: {len(stamps)} rows; at least 2 are needed to know the step")
    ordered = sorted(stamps)
    distances, counts = np.unique(np.diff(ordered), return_counts=True)
    own = int(distances[counts.argmax()])
    step = step_s or own
    slots = {(at - ordered[0]) // step: stamps[at] for at in ordered}
    lost = len(stamps) - len(slots)
    if step > own or lost > MOST_LOST * len(stamps):
        raise TraceError(
            f"{name}: rows are mostly {own} s apart; in steps of {step} s {lost} of {len(stamps)} "
            f"values would be lost, since none are put together: {_or_else(step, own)}"
        )
    if max(slots) >= MOST_STEPS:
        raise TraceError(f"{name}: {max(slots)} steps of {step} s; give the step with --step")
    found = _filled(slots, step, title, name)
    return dataclasses.replace(found, replaced=rows - len(slots))


def _or_else(step: int, own: int) -> str:
    if step > own:
        return "leave --step out, or sum them first"
    return "give a shorter --step, or put them on equal steps first"


def _second(stamp: str, where: str) -> int:
    """Unix second of a time: ISO 8601 with a space or a T, UTC unless it says its zone, or Unix."""
    expected = "2014-04-10 00:04:00, 2014-04-10T00:04:00Z (or +02:00) or Unix seconds were expected"
    if _UNIX.fullmatch(stamp):
        at = float(stamp)
        if at >= MILLISECONDS:
            raise TraceError(f"{where}: timestamp is {stamp}, the year 5000 or later: {expected}")
        return int(at)
    try:
        found = dt.datetime.fromisoformat(stamp)
    except ValueError:
        raise TraceError(f"{where}: timestamp is {stamp!r}; {expected}") from None
    return math.floor((found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp())


def _filled(values: dict[int, float], step_s: int, title: str, name: str) -> Series:
    if not values:
        raise TraceError(f"{name}: no rows after the first line")
    first = min(values)
    filled = np.full(max(values) - first + 1, math.nan)
    for number, value in values.items():
        filled[number - first] = value
    return Series(name=title, step_s=step_s, values=filled)


def _rows(text: str, name: str, form: Format) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of each row after the header, which is checked."""
    expected = HEADERS[form]
    rows = csv_rows(text, name)
    first, header = next(rows)
    if tuple(field.strip() for field in header) != expected:
        raise TraceError(f"{name}:{first}: the first line of a {form} file is {','.join(expected)}")
    for line, row in rows:
        if len(row) != len(expected):
            raise TraceError(
                f"{name}:{line}: {len(row)} fields, {len(expected)} were expected: "
                f"{','.join(expected)}"
            )
        yield line, [field.strip() for field in row]


def _value(text: str, where: str) -> float:
    """A value; empty or NaN is missing."""
    if not text or text.lower() == "nan":
        return math.nan
    try:
        value = as_number(text)
    except ValueError:
        raise TraceError(
            f"{where}: value is {text!r}, not a number; leave it empty if nobody measured it"
        ) from None
    if not 0 <= value < math.inf:
        raise TraceError(f"{where}: value is {text}; demand is at least 0 and finite")
    return value

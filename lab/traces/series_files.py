"""Reading series: ``step,value`` CSV, NAB's ``timestamp,value``, and what single requests make.

Rule: a fault is told with file, line and what to do; a step that has no row, or an empty value,
is missing, and stays so.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lab.traces.arrival import TraceError
from lab.traces.files import arrivals_of
from lab.traces.reading import HEADERS, REQUESTS, Format, format_of, read_text
from lab.traces.series import Series, series_of
from lab.traces.servegen import servegen

STEP_S = 60
"""Step of a file that does not say: most published series count minutes."""

MOST_STEPS = 10_000_000
"""Steps beyond which a step number is a fault, not a long trace: 19 years of minutes."""

_NAMED_STEP = re.compile(r"\.(\d{1,5})s\.")


def open_series(
    path: Path, *, form: Format | None = None, step_s: int | None = None, seed: int = 1
) -> Series:
    """The series in a file; None: format and step by content and name (``x.300s.csv``: 300 s).

    ``seed`` is of what a ServeGen file leaves to chance.  Raises ``TraceError`` and ``OSError``.
    """
    text, name = read_text(path), str(path)
    found = form or format_of(text, name)
    named = _NAMED_STEP.search(path.name)
    step = step_s or (int(named[1]) if named else STEP_S)
    if found in REQUESTS:
        return series_of(arrivals_of(text, name, found), step_s=step, name=path.name)
    if found == "servegen":
        return servegen(_rows(text, name, found), path.name, where=name, seed=seed)
    if found == "nab":
        return _nab(text, name, path.name, step_s)
    values: dict[int, float] = {}
    for line, (step_text, value) in _rows(text, name, found):
        try:
            number = int(step_text)
        except ValueError:
            raise TraceError(f"{name}:{line}: step is {step_text!r}, not a whole number") from None
        if not 0 <= number < MOST_STEPS:
            raise TraceError(f"{name}:{line}: step {number} is not from 0 to {MOST_STEPS - 1}")
        if number in values:
            raise TraceError(f"{name}:{line}: step {number} is there twice; keep one of them")
        values[number] = _value(value, f"{name}:{line}")
    return _filled(values, step, path.name, name)


def _nab(text: str, name: str, title: str, step_s: int | None) -> Series:
    """NAB's series: the step is the commonest distance of two rows, the slots are its multiples."""
    stamps: dict[int, float] = {}
    for line, (stamp, value) in _rows(text, name, "nab"):
        try:
            at = dt.datetime.fromisoformat(stamp).replace(tzinfo=dt.UTC)
        except ValueError:
            raise TraceError(
                f"{name}:{line}: timestamp is {stamp!r}; 2014-04-10 00:04:00 was expected"
            ) from None
        # Of two rows of one second (clocks are set back) the later line counts.
        stamps[int(at.timestamp())] = _value(value, f"{name}:{line}")
    if len(stamps) < 2:  # noqa: PLR2004 - a distance takes two
        raise TraceError(f"{name}: {len(stamps)} rows; at least 2 are needed to know the step")
    ordered = sorted(stamps)
    distances = np.diff(ordered)
    step = step_s or int(np.bincount(distances).argmax())
    slots = {(at - ordered[0]) // step: stamps[at] for at in ordered}
    if max(slots) >= MOST_STEPS:
        raise TraceError(f"{name}: {max(slots)} steps of {step} s; give the step with --step")
    return _filled(slots, step, title, name)


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
    rows = csv.reader(io.StringIO(text))
    header = tuple(field.strip() for field in next(rows))
    if header != expected:
        raise TraceError(f"{name}:1: the first line of a {form} file is {','.join(expected)}")
    for row in rows:
        if not row:
            continue
        if len(row) != len(expected):
            raise TraceError(
                f"{name}:{rows.line_num}: {len(row)} fields, {len(expected)} were expected: "
                f"{','.join(expected)}"
            )
        yield rows.line_num, [field.strip() for field in row]


def _value(text: str, where: str) -> float:
    """A value; empty or NaN is missing."""
    if not text or text.lower() == "nan":
        return math.nan
    try:
        value = float(text)
    except ValueError:
        raise TraceError(
            f"{where}: value is {text!r}, not a number; leave it empty if nobody measured it"
        ) from None
    if not 0 <= value < math.inf:
        raise TraceError(f"{where}: value is {text}; demand is at least 0 and finite")
    return value

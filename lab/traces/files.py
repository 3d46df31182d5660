"""Reading single requests: Azure LLM CSV, Mooncake's JSON lines, and our own.

Rule: a fault is told with file, line and field; nothing is repaired.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from lab.traces.arrival import Arrival, TraceError
from lab.traces.reading import (
    FIELDS,
    HEADERS,
    MILLISECONDS,
    REQUESTS,
    Format,
    as_number,
    as_whole,
    csv_rows,
    format_of,
    text_of,
)

SHIPPED = "azure_llm_code_2023.csv.gz"
"""The trace that ships: one hour of a code service, 8,819 requests (see data/ATTRIBUTION.md)."""


def open_trace(path: Path | str | None = None, form: Format | None = None) -> tuple[Arrival, ...]:
    """Arrivals of a trace file, in order; None: the shipped trace, or the format by its content.

    Raises ``TraceError`` with file, line and reason, and ``OSError``.
    """
    if path is None:
        raw = (resources.files("lab.traces") / "data" / SHIPPED).read_bytes()
        name = SHIPPED
    else:
        raw = Path(path).read_bytes()
        name = str(path)
    text = text_of(raw, name)
    return arrivals_of(text, name, form or format_of(text, name))


def arrivals_of(text: str, name: str, form: Format) -> tuple[Arrival, ...]:
    """Arrivals in a text, in order.  Raises ``TraceError``."""
    if form not in REQUESTS:
        raise TraceError(
            f"{name}: a {form} file has no single requests; formats that do are "
            f"{', '.join(sorted(REQUESTS))}"
        )
    timed = list(_azure(text, name) if form == "azure-llm" else _json_lines(text, name, form))
    if not timed:
        raise TraceError(f"{name}: no requests in it")
    timed.sort(key=lambda row: row[0])
    begin = timed[0][0]
    return tuple(
        Arrival(at_s=at - begin, tokens_in=tokens_in, tokens_out=tokens_out)
        for at, tokens_in, tokens_out in timed
    )


def _azure(text: str, name: str) -> Iterator[tuple[float, int, int]]:
    rows = csv_rows(text, name)
    expected = HEADERS["azure-llm"]
    first, header = next(rows)
    if tuple(field.strip() for field in header) != expected:
        raise TraceError(f"{name}:{first}: the first line must be {','.join(expected)}")
    for line, row in rows:
        where = f"{name}:{line}"
        if len(row) != len(expected):
            raise TraceError(
                f"{where}: {len(row)} fields, {len(expected)} were expected: {','.join(expected)}"
            )
        stamp, context, generated = row
        try:
            at = dt.datetime.fromisoformat(stamp.strip()[:26]).replace(tzinfo=dt.UTC).timestamp()
        except ValueError:
            raise TraceError(
                f"{where}: TIMESTAMP is {stamp!r}; 2023-11-16 18:15:46.680590 was expected"
            ) from None
        yield at, _tokens(context, expected[1], where), _tokens(generated, expected[2], where)


def _json_lines(text: str, name: str, form: Format) -> Iterator[tuple[float, int, int]]:
    when, tokens_in, tokens_out = FIELDS[form]
    unit, unit_s = ("milliseconds", 1e-3) if form == "mooncake" else ("seconds", 1.0)
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        record = _record(line, form, where)
        try:
            at, prompt, completion = record[when], record[tokens_in], record[tokens_out]
        except KeyError as error:
            raise TraceError(
                f"{where}: field {error} is missing; {', '.join(FIELDS[form])} were expected"
            ) from error
        at_s = _finite(at) * unit_s
        if not 0 <= at_s < math.inf:
            raise TraceError(
                f"{where}: {when} is {at!r}; a number of {unit}, 0 or more, was expected"
            )
        if at_s > MILLISECONDS:
            raise TraceError(
                f"{where}: {when} is {at!r} {unit}, which is after the year 5000; milliseconds are "
                "to be divided by 1000 (a file of Mooncake's fields has them)"
            )
        yield at_s, _tokens(prompt, tokens_in, where), _tokens(completion, tokens_out, where)


def _record(line: str, form: Format, where: str) -> dict[str, object]:
    expected = f"an object with {', '.join(FIELDS[form])} was expected"
    try:
        record = json.loads(line)
    except ValueError as error:
        raise TraceError(f"{where}: not JSON ({error}); {expected}") from error
    if not isinstance(record, dict):
        raise TraceError(f"{where}: {expected}, not {line.strip()[:40]}")
    return record


def _finite(value: object) -> float:
    """A number, also as text; -1 for what is none."""
    try:
        return as_number(str(value))
    except ValueError:
        return -1.0


def _tokens(value: object, field: str, where: str) -> int:
    text = str(value).strip()
    try:
        number = as_whole(text)
    except ValueError:
        number = -1
    if number < 0:
        shown = repr(value)[:40]
        raise TraceError(f"{where}: {field} is {shown}; a whole number, 0 or more, was expected")
    return number

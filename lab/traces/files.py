"""Reading single requests: Azure LLM CSV, Mooncake's JSON lines, and our own.

Rule: a fault is told with file, line and field; nothing is repaired.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from lab.traces.arrival import Arrival, TraceError
from lab.traces.reading import FIELDS, HEADERS, REQUESTS, Format, format_of, text_of

SHIPPED = "azure_llm_code_2023.csv.gz"
"""The trace that ships: one hour of a code service, 8,819 requests (see data/ATTRIBUTION.md)."""


def open_trace(path: Path | None = None, form: Format | None = None) -> tuple[Arrival, ...]:
    """Arrivals of a trace file, in order; None: the shipped trace, or the format by its content.

    Raises ``TraceError`` with file, line and reason, and ``OSError``.
    """
    if path is None:
        raw = (resources.files("lab.traces") / "data" / SHIPPED).read_bytes()
        name = SHIPPED
    else:
        raw = path.read_bytes()
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
    rows = csv.reader(io.StringIO(text))
    header = next(rows)
    if tuple(header) != HEADERS["azure-llm"]:
        raise TraceError(f"{name}:1: the first line must be {','.join(HEADERS['azure-llm'])}")
    for row in rows:
        try:
            stamp, context, generated = row
            at = dt.datetime.fromisoformat(stamp.strip()[:26]).replace(tzinfo=dt.UTC).timestamp()
            yield at, _tokens(context), _tokens(generated)
        except ValueError as error:
            raise TraceError(f"{name}:{rows.line_num}: {error}") from error


def _json_lines(text: str, name: str, form: Format) -> Iterator[tuple[float, int, int]]:
    when, tokens_in, tokens_out = FIELDS[form]
    unit, unit_s = ("milliseconds", 1e-3) if form == "mooncake" else ("seconds", 1.0)
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            at = float(record[when])
            if not 0 <= at < float("inf"):
                msg = f"{when} is {record[when]!r}, a finite number of {unit} was expected"
                raise ValueError(msg)  # noqa: TRY301 - told with file and line below
            yield at * unit_s, _tokens(record[tokens_in]), _tokens(record[tokens_out])
        except KeyError as error:
            raise TraceError(f"{name}:{number}: field {error} is missing") from error
        except (ValueError, TypeError) as error:
            raise TraceError(f"{name}:{number}: {error}") from error


def _tokens(value: object) -> int:
    count = int(str(value))
    if count < 0:
        msg = f"a token count is negative: {count}"
        raise ValueError(msg)
    return count

"""Reading trace files: Azure LLM CSV, and JSON lines with at, tokens_in, tokens_out.

Rule: the format is told by the first line; ``.gz`` is read as it is.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from lab.traces.arrival import Arrival, TraceError

SHIPPED = "azure_llm_code_2023.csv.gz"
"""The trace that ships: one hour of a code service, 8,819 requests (see data/ATTRIBUTION.md)."""

AZURE_HEADER = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"]


def open_trace(path: Path | None = None) -> tuple[Arrival, ...]:
    """Arrivals of a trace file, in order; None: the shipped trace.

    Raises ``TraceError`` with file, line and reason, and ``OSError``.
    """
    if path is None:
        raw = (resources.files("lab.traces") / "data" / SHIPPED).read_bytes()
        name = SHIPPED
    else:
        raw = path.read_bytes()
        name = str(path)
    try:
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8")
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        msg = f"{name}: not text: {error}"
        raise TraceError(msg) from error
    first = text.lstrip()[:1]
    if first == "":
        msg = f"{name}: the file is empty"
        raise TraceError(msg)
    timed = list(_json_lines(text, name) if first == "{" else _azure(text, name))
    if not timed:
        msg = f"{name}: no requests in it"
        raise TraceError(msg)
    timed.sort(key=lambda row: row[0])
    begin = timed[0][0]
    return tuple(
        Arrival(at_s=at - begin, tokens_in=tokens_in, tokens_out=tokens_out)
        for at, tokens_in, tokens_out in timed
    )


def _azure(text: str, name: str) -> Iterator[tuple[float, int, int]]:
    rows = csv.reader(io.StringIO(text))
    header = next(rows)
    if header != AZURE_HEADER:
        msg = (
            f"{name}:1: neither an Azure LLM trace ({','.join(AZURE_HEADER)}) nor JSON lines with "
            "at, tokens_in, tokens_out"
        )
        raise TraceError(msg)
    for row in rows:
        try:
            stamp, context, generated = row
            at = dt.datetime.fromisoformat(stamp.strip()[:26]).replace(tzinfo=dt.UTC).timestamp()
            yield at, _tokens(context), _tokens(generated)
        except ValueError as error:
            msg = f"{name}:{rows.line_num}: {error}"
            raise TraceError(msg) from error


def _json_lines(text: str, name: str) -> Iterator[tuple[float, int, int]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            at = float(record["at"])
            if not 0 <= at < float("inf"):
                msg = f"at is {record['at']!r}, a finite number of seconds was expected"
                raise ValueError(msg)  # noqa: TRY301 - told with file and line below
            yield at, _tokens(record["tokens_in"]), _tokens(record["tokens_out"])
        except KeyError as error:
            msg = f"{name}:{number}: field {error} is missing"
            raise TraceError(msg) from error
        except (ValueError, TypeError) as error:
            msg = f"{name}:{number}: {error}"
            raise TraceError(msg) from error


def _tokens(value: object) -> int:
    count = int(str(value))
    if count < 0:
        msg = f"a token count is negative: {count}"
        raise ValueError(msg)
    return count

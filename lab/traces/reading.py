"""Text of a trace file, and which format it is in.

Rule: the format is told by the first line that has anything in it, never by the file's name;
``.gz`` is read as it is.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, cast, get_args

from lab.traces.arrival import TraceError

Format = Literal["azure-llm", "mooncake", "json-lines", "servegen", "series", "nab"]

FORMATS: tuple[str, ...] = get_args(Format)

REQUESTS: frozenset[str] = frozenset({"azure-llm", "mooncake", "json-lines"})
"""Formats that have single requests; the others are series."""

HEADERS: dict[str, tuple[str, ...]] = {
    "azure-llm": ("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
    "servegen": ("client", "start_s", "rate_per_s", "iat_cv"),
    "series": ("step", "value"),
    "nab": ("timestamp", "value"),
}
"""First line of the formats that are CSV."""

MILLISECONDS = 1e11
"""From here on Unix seconds are the year 5138, and Unix milliseconds 1973."""

FIELDS: dict[str, tuple[str, ...]] = {
    "json-lines": ("at", "tokens_in", "tokens_out"),
    "mooncake": ("timestamp", "input_length", "output_length"),
}
"""Fields of the formats that are JSON lines: seconds in the first, milliseconds in the second."""


_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


def as_number(text: str) -> float:
    """Raises ``ValueError``: no number, or one like 1_000, which Python alone understands."""
    if "_" in text:
        raise ValueError(text)
    return float(text)


def as_whole(text: str) -> int:
    """Raises ``ValueError``: no whole number of at most 18 digits, which is more than there are."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def text_of(raw: bytes, name: str) -> str:
    """The text of a file's bytes, unpacked.  Raises ``TraceError``: not text, or empty."""
    try:
        unpacked = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TraceError(
            f"{name}: begins as gzip and is broken or cut short ({error}); pack it anew, or give "
            "it unpacked"
        ) from error
    try:
        text = unpacked.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = unpacked.count(b"\n", 0, error.start) + 1
        raise TraceError(
            f"{name}:{line}: not UTF-8 text; a trace is CSV or JSON lines, plain or gzipped"
        ) from error
    if not text.strip():
        raise TraceError(f"{name}: the file is empty; a trace is CSV or JSON lines")
    return text


def csv_rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of each row that has any, the header's included.  Raises ``TraceError``."""
    rows = csv.reader(io.StringIO(text, newline=None))
    try:
        for row in rows:
            if row:
                yield rows.line_num, row
    except csv.Error as error:
        raise TraceError(f"{name}:{rows.line_num}: not CSV: {error}") from error


def read_text(path: Path) -> str:
    """The text of a file.  Raises ``TraceError`` and ``OSError``."""
    return text_of(path.read_bytes(), str(path))


def format_of(text: str, name: str) -> Format:
    """The format that a text is in.

    Raises ``TraceError`` with what there is to choose from when it is none of them.
    """
    first = next(line for line in text.splitlines() if line.strip()).strip()
    if first.startswith("{"):
        return _json_format(first, name)
    header = tuple(field.strip().strip('"') for field in first.split(","))
    for known, expected in HEADERS.items():
        if header == expected:
            return cast("Format", known)
        if set(header) > set(expected):
            more = [column for column in header if column not in expected]
            raise TraceError(
                f"{name}:1: column {', '.join(map(repr, more))} is not known; a {known} file has "
                f"{','.join(expected)} and nothing else"
            )
    raise TraceError(
        f"{name}:1: neither an Azure LLM trace ({','.join(HEADERS['azure-llm'])}) nor JSON lines "
        f"with {', '.join(FIELDS['json-lines'])} (or Mooncake's {', '.join(FIELDS['mooncake'])}), "
        f"nor CSV that begins with {','.join(HEADERS['series'])} or {','.join(HEADERS['nab'])} or "
        f"{','.join(HEADERS['servegen'])}; give the file one of these first lines, or say which "
        f"it is with --format {'|'.join(FORMATS)}"
    )


def _json_format(first: str, name: str) -> Format:
    try:
        record = json.loads(first)
    except ValueError as error:
        raise TraceError(f"{name}:1: begins like JSON lines and is none: {error}") from error
    return "mooncake" if "input_length" in record else "json-lines"

"""Which traces the document is made of: those that ship, and a folder of the reader's own.

Rule: a trace that may not ship is never copied, only read, and its rows say so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from lab.traces import Series, TraceError, open_series

DATA = Path(str(resources.files("lab.traces") / "data"))

SHIPPED: Mapping[str, str] = {
    "azure-conv-2024": "azure_llm_conv_2024_digitised.60s.csv.gz",
    "servegen": "servegen_m-large_days1-7.60s.csv.gz",
    "servegen-24": "servegen_m-large_24clients_days1-7.csv.gz",
    "nab-elb": "nab_elb_request_count_8c0756.csv.gz",
    "azure-conv-2023": "azure_llm_conv_2023.csv.gz",
    "azure-code-2023": "azure_llm_code_2023.csv.gz",
    "mooncake": "mooncake_conversation.jsonl.gz",
}
"""Names in the document, and files of ``lab/traces/data`` (see its ATTRIBUTION.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A trace by its name in the document; ``digest`` is of the file's bytes."""

    name: str
    path: Path
    shipped: bool
    digest: str
    about: str
    length_s: int

    def series(self) -> Series:
        """The whole series, under the file's name."""
        return open_series(self.path)


def shipped(names: Sequence[str] = tuple(SHIPPED)) -> list[Source]:
    """Those of ``SHIPPED``, in that order."""
    return [
        _source(name, DATA / SHIPPED[name], open_series(DATA / SHIPPED[name])) for name in names
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file of the reader's that has no rows; ``demandless`` is a series, and not of demand."""

    name: str
    why: str
    demandless: bool = False


def added(folder: Path) -> Iterator[Source | LeftOut]:
    """Of a folder the traces that do not ship, and for other files why they are left out.

    Left out are files that are no trace, traces that ship under another name, and series that
    are no counts: a utilisation is not demand.
    """
    known = [source.series() for source in shipped()]
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            series = open_series(path)
        except (TraceError, OSError) as error:
            yield LeftOut(name=path.name, why=f"no trace: {error}")
            continue
        if any(_same(series, other) for other in known):
            yield LeftOut(name=path.name, why="ships already")
        elif not series.whole:
            why = "its values are no whole numbers, so no counts of requests"
            yield LeftOut(name=path.name, why=why, demandless=True)
        else:
            yield _source(path.name.split(".")[0], path, series, is_shipped=False)


def _source(name: str, path: Path, series: Series, *, is_shipped: bool = True) -> Source:
    length = series.length_s
    hours = f"{length / 3600:.3g} h" if length < 2 * 86_400 else f"{length / 86_400:.3g} days"
    return Source(
        name=name,
        path=path,
        shipped=is_shipped,
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        about=f"{hours} in steps of {series.step_s} s",
        length_s=length,
    )


def _same(one: Series, other: Series) -> bool:
    return one.step_s == other.step_s and np.array_equal(one.values, other.values, equal_nan=True)

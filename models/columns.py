"""Columns: the events of many messages side by side, so that folding them costs per group.

Rule: order is the log's; what an event did not say has a value that no event can say (``UNSAID``,
``NOBODY``), and is never counted.
Flow: scan or codec -> Columns -> BlockFold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from models.domain.telemetry import ReplicaReport, Request, Resource, Telemetry

UNSAID = -1
"""A latency or token count that the event did not say: numbers of events are never negative."""

NOBODY = -1
"""The number of the tenant, or variant, of an event that named none."""

UNKNOWN = -1
"""The number of a name that is not valid."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Numbering:
    """Numbers for names, in the order they first came; ``names`` only grows."""

    def __init__(self, valid: Callable[[str], bool] | None = None) -> None:
        """``valid`` says whether a name may be had at all; None: any may."""
        self._valid = valid
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The number of a name, checked when it is new; ``UNKNOWN`` when it is not valid."""
        found = self._numbers.get(name)
        if found is None:
            if self._valid is not None and not self._valid(name):
                return UNKNOWN
            found = self._numbers[name] = len(self.names)
            self.names.append(name)
        return found

    def numbers(self, names: Sequence[str]) -> Ints:
        """The number of each."""
        try:
            return np.fromiter(map(self._numbers.__getitem__, names), np.int64, len(names))
        except KeyError:
            return np.fromiter(map(self.number, names), np.int64, len(names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Requests in log order, all columns of one length, and the few events of other kinds.

    ``message`` is the index of the message a request came in, never falling; ``workload`` an
    index into ``names``, ``tenant`` one into ``tenants`` or ``NOBODY``, ``variant`` one into
    ``variants`` or ``NOBODY`` (an empty name is none); each list may hold more, and may grow.
    ``at`` is Unix seconds; ``latency_s``, ``tokens_in`` and ``tokens_out`` are ``UNSAID`` or at
    least 0.  ``started``, ``opens`` (a session), ``failed`` (the status), ``tenant`` and
    ``variant`` are None when all requests are finished, none opens one, all are ok, or none names
    a tenant or a variant.  ``others`` are (message, event), in log order.
    """

    names: Sequence[str]
    tenants: Sequence[str]
    variants: Sequence[str]
    workload: Ints
    message: Ints
    at: Floats
    latency_s: Floats
    tokens_in: Ints
    tokens_out: Ints
    started: Bools | None
    opens: Bools | None
    failed: tuple[Bools, Bools] | None
    """(status is error, status is dropped)"""
    tenant: Ints | None
    variant: Ints | None
    others: Sequence[tuple[int, Resource | ReplicaReport]]

    def __len__(self) -> int:
        """Number of events of all kinds."""
        return len(self.workload) + len(self.others)


@dataclass(slots=True)
class ColumnBuilder:
    """Lists that grow, then ``build``."""

    workload: list[str] = field(default_factory=list)
    message: list[int] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    tokens_in: list[int] = field(default_factory=list)
    tokens_out: list[int] = field(default_factory=list)
    phase: list[str] = field(default_factory=list)
    opens: list[bool] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    tenant: list[str | None] = field(default_factory=list)
    variant: list[str | None] = field(default_factory=list)
    others: list[tuple[int, Resource | ReplicaReport]] = field(default_factory=list)

    def add(self, message: int, events: Iterable[Telemetry]) -> None:
        """Add the events of one message; ``message`` never falls from call to call."""
        for event in events:
            if not isinstance(event, Request):
                self.others.append((message, event))
                continue
            self.workload.append(event.workload)
            self.message.append(message)
            self.at.append(event.at)
            self.latency_s.append(UNSAID if event.latency_s is UNSET else event.latency_s)
            self.tokens_in.append(UNSAID if event.tokens_in is UNSET else event.tokens_in)
            self.tokens_out.append(UNSAID if event.tokens_out is UNSET else event.tokens_out)
            self.phase.append(event.phase)
            self.opens.append(event.opens_session is True)
            self.status.append(event.status)
            self.tenant.append(None if event.tenant is UNSET else event.tenant)
            self.variant.append(None if event.variant is UNSET else event.variant or None)

    def build(
        self,
        workloads: Numbering | None = None,
        tenants: Numbering | None = None,
        variants: Numbering | None = None,
    ) -> Columns:
        """The columns of what was added; numbers are those given, or begin anew."""
        workloads, tenants = workloads or Numbering(), tenants or Numbering()
        variants = variants or Numbering()
        n = len(self.workload)
        all_finished = self.phase.count("finished") == n
        all_ok = self.status.count("ok") == n
        return Columns(
            names=workloads.names,
            tenants=tenants.names,
            variants=variants.names,
            workload=workloads.numbers(self.workload),
            message=np.array(self.message, np.int64),
            at=np.array(self.at, np.float64),
            latency_s=np.array(self.latency_s, np.float64),
            tokens_in=np.array(self.tokens_in, np.int64),
            tokens_out=np.array(self.tokens_out, np.int64),
            started=None if all_finished else np.array(self.phase) == "started",
            opens=np.array(self.opens) if any(self.opens) else None,
            failed=None if all_ok else _failed(self.status),
            tenant=_named(self.tenant, tenants),
            variant=_named(self.variant, variants),
            others=self.others,
        )


def _named(names: list[str | None], numbering: Numbering) -> Ints | None:
    if names.count(None) == len(names):
        return None
    return np.array([NOBODY if name is None else numbering.number(name) for name in names])


def _failed(status: list[str]) -> tuple[Bools, Bools]:
    column = np.array(status)
    return column == "error", column == "dropped"


def together(parts: Sequence[Columns]) -> Columns:
    """Parts whose names are numbered alike, as one, in the order of their messages.

    At least one part; no message is in two of them.
    """
    if len(parts) == 1:
        return parts[0]
    message = np.concatenate([part.message for part in parts])
    falls = bool(np.any(message[1:] < message[:-1]))
    order = np.argsort(message, kind="stable") if falls else None

    def all_of(columns: Sequence[NDArray[Any] | None], unsaid: int) -> NDArray[Any] | None:
        told = next((column for column in columns if column is not None), None)
        if told is None:
            return None
        full = [
            np.full(len(part.message), unsaid, told.dtype) if column is None else column
            for part, column in zip(parts, columns, strict=True)
        ]
        found = np.concatenate(full)
        return found if order is None else found[order]

    def column(name: str) -> NDArray[Any]:
        found = all_of([getattr(part, name) for part in parts], UNSAID)
        assert found is not None  # noqa: S101 - every part has these
        return found

    error, dropped = (
        all_of([None if part.failed is None else part.failed[side] for part in parts], 0)
        for side in (0, 1)
    )
    others = [other for part in parts for other in part.others]
    return Columns(
        names=parts[0].names,
        tenants=parts[0].tenants,
        variants=parts[0].variants,
        workload=column("workload"),
        message=message if order is None else message[order],
        at=column("at"),
        latency_s=column("latency_s"),
        tokens_in=column("tokens_in"),
        tokens_out=column("tokens_out"),
        started=all_of([part.started for part in parts], 0),
        opens=all_of([part.opens for part in parts], 0),
        failed=None if error is None or dropped is None else (error, dropped),
        tenant=all_of([part.tenant for part in parts], NOBODY),
        variant=all_of([part.variant for part in parts], NOBODY),
        others=sorted(others, key=lambda other: other[0]),
    )

"""Columns: the events of many messages side by side, so that folding them costs per group.

Rule: order is the log's; what an event did not say has a value that no event can say (``UNSAID``,
``NOBODY``), and is never counted.
Flow: codec -> ColumnBuilder -> Columns -> BlockFold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from models.domain.telemetry import ReplicaReport, Request, Resource, Telemetry

UNSAID = -1
"""A latency or token count that the event did not say: numbers of events are never negative."""

NOBODY = "\0" * 254
"""The tenant of an event that named none: longer than a tenant's name may be."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Requests in log order, all columns of one length, and the few events of other kinds.

    ``message`` is the index of the message a request came in, never falling; ``workload`` an
    index into ``names``; ``at`` Unix seconds; ``latency_s``, ``tokens_in`` and ``tokens_out`` are
    ``UNSAID`` or at least 0.  ``started``, ``failed`` (the status) and ``tenants`` are None when
    all requests are finished, all are ok, or none names a tenant.  ``others`` are (message,
    event), in log order.
    """

    names: Sequence[str]
    workload: Ints
    message: Ints
    at: Floats
    latency_s: Floats
    tokens_in: Ints
    tokens_out: Ints
    started: NDArray[np.bool_] | None
    failed: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None
    """(status is error, status is dropped)"""
    tenants: Sequence[str] | None
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
    status: list[str] = field(default_factory=list)
    tenant: list[str] = field(default_factory=list)
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
            self.status.append(event.status)
            self.tenant.append(NOBODY if event.tenant is UNSET else event.tenant)

    def build(self) -> Columns:
        """The columns of what was added."""
        codes = dict.fromkeys(self.workload)
        names = list(codes)
        numbered = {name: code for code, name in enumerate(names)}
        n = len(self.workload)
        all_finished = self.phase.count("finished") == n
        all_ok = self.status.count("ok") == n
        return Columns(
            names=names,
            workload=np.fromiter(map(numbered.__getitem__, self.workload), np.int64, n),
            message=np.array(self.message, np.int64),
            at=np.array(self.at, np.float64),
            latency_s=np.array(self.latency_s, np.float64),
            tokens_in=np.array(self.tokens_in, np.int64),
            tokens_out=np.array(self.tokens_out, np.int64),
            started=None if all_finished else np.array(self.phase) == "started",
            failed=None if all_ok else _failed(self.status),
            tenants=None if self.tenant.count(NOBODY) == n else self.tenant,
            others=self.others,
        )


def _failed(status: list[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    column = np.array(status)
    return column == "error", column == "dropped"

"""What a batch decodes to is what its messages decode to one by one, however they are cut."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.columns import NOBODY, ColumnBuilder, Columns
from streams import codec
from streams.telemetry import TelemetryDecoder, _join

GOOD = {"v": 1, "kind": "request", "workload": "prod/bot", "at": 100.0, "latency_s": 0.5}
POD = {"v": 1, "kind": "resource", "workload": "prod/bot", "at": 100.0, "pod": "p", "in_flight": 2}


def line(base: dict[str, Any] = GOOD, **changes: Any) -> bytes:
    return json.dumps({**base, **changes}, separators=(",", ":")).encode()


HALF = line()[:60]
MESSAGES: list[bytes | None] = [
    line(),
    line(phase="started", tokens_in=7),
    line(status="error", tenant="acme"),
    line(tenant=""),
    line(POD),
    b"[" + line() + b"," + line(POD) + b"]",
    b"[" + line() + b"," + line() + b"," + line() + b"]",
    b"[]",
    b"[" + line(v=2) + b"," + line() + b"]",
    json.dumps(GOOD, indent=1).encode(),
    b" " + line() + b"\n",
    line(colour="blue"),
    line(tenant=None),
    line(tenant="x" * 254),
    line(at=1e9),
    line(latency_s=-1),
    line(latency_s=2e6),
    line(tokens_in=-1),
    line(workload="Prod Bot"),
    line(workload="prod/bot\n"),
    line(workload="x"),
    b"",
    None,
    b"hello",
    b"\xff\xfe",
    # Halves that are only whole together, and wholes that are two.
    HALF,
    line()[60:],
    line() + b"," + line(),
    line() + b",\n" + line(),
    line() + b"}",
    b"{" + line(),
    line(session="a")[:-2],
    b'{y"},' + line(),
]


def one_by_one(values: list[bytes | None], appended_at: float) -> tuple[Columns, list[Any], Any]:
    builder, rejected, unknown = ColumnBuilder(), [], {}
    for number, value in enumerate(values):
        decoded = codec.telemetry(value, appended_at)
        builder.add(number, decoded.events)
        rejected += [(number, fault) for fault in decoded.rejected]
        for name, count in decoded.unknown.items():
            unknown[name] = unknown.get(name, 0) + count
    return builder.build(), rejected, unknown


def told(columns: Columns) -> list[Any]:
    """Everything a fold could see of columns."""
    n = len(columns.workload)
    nobody = [NOBODY] * n
    failed = columns.failed or (np.zeros(n, bool), np.zeros(n, bool))
    started = np.zeros(n, bool) if columns.started is None else columns.started
    rows = zip(
        [columns.names[code] for code in columns.workload],
        *(getattr(columns, name).tolist() for name in ("message", "at", "latency_s")),
        *(getattr(columns, name).tolist() for name in ("tokens_in", "tokens_out")),
        started.tolist(),
        failed[0].tolist(),
        failed[1].tolist(),
        columns.tenants or nobody,
        strict=True,
    )
    others = [(number, event.workload, event.at) for number, event in columns.others]
    return [*rows, *others]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=12))
def test_together_as_one_by_one(values: list[bytes | None]) -> None:
    wanted, rejected, unknown = one_by_one(values, 100.0)
    decoder = TelemetryDecoder()
    for _ in range(2):  # What it remembers of the first time changes nothing.
        found = decoder.decode(values, np.full(len(values), 100.0))
        assert told(found.columns) == told(wanted)
        assert list(found.rejected) == rejected
        assert dict(found.unknown) == unknown


@pytest.mark.parametrize("arrays", [False, True])
def test_good_messages_take_the_fast_path(*, arrays: bool) -> None:
    value = b"[" + line() + b"," + line() + b"]" if arrays else line()
    joined, are_arrays = _join([value, value, value])
    assert joined is not None
    assert are_arrays is arrays
    found = TelemetryDecoder().decode([value] * 5000, np.full(5000, 100.0))
    assert len(found.columns) == 5000 * (2 if arrays else 1)


def test_each_message_is_judged_by_its_own_append_time() -> None:
    found = TelemetryDecoder().decode([line(at=150.0), line(at=150.0)], np.array([100.0, 80.0]))
    assert found.columns.message.tolist() == [0]
    ((message, (_, field, _)),) = found.rejected
    assert (message, field) == (1, "$.at")

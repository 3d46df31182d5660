"""What a batch decodes to is what its messages decode to one by one, however they are cut."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.columns import NOBODY, ColumnBuilder, Columns
from streams import codec, telemetry
from streams.telemetry import TelemetryDecoder

GOOD = {"v": 1, "kind": "request", "workload": "prod/bot", "at": 100.0, "latency_s": 0.5}
POD = {"v": 1, "kind": "resource", "workload": "prod/bot", "at": 100.0, "pod": "p", "in_flight": 2}


def line(base: dict[str, Any] = GOOD, **changes: Any) -> bytes:
    return json.dumps({**base, **changes}, separators=(",", ":")).encode()


HALF = line()[:60]
SPELLED = json.dumps(GOOD).encode()
MESSAGES: list[bytes | None] = [
    line(),
    line(phase="started", tokens_in=7),
    line(phase="started", opens_session=True),
    line(phase="started", opens_session=False),
    line(phase="started", opens_session=1),
    line(phase="started", opens_session="true"),
    line(opens_session=True),
    line(status="error", tenant="acme"),
    line(tenant=""),
    line(variant=""),
    line(variant="", tenant="acme"),
    line(variant="acme", tenant="acme"),
    line(phase="started", variant="fast"),
    line(variant=None),
    line(variant=7),
    line(variant="v" * 63),
    line(variant="v" * 64),
    line(variant="v" * 253),
    line(variant="v" * 254),
    line(variant="\u00fc"),
    line(variant='say "hi"'),
    b"[" + line(variant="") + b"," + line(variant="fast") + b"," + line() + b"]",
    line(POD, variant="fast"),
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
    # Spelled in other ways, all valid.
    SPELLED,
    b"[" + SPELLED + b", " + SPELLED + b"]",
    b"[" + line() + b"," + SPELLED + b"]",
    b"[ " + line() + b"]",
    b"[" + line() + b" ]",
    line(latency_s=0),
    line(latency_s=1e6, tokens_in=10**12, tokens_out=0),
    line(latency_s=1e-7),
    line(latency_s=0.123456789012345678, at=100.12345678901234),
    line(variant="v", pod="p{1}", session="},{", tenant="[]"),
    line(session="s" * 253, tenant="t" * 253),
    line(tenant="t" * 63),
    line(tenant="t" * 64),
    line(workload=f"prod/{'b' * 200}"),
    line(tenant="\u00fc"),
    json.dumps({**GOOD, "tenant": "m\u00fcnch"}, ensure_ascii=False).encode(),
    line(tenant='say "hi"'),
    line(tenant="\x7f"),
    b"[" + line(session="a},{b") + b"," + line() + b"]",
    b"[" + line() + b"," + line(tenant="\u00e9") + b"," + line(at=1e9) + b"]",
    # Almost valid, each in one way.
    line()[:-1] + b',"at":101.0}',
    line()[:-1] + b',"tokens_in":5,"tokens_in":6}',
    line().replace(b"0.5", b"00.5"),
    line().replace(b"0.5", b"0."),
    line().replace(b"0.5", b".5"),
    line().replace(b"0.5", b"+0.5"),
    line().replace(b"0.5", b"-0.0"),
    line().replace(b"0.5", b"NaN"),
    line().replace(b"0.5", b"1e999"),
    line().replace(b"0.5", b"0.5e0"),
    line().replace(b"0.5", b"1" * 30),
    line().replace(b"0.5", b"0." + b"1" * 30),
    line().replace(b"100.0", b"100"),
    line().replace(b"100.0", b"0100"),
    line().replace(b"100.0", b'"100.0"'),
    line().replace(b"100.0", b"160.0001"),
    line(tokens_in=10**12 + 1),
    line(tokens_in=10**20),
    line(tokens_in=True),
    line(tokens_in=7).replace(b"7", b"7.0"),
    line(tokens_in=7).replace(b"7", b"7.5"),
    line(tokens_in=7).replace(b"7", b"07"),
    line(v=True),
    line().replace(b'"v":1', b'"v":1.0'),
    line().replace(b'"v":1,', b""),
    line(session="tab\t").replace(b"\\t", b"\t"),
    line(session="x").replace(b'"x"', b'"\xc3\x28"'),
    line(session="x").replace(b'"x"', b'"\x00"'),
    line(pod={"a": 1}),
    line(tenant=["a"]),
    line(phase="begun"),
    line(status="Ok"),
    line(workload="prod/bot\x00"),
    line(workload="prod/-bot"),
    line() + b"\x00",
    line() + b"\r\n",
    line() + line(),
    HALF + HALF,
    b"[" + line() + b",]",
    b"[" + line() + line() + b"]",
    b"[" + line() + b";" + line() + b"]",
    b"[" + line() + b"," + line(),
    b"[" + line() + b"]]",
    b"[[" + line() + b"]]",
    b"[" + line() + b",null]",
    b"[" + line() + b"," + line(POD) + b"," + line(workload="X") + b"]",
]

EVENT = st.fixed_dictionaries(
    {
        "v": st.just(1),
        "kind": st.just("request"),
        "workload": st.sampled_from(["prod/bot", "a/b", "prod/a-much-longer-name.of-one"]),
        "at": st.one_of(st.floats(0, 160), st.integers(0, 160), st.just(100.123)),
    },
    optional={
        "phase": st.sampled_from(["started", "finished"]),
        "latency_s": st.one_of(st.floats(0, 2), st.integers(0, 10**6), st.just(0.8453)),
        "tokens_in": st.integers(0, 10**12),
        "tokens_out": st.integers(0, 900),
        "status": st.sampled_from(["ok", "error", "dropped"]),
        "tenant": st.sampled_from(["", "acme", "a,b", "x" * 63, "\u00fc", "\\"]),
        "variant": st.sampled_from(
            ["", "fast", "fast\u00e9", "a-longer-name-of-a-variant", "v" * 64]
        ),
        "session": st.text(max_size=20),
        "opens_session": st.booleans(),
        "pod": st.just("pod-1"),
    },
)
SIGNS = b'{}[]",:.0123456789eE+-\\ \n\x00\x7f\x80\xffaz'


@st.composite
def spelled(draw: st.DrawFn) -> bytes:
    """A message of one event or a few, in one of the ways that JSON may be written."""
    events = draw(st.lists(EVENT, min_size=1, max_size=3))
    if draw(st.booleans()):
        events = [dict(draw(st.permutations(list(event.items())))) for event in events]
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (",", ": ")]))
    ascii_only = draw(st.booleans())
    given_as = events[0] if draw(st.booleans()) else events
    return json.dumps(given_as, separators=separators, ensure_ascii=ascii_only).encode()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message with a few bytes changed, lost, or added."""
    value = bytearray(draw(spelled()))
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(value) - 1))
        what = draw(st.sampled_from(["change", "lose", "add", "cut", "twice"]))
        if what == "change":
            value[place] = draw(st.sampled_from(list(SIGNS)))
        elif what == "lose":
            del value[place : place + draw(st.integers(1, 4))]
        elif what == "add":
            value.insert(place, draw(st.sampled_from(list(SIGNS))))
        elif what == "cut":
            del value[place:]
        else:
            value[place:place] = value[place : place + draw(st.integers(1, 30))]
        if not value:
            break
    return bytes(value)


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
    tenant = np.full(n, NOBODY) if columns.tenant is None else columns.tenant
    variant = np.full(n, NOBODY) if columns.variant is None else columns.variant
    failed = columns.failed or (np.zeros(n, bool), np.zeros(n, bool))
    started = np.zeros(n, bool) if columns.started is None else columns.started
    opens = np.zeros(n, bool) if columns.opens is None else columns.opens
    rows = zip(
        [columns.names[code] for code in columns.workload],
        *(getattr(columns, name).tolist() for name in ("message", "at", "latency_s")),
        *(getattr(columns, name).tolist() for name in ("tokens_in", "tokens_out")),
        started.tolist(),
        opens.tolist(),
        failed[0].tolist(),
        failed[1].tolist(),
        [None if code == NOBODY else columns.tenants[code] for code in tenant],
        [None if code == NOBODY else columns.variants[code] for code in variant],
        strict=True,
    )
    others = [(number, event.workload, event.at) for number, event in columns.others]
    return [*rows, *others]


def held_equal(values: list[bytes | None]) -> None:
    wanted, rejected, unknown = one_by_one(values, 100.0)
    decoder = TelemetryDecoder(few_bytes=0)
    for _ in range(2):  # What it remembers of the first time changes nothing.
        found = decoder.decode(values, np.full(len(values), 100.0))
        assert told(found.columns) == told(wanted)
        assert list(found.rejected) == rejected
        assert dict(found.unknown) == unknown


@pytest.mark.parametrize("value", MESSAGES)
def test_each_alone_and_among_good_ones(value: bytes | None) -> None:
    held_equal([value])
    held_equal([line(), value, line(), line(session="a", tenant="b")] * 2)
    held_equal([line(variant="a"), value, line(variant=""), line(variant="b")] * 2)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=12))
def test_together_as_one_by_one(values: list[bytes | None]) -> None:
    held_equal(values)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(spelled(), damaged()), min_size=1, max_size=12))
def test_whatever_is_spelled_or_damaged(values: list[bytes | None]) -> None:
    held_equal(values)


@settings(max_examples=300, deadline=None)
@given(spelled(), st.data())
def test_a_message_that_differs_in_one_byte_from_what_was_learned(
    value: bytes, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(value) - 1))
    other = value[:place] + bytes([data.draw(st.sampled_from(list(SIGNS)))]) + value[place + 1 :]
    held_equal([value, other, value])


@pytest.mark.parametrize("together", [1, 7])
def test_good_messages_are_scanned(together: int) -> None:
    decoder = TelemetryDecoder()
    spellings = [
        line(tenant=f"t{n % 5}", latency_s=n / 7, variant=f"v{n % 3}" if n % 4 else "")
        for n in range(70)
    ]
    values = [b"[" + b",".join(spellings[:together]) + b"]"] * 900 if together > 1 else spellings
    values = values * (20 if together == 1 else 1)
    lengths = np.array([len(value) for value in values])
    _, left = decoder._scanner.scan(values, lengths, 0, 1e9)
    assert left == []
    found = decoder.decode(values, np.full(len(values), 100.0))
    assert len(found.columns) == len(values) * together


def test_variants_count_among_the_names_that_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry, "KNOWN", 3)
    decoder = TelemetryDecoder(few_bytes=0)
    values = [line(variant=f"v{n}") for n in range(5)]
    names = decoder.decode(values, np.full(5, 100.0)).columns.variants
    again = decoder.decode(values[:1], np.full(1, 100.0)).columns
    assert (list(names), list(again.variants)) == ([f"v{n}" for n in range(5)], ["v0"])


def test_each_message_is_judged_by_its_own_append_time() -> None:
    found = TelemetryDecoder().decode([line(at=150.0), line(at=150.0)], np.array([100.0, 80.0]))
    assert found.columns.message.tolist() == [0]
    ((message, (_, field, _)),) = found.rejected
    assert (message, field) == (1, "$.at")

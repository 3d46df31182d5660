from __future__ import annotations

import gzip
import io
import itertools
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from lab.compare import run_policy, static_peak
from lab.plant import PlantParameters
from lab.policies import Hpa
from lab.report import render
from lab.report.charts import thinned
from lab.summary import static_is, summary_table, verdict
from lab.traces import TraceError, open_trace
from lab.view import ViewState, clock, frame, plain_line, sparkline
from models.domain.decision import Reason
from tests.actuators.test_dispatcher import decision


def test_the_shipped_trace_is_the_whole_hour() -> None:
    arrivals = open_trace()
    assert len(arrivals) == 8819
    assert arrivals[0].at_s == 0.0
    assert 3400 < arrivals[-1].at_s < 3600
    assert all(a.at_s <= b.at_s for a, b in itertools.pairwise(arrivals))


def test_json_lines_and_gzip(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl.gz"
    later = b'{"at": 7.5, "tokens_in": 3, "tokens_out": 4}\n\n'
    rows = later + b'{"at": 5, "tokens_in": 1, "tokens_out": 2}\n'
    path.write_bytes(gzip.compress(rows))
    first, second = open_trace(path)
    assert open_trace(str(path)) == (first, second)
    assert (first.at_s, first.tokens_out, second.at_s) == (0.0, 2, 2.5)


def _damaged(packed: bytes) -> bytes:
    return packed[:12] + bytes(byte ^ 0xFF for byte in packed[12:40]) + packed[40:]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n", ":1: neither an Azure"),
        (b"TIMESTAMP,ContextTokens,GeneratedTokens\n", "no requests"),
        (b"TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n", ":2:"),
        (
            b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.97,1,-2\n",
            "GeneratedTokens is '-2'",
        ),
        (b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.97,1\n", ":2: 2 fields"),
        (b'{"at": 1, "tokens_in": 3}\n', ":1: field 'tokens_out' is missing"),
        (b'{"at": NaN, "tokens_in": 3, "tokens_out": 1}\n', "at is nan; a number of seconds"),
        (b'{"at": "x", "tokens_in": 3, "tokens_out": 1}\n', "at is 'x'; a number of seconds"),
        (
            b'{"at": 1, "tokens_in": ' + b"9" * 5000 + b', "tokens_out": 1}\n',
            ":1: begins like JSON",
        ),
        (b'{"at": 1, "tokens_in": "' + b"9" * 5000 + b'", "tokens_out": 1}\n', "tokens_in is '999"),
        (b'{"at": "1_0", "tokens_in": 3, "tokens_out": 1}\n', "at is '1_0'; a number of seconds"),
        (b'{"at": 1, "tokens_in": 3.5, "tokens_out": 1}\n', "tokens_in is 3.5; a whole number"),
        (b'{"at": 1, "tokens_in": 3, "tokens_out": null}\n', "tokens_out is None; a whole number"),
        (b'{"at": 1, "tokens_in": 3, "tokens_out": 1}\n[1]\n', ":2: an object with at, tokens_in"),
        (b'{"at": 1, "tokens_in": 3, "tokens_out": 1}\n{\n', ":2: not JSON"),
        (b"\x1f\x8bnot gzip", "begins as gzip and is broken"),
        (gzip.compress(b"at" * 999, mtime=0)[:-9], "begins as gzip and is broken"),
        (_damaged(gzip.compress(bytes(range(256)), mtime=0)), "begins as gzip and is broken"),
        (b"\xff\xfe", ":1: not UTF-8 text; a trace is CSV or JSON lines"),
        (b"step,value\n1,\xff\n", ":2: not UTF-8 text"),
    ],
)
def test_a_trace_that_cannot_be_read_says_where(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "trace"
    path.write_bytes(content)
    with pytest.raises(TraceError) as error:
        open_trace(path)
    assert says in str(error.value)


def test_policies_on_the_shipped_hour(tmp_path: Path) -> None:
    """The plant is sized so that the hour needs 2 to 15 replicas; the report survives nothing."""
    arrivals, parameters = open_trace(), PlantParameters()
    hpa = run_policy(arrivals, parameters, Hpa(target=0.7, least=1, most=20), seed=1)
    static = static_peak(arrivals, parameters, seed=1)
    assert hpa.served == static.served == 8819
    assert 2 <= static.peak_replicas <= 15
    assert static.violation_share <= parameters.violations
    assert run_policy(arrivals, parameters, Hpa(target=0.7, least=1, most=20), seed=1) == hpa
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(summary_table([hpa, static], parameters))
    shown = console.export_text()
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "…" not in shown
    assert "static peak" in verdict([hpa, static], parameters)
    assert "the fewest that keep the budget" in static_is([hpa, static], parameters)
    missed = msgspec.structs.replace(static, violation_share=0.5)
    assert static_is([hpa, missed], parameters) == (
        "the most that may be, 20, because no number keeps the budget"
    )
    path = tmp_path / "report.html"
    for decisions in ([], [_as_dict(decision(4, 1, reason=Reason.BURST))]):
        render(
            path,
            runs=[hpa, hpa, static],
            decisions=decisions,
            forecasts=[],
            outcomes={},
            begin=0.0,
            parameters=parameters,
            trace="<script>alert(1)</script>",
        )
        page = path.read_text()
        assert "<script>alert" not in page
        assert page.count("<svg") == 6  # Three, for a wide and for a narrow page.
        assert "http://" not in page.replace("http://www.w3.org", "")


def _as_dict(made: object) -> dict[str, object]:
    found: dict[str, object] = msgspec.to_builtins(made)
    return found


def test_the_view_fits_80_columns_and_says_what_is_there() -> None:
    state = ViewState(
        workload="prod/bot", unit="concurrency", slo_s=2.0, length_s=3600.0, speed=60.0
    )
    for width in (80, 120):
        console = Console(width=width, height=24, record=True, file=io.StringIO())
        console.print(frame(state))  # Nothing is known yet.
        state.demand.extend([1.0, 5.0, 30.0])
        state.upper.extend([4.0, 9.0, 40.0])
        state.decisions.append(decision(7, 2, reason=Reason.BURST))
        state.latency_p95_s = 3.0
        console.print(frame(state))
        shown = console.export_text()
        assert max(len(line) for line in shown.splitlines()) <= 80
        assert "burst" in shown
        assert "2 → 7" in shown
    assert "30.0" in plain_line(state)


def test_small_things() -> None:
    assert sparkline([0, 1, 2, 4]) == " ▂▄█"
    assert sparkline([0, 0]) == "  "
    assert clock(3723) == "62:03"
    points = [(float(n), float(n % 7)) for n in range(10_000)]
    assert len(thinned(points)) <= 900
    assert max(value for _, value in thinned(points)) == 6.0

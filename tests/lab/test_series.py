"""Readers of series, against files written by hand."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from lab.traces import Arrival, Series, TraceError, open_series, open_trace, series_of
from lab.traces.servegen import counts

NAN = float("nan")


def series(path: Path, content: str, **given: object) -> Series:
    path.write_text(content, encoding="utf-8")
    return open_series(path, **given)  # type: ignore[arg-type]


def test_steps_that_have_no_row_or_no_value_are_missing(tmp_path: Path) -> None:
    found = series(tmp_path / "a.csv", "step,value\n3,5\n4,\n6,7.0\n7,0\n8,NaN\n")
    assert found.step_s == 60
    np.testing.assert_array_equal(found.values, [5, NAN, NAN, 7, 0, NAN])
    assert found.whole


def test_the_step_is_the_named_one_unless_it_is_given(tmp_path: Path) -> None:
    content = "step,value\n0,1\n1,2\n2,3\n3,4.5\n"
    assert series(tmp_path / "a.300s.csv", content).step_s == 300
    found = series(tmp_path / "a.300s.csv", content, step_s=10)
    assert found.step_s == 10
    assert found.length_s == 40
    assert not found.whole


def test_nab_with_a_gap(tmp_path: Path) -> None:
    rows = ["timestamp,value"] + [f"2014-04-10 00:{m:02d}:00,{m}" for m in (4, 9, 14, 24, 29)]
    found = series(tmp_path / "nab.csv", "\n".join(rows))
    assert found.step_s == 300
    np.testing.assert_array_equal(found.values, [4, 9, 14, NAN, 24, 29])


@pytest.mark.parametrize(
    "form",
    [
        "2014-04-10 00:{:02d}:00",
        "2014-04-10T00:{:02d}:00",
        "2014-04-10T00:{:02d}:00Z",
        "2014-04-10T02:{:02d}:00.25+02:00",
        "13970880{:02d}",
        "13970880{:02d}.5",
    ],
)
def test_nab_s_times_are_iso_8601_or_unix_seconds(tmp_path: Path, form: str) -> None:
    rows = ["timestamp,value"] + [f"{form.format(n)},{n}" for n in (4, 9, 14, 24, 29)]
    found = series(tmp_path / "nab.csv", "\n".join(rows))
    assert found.step_s == (5 if form.startswith("13") else 300)
    np.testing.assert_array_equal(found.values, [4, 9, 14, NAN, 24, 29])


def test_of_two_rows_of_one_nab_step_the_later_counts_and_is_told(tmp_path: Path) -> None:
    rows = ["timestamp,value", *(f"{300 * n},{n}" for n in range(30))]
    assert series(tmp_path / "nab.csv", "\n".join(rows)).replaced == 0
    # A second that is there twice more, and a row that drifted into the step before its own.
    found = series(tmp_path / "nab.csv", "\n".join([*rows, "1500,70", "1500,71", "3299,80"]))
    assert found.replaced == 3
    assert found.values[[4, 5, 6, 10, 11]].tolist() == [4, 71, 6, 80, 11]
    assert found.first(1.0).replaced == 3


def test_each_time_is_of_its_own_zone(tmp_path: Path) -> None:
    """The hour at the end of summer time is there twice by the clock on the wall."""
    stamps = ["02:50:00+02:00", "02:55:00+02:00", "02:00:00+01:00", "02:05:00+01:00"]
    rows = [f"2025-10-26T{stamp},{n}" for n, stamp in enumerate(stamps)]
    found = series(tmp_path / "nab.csv", "\n".join(["timestamp,value", *rows]))
    np.testing.assert_array_equal(found.values, [0, 1, 2, 3])


def test_nab_s_values_are_not_dropped_into_longer_steps(tmp_path: Path) -> None:
    rows = ["timestamp,value", *(f"{300 * n},5" for n in range(40))]
    with pytest.raises(TraceError, match=r"in steps of 3600 s 36 of 40 values would"):
        series(tmp_path / "nab.csv", "\n".join(rows), step_s=3600)
    assert series(tmp_path / "nab.csv", "\n".join(rows), step_s=300).whole
    with pytest.raises(TraceError, match=r"in steps of 330 s 4 of 40 values would.*leave --step"):
        series(tmp_path / "nab.csv", "\n".join(rows), step_s=330)
    uneven = ["timestamp,value", *(f"{at},5" for at in (0, 10, 30, 60, 100, 400, 700, 1000, 1300))]
    with pytest.raises(TraceError, match=r"steps of 300 s 4 of 9 values would.*a shorter --step"):
        series(tmp_path / "nab.csv", "\n".join(uneven))


def test_years_without_a_row_take_no_memory_to_find_the_step(tmp_path: Path) -> None:
    rows = ["timestamp,value", "1970-01-01T00:00:00Z,1"]
    rows += [f"3000-01-{day:02d}T00:00:00Z,1" for day in (1, 2, 3)]
    found = series(tmp_path / "nab.csv", "\n".join(rows))
    assert found.step_s == 86_400


def test_a_byte_order_mark_and_old_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf\r\nstep,value\r0,1\r1,2\r2,3\r3,4\r")
    np.testing.assert_array_equal(open_series(path).values, [1, 2, 3, 4])


def test_mooncake_counts_milliseconds(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    line = '{{"timestamp": {}, "input_length": 7, "output_length": 3, "hash_ids": [0]}}\n'
    path.write_text("".join(line.format(at) for at in (500, 61_000, 62_000, 300_600)))
    first, second, *_ = open_trace(path)
    assert (first.at_s, second.at_s, second.tokens_in) == (0.0, 60.5, 7)
    np.testing.assert_array_equal(open_series(path).values, [1, 2, 0, 0, 0])


def test_requests_are_counted_by_step_and_the_unfinished_step_is_left_out() -> None:
    arrivals = [Arrival(at_s=at, tokens_in=1, tokens_out=1) for at in (0, 5, 10, 15, 35, 41)]
    found = series_of(arrivals, step_s=10, name="x")
    np.testing.assert_array_equal(found.values, [2, 2, 0, 1])


SERVEGEN = "client,start_s,rate_per_s,iat_cv\n"


def test_servegen_minutes_come_from_their_own_window_alone(tmp_path: Path) -> None:
    head = SERVEGEN + "7,0,1,1\n7,600,2,1\n"
    first = series(tmp_path / "a.csv", head + "7,1200,1,1\n", seed=3)
    second = series(tmp_path / "a.csv", head + "7,1200,90,1\n", seed=3)
    # What the third window is changes no minute of the first two.
    np.testing.assert_array_equal(first.values[:20], second.values[:20])
    assert second.values[20:].min() > first.values[20:].max()
    assert first.step_s == 60
    other = series(tmp_path / "a.csv", head + "7,1200,1,1\n", seed=4)
    assert (other.values != first.values).any()


def test_two_futures_of_servegen_have_one_past(tmp_path: Path) -> None:
    """Rates three times as high from window 6 on, and one client more: nothing before differs."""

    def told(factor: float, *more: str) -> Series:
        rows = [
            f"{client},{600 * at},{(client + 1) * (factor if at >= 6 else 1)},{cv}"
            for client, cv in enumerate((0.5, 1, 3))
            for at in range(12)
        ]
        return series(tmp_path / "a.csv", SERVEGEN + "\n".join([*rows, *more]), seed=5)

    one, other = told(1), told(3, "00,4200,1,2")
    for name in ("0", "1", "2"):
        np.testing.assert_array_equal(one.tenants[name][:60], other.tenants[name][:60])
        assert (one.tenants[name][60:] != other.tenants[name][60:]).any()
    np.testing.assert_array_equal(one.values[:60], other.values[:60])
    # Nor has a client or a window another's chance.
    same = series(
        tmp_path / "b.csv", SERVEGEN + "".join(f"{c},{s},9,1\n" for c in "ab" for s in (0, 600))
    )
    parts = [part[at : at + 10] for part in same.tenants.values() for at in (0, 10)]
    assert len({tuple(part) for part in parts}) == 4


def test_servegen_s_step_is_its_own(tmp_path: Path) -> None:
    text = "client,start_s,rate_per_s,iat_cv\na,0,1,1\na,600,2,1\n"
    assert series(tmp_path / "s.csv", text, step_s=60).step_s == 60
    with pytest.raises(TraceError, match="made into steps of 60 s, not 300: leave --step out"):
        series(tmp_path / "s.csv", text, step_s=300)
    with pytest.raises(TraceError, match=r"leave --step out, and \.300s\. out of its name"):
        series(tmp_path / "s.300s.csv", text)


def test_a_series_says_what_it_was_read_as(tmp_path: Path) -> None:
    text = "step,value\n0,1\n1,1\n2,1\n3,1\n"
    assert series(tmp_path / "a.csv", text).form == "series"
    assert Series(name="a", step_s=60, values=np.ones(4)).form is None


def test_servegen_tenants_add_up_and_a_missing_window_is_missing(tmp_path: Path) -> None:
    content = SERVEGEN + "a,0,5,2\na,1200,5,2\nb,0,0,0\nb,600,1,0.5\nb,1200,1,1\n"
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(content.encode()))
    found = open_series(path)
    assert set(found.tenants) == {"a", "b"}
    assert np.isnan(found.values[10:20]).all()
    assert not np.isnan(found.tenants["b"]).any()
    both = found.tenants["a"] + found.tenants["b"]
    np.testing.assert_array_equal(found.values, both)
    assert (found.tenants["b"][:10] == 0).all()


@pytest.mark.parametrize("cv", [0.5, 1.0, 3.0])
def test_counts_have_the_mean_and_variance_of_a_renewal_process(cv: float) -> None:
    n = 40_000
    drawn = counts(100.0, cv, n, np.random.default_rng(1))
    # Standard error of the mean is cv * 10 / 200; of the variance about 1 %.
    assert abs(drawn.mean() - 100) < 5 * cv * 10 / 200
    assert drawn.var() == pytest.approx(cv**2 * 100, rel=0.06)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a,b\n1,2\n", "--format"),
        ("step,value\n1,-3\n", ":2: value is -3"),
        ("step,value\n1,x\n", ":2: value is 'x'"),
        ("step,value\n1,1_000\n", ":2: value is '1_000'"),
        ("step,value\n1_0,3\n", ":2: step is '1_0'"),
        ("step,value\n1.5,3\n", ":2: step is '1.5'"),
        ("step,value\n1,3\n1,4\n", ":3: step 1 is there twice"),
        ("step,value\n1,3,4\n", ":2: 3 fields"),
        ("step,value\n", "no rows"),
        ("step,value\n1,3\n2,3\n", "at least 4"),
        (
            "step,value,field\n1,3,x\n",
            ":1: column 'field' is not known; a series file has",
        ),
        ("at,timestamp,value\n1,3,4\n", ":1: column 'at' is not known; a nab file has"),
        ("step,value\n1,3\n99999999999,3\n", "not from 0 to"),
        ("timestamp,value\nyesterday,3\n", ":2: timestamp is 'yesterday'"),
        ("timestamp,value\n2014-04-10 00:04:00,3\n", "at least 2"),
        (SERVEGEN + "a,300,1,1\n", ":2: start_s is 300"),
        (SERVEGEN + "a,0,1,1\na,0,1,1\n", "twice"),
        (SERVEGEN + "a,0,nan,1\n", ":2: start_s, rate_per_s"),
        (SERVEGEN + "a,0,one,1\n", ":2: start_s, rate_per_s, iat_cv are 0,one,1; numbers"),
        (SERVEGEN + "a,0,1_000,1\n", ":2: start_s, rate_per_s, iat_cv are 0,1_000,1; numbers"),
        ("step,value\n1,3\n2," + "9" * 200_000, ":3: not CSV"),
        ("timestamp,value\n10/04/2014 00:04,3\n", "or Unix seconds were expected"),
        ("timestamp,value\n1397088240000,3\n", ":2: timestamp is 1397088240000, the year 5000"),
        ('{"at": 0, "tokens_in": 1, "tokens_out": 1}\n', "a shorter step with --step"),
        (
            '{"at": 0, "tokens_in": 1, "tokens_out": 1}\n'
            '{"at": 1e10, "tokens_in": 1, "tokens_out": 1}\n',
            "another unit",
        ),
        (
            '{"at": 1764201600000, "tokens_in": 1, "tokens_out": 1}\n',
            ":1: at is 1764201600000 seconds, which is after the year 5000; milliseconds are to be",
        ),
        ('{"timestamp": 1, "input_length": 2}\n', ":1: field 'output_length' is missing"),
        ("{broken\n", ":1: begins like JSON lines"),
    ],
)
def test_a_fault_says_where_and_what(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(TraceError) as error:
        series(tmp_path / "bad", content)
    assert says in str(error.value)


def test_a_format_that_the_file_is_not_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="first line of a nab file is timestamp,value"):
        series(tmp_path / "a.csv", "step,value\n0,1\n", form="nab")
    (tmp_path / "a.csv").write_text("step,value\n0,1\n")
    with pytest.raises(TraceError, match="no single requests"):
        open_trace(tmp_path / "a.csv")

"""Schedules: what cron and zones mean, both changes of the clock, and bounds ahead of time."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.domain.calendar import Calendar, calendar, cron
from models.domain.decision import Reason
from models.domain.spec import ScalerSpec
from models.policy.limits import Bounds, Limits
from tests.models.fleets import BEGIN, Driver

HORIZON_S = 65.0


def utc(text: str) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()


def changes(made: Calendar, begin: str, days: int) -> list[tuple[str, bool]]:
    """When it changes in some days, in UTC, and to what."""
    found: list[tuple[str, bool]] = []
    now, end = utc(begin), utc(begin) + days * 86_400
    on = made.at(now).on
    while (now := made.at(now).until) < end:
        if made.at(now).on != on:
            on = not on
            found.append((dt.datetime.fromtimestamp(now, dt.UTC).strftime("%d %H:%M:%S"), on))
    return found


def test_office_hours_in_berlin_move_with_the_clock() -> None:
    made = Calendar("0 8 * * mon-fri", "0 18 * * mon-fri", "Europe/Berlin")
    # Friday in winter time, Monday in summer time.
    assert changes(made, "2026-03-27T00:00", 4) == [
        ("27 07:00:00", True),
        ("27 17:00:00", False),
        ("30 06:00:00", True),
        ("30 16:00:00", False),
    ]
    # Friday in summer time, Monday in winter time.
    assert changes(made, "2026-10-23T00:00", 4) == [
        ("23 06:00:00", True),
        ("23 16:00:00", False),
        ("26 07:00:00", True),
        ("26 17:00:00", False),
    ]


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        # 02:30 is never shown: it happens at 01:00 UTC, when 02:00 becomes 03:00.
        ("30 2 * * *", "0 6 * * *", [("29 01:00:00", True), ("29 04:00:00", False)]),
        # The end is never shown.
        ("0 1 * * *", "30 2 * * *", [("29 00:00:00", True), ("29 01:00:00", False)]),
        # Neither is: nothing happens that night.
        ("10 2 * * *", "50 2 * * *", []),
    ],
)
def test_clocks_put_forward(start: str, end: str, found: list[tuple[str, bool]]) -> None:
    assert changes(Calendar(start, end, "Europe/Berlin"), "2026-03-28T12:00", 1) == found


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        # 02:30 is shown at 00:30 and at 01:30 UTC: a start is the first, an end the second.
        ("30 2 * * *", "0 6 * * *", [("25 00:30:00", True), ("25 05:00:00", False)]),
        ("0 1 * * *", "30 2 * * *", [("24 23:00:00", True), ("25 01:30:00", False)]),
        ("10 2 * * *", "50 2 * * *", [("25 00:10:00", True), ("25 01:50:00", False)]),
        # Yesterday's window ends behind today's start: it is never off.
        ("30 2 * * *", "15 2 * * *", []),
    ],
)
def test_clocks_put_back(start: str, end: str, found: list[tuple[str, bool]]) -> None:
    assert changes(Calendar(start, end, "Europe/Berlin"), "2026-10-24T12:00", 1) == found


def test_zones_of_other_shapes() -> None:
    # Lord Howe moves by half an hour; Kathmandu is 5:45 before UTC; Samoa left out a day.
    made = Calendar("0 12 * * *", "0 13 * * *", "Australia/Lord_Howe")
    assert changes(made, "2026-04-04T00:00", 2)[::2] == [
        ("04 01:00:00", True),
        ("05 01:30:00", True),
    ]
    made = Calendar("0 12 * * *", "0 13 * * *", "Asia/Kathmandu")
    assert changes(made, "2026-06-01T00:00", 1) == [("01 06:15:00", True), ("01 07:15:00", False)]
    made = Calendar("0 12 30 12 *", "0 13 30 12 *", "Pacific/Apia")
    assert changes(made, "2011-12-28T00:00", 5) == []


@settings(max_examples=60, deadline=None)
@given(
    start=st.sampled_from(["30 2 * * *", "0 8 * * 1-5", "*/20 * * * *", "0 0 1 * *"]),
    end=st.sampled_from(["15 3 * * *", "0 18 * * *", "10 * * * *"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    moments=st.lists(st.integers(0, 366 * 86_400), min_size=2, max_size=12),
)
def test_what_it_answers_does_not_depend_on_what_was_asked_before(
    start: str, end: str, zone: str, moments: list[int]
) -> None:
    begin = utc("2026-01-01T00:00")
    made = Calendar(start, end, zone)
    for at in moments:
        span, fresh = made.at(begin + at), Calendar(start, end, zone).at(begin + at)
        assert (span.on, span.until) == (fresh.on, fresh.until)
        assert span.begin <= begin + at < span.until


@settings(max_examples=40, deadline=None)
@given(
    hours=st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda h: h[0] != h[1]),
    at=st.integers(0, 366 * 1440),
)
def test_without_changes_of_the_clock_it_is_the_hour_of_the_day(
    hours: tuple[int, int], at: int
) -> None:
    """Against the plain rule, in a zone that has none."""
    start, end = hours
    now = utc("2026-01-01T00:00") + at * 60
    hour = (at // 60) % 24
    wanted = start <= hour < end if start < end else hour >= start or hour < end
    assert Calendar(f"0 {start} * * *", f"0 {end} * * *", "UTC").at(now).on == wanted


def spec(*schedules: dict[str, Any], least: int = 2, most: int = 40) -> ScalerSpec:
    return ScalerSpec.model_validate(
        {
            "target": {"name": "t"},
            "replicas": {"min": least, "max": most},
            "schedules": schedules,
        }
    )


OFFICE = {"start": "0 8 * * *", "end": "0 18 * * *", "timezone": "Europe/Berlin"}


def test_bounds_rise_ahead_of_the_start_and_fall_at_the_end() -> None:
    limits = Limits(spec(OFFICE | {"min": 10}))
    begin = utc("2026-06-01T06:00")  # 08:00 in Berlin.
    assert limits.at(begin - HORIZON_S - 1, HORIZON_S).min == 2
    assert limits.at(begin - HORIZON_S, HORIZON_S) == Bounds(10, 40, "schedules[0].min")
    assert limits.at(begin + 36_000 - 1, HORIZON_S).min == 10
    assert limits.at(begin + 36_000, HORIZON_S).min == 2


def test_a_lower_maximum_holds_from_start_to_end_and_is_left_ahead_of_it() -> None:
    limits = Limits(spec(OFFICE | {"max": 5}))
    begin = utc("2026-06-01T06:00")
    assert limits.at(begin - 1, HORIZON_S).max == 40
    assert limits.at(begin, HORIZON_S).max == 5
    assert limits.at(begin + 36_000 - HORIZON_S - 1, HORIZON_S).max == 5
    assert limits.at(begin + 36_000 - HORIZON_S, HORIZON_S).max == 40


@pytest.mark.parametrize(
    ("schedules", "bounds"),
    [
        ([{"min": 0}], (0, 40)),  # May be lower than replicas.min,
        ([{"max": 80}], (2, 80)),  # and higher than replicas.max.
        ([{"min": 5}, {"min": 9}], (9, 40)),
        ([{"max": 20}, {"max": 12}], (2, 12)),
        ([{"min": 20}, {"max": 12}], (12, 12)),  # Where they cross max holds.
    ],
)
def test_schedules_together(schedules: list[dict[str, Any]], bounds: tuple[int, int]) -> None:
    limits = Limits(spec(*[OFFICE | each for each in schedules]))
    assert limits.at(utc("2026-06-01T09:00"), HORIZON_S)[:2] == bounds


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(-7200, 93_600), min_size=1, max_size=20),
    st.sampled_from([0.0, 40.0, 430.0, 3600.0]),
)
def test_remembered_bounds_are_those_worked_out_anew(moments: list[int], horizon_s: float) -> None:
    made = spec(
        OFFICE | {"min": 10}, OFFICE | {"start": "30 17 * * *", "end": "0 2 * * *", "max": 20}
    )
    limits = Limits(made)
    for at in itertools.chain(moments, sorted(moments)):
        now = utc("2026-03-29T00:00") + at
        found = limits.at(now, horizon_s)
        assert found == Limits(made).at(now, horizon_s)
        # The definition: the highest of all that hold from now to the horizon.  They change
        # with full minutes.
        minutes = range(-int(-now // 60) * 60, int(now + horizon_s) + 1, 60)
        each = [Limits(made).at(float(moment), 0.0) for moment in (now, *minutes)]
        assert found.min == max(one.min for one in each)
        assert found.max == max(one.max for one in each)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("start", "0 25 * * *", "hour (0-23)"),
        ("start", "0 8 * *", "it has 4 fields, not 5"),
        ("end", "R 8 * * *", "'R' is not understood"),
        ("end", "@daily", "'@daily' is not understood"),
        ("end", "0 0 31 2 *", "never comes"),
        ("timezone", "Europe/Munich", "did you mean 'Europe/Zurich'?"),
        ("timezone", "../etc/passwd", "is no time zone"),
        ("max", 1, "schedules[0].min 5 is above schedules[0].max 1"),
        ("min", 41, "schedules[0].min 41 is above replicas.max 40"),
        ("min", None, "changes nothing"),
        ("end", "0 8 * * *", "it would never be off"),
    ],
)
def test_nonsense_is_refused_with_what_is_allowed(field: str, value: Any, says: str) -> None:
    with pytest.raises(ValidationError) as error:
        spec(OFFICE | {"min": 5} | {field: value})
    (found,) = error.value.errors()
    assert says in found["msg"]
    if value is not None and field not in {"min", "max"} and value != "0 8 * * *":
        assert found["loc"] == ("schedules", 0, field)
        assert repr(value) in found["msg"]


def test_blanks_in_cron_do_not_matter_and_equal_schedules_share_a_calendar() -> None:
    assert cron(" 0  8 *\t* * ") == "0 8 * * *"
    assert calendar("0 8 * * *", "0 9 * * *", "UTC") is calendar("0 8 * * *", "0 9 * * *", "UTC")


def test_replicas_are_ready_when_a_schedule_starts() -> None:
    """22:13:20 UTC it is at BEGIN; the schedule starts at 22:16, start-ups take 30 s."""
    window = {"start": "16 22 * * *", "end": "20 22 * * *", "min": 8}
    driver = Driver(
        replicas=1, schedules=[window], behavior={"scaleDown": {"stabilizationWindowSeconds": 0}}
    )
    counts: dict[int, int] = {}
    while driver.now < BEGIN + 600:
        driver.second(2)
        counts[int(driver.now) - BEGIN] = driver.replicas
    start, end = 160, 400
    up = next(d for d in driver.decisions if d.to.replicas["default"] == 8)
    assert up.reason is Reason.SCHEDULE
    assert up.binding is not None
    assert up.binding.constraint == "schedules[0].min"
    assert start - 41 <= up.at - BEGIN <= start - 39  # The prior of 30 s and a step of 10 s.
    assert all(counts[at] == 8 for at in range(start, end))
    assert counts[end + 30] == 1

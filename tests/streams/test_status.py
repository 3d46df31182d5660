"""Status: what is judged to need somebody, in numbers, and how it looks."""

from __future__ import annotations

import io
from typing import Any

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from click.testing import CliRunner
from msgspec import json as msgspec_json
from msgspec.structs import replace
from rich.console import Console
from rich.text import Text

from streams.cli import group as cli
from streams.kafka.groups import _member
from streams.kafka.transport import commit_stamp, committed_at
from streams.status.facts import (
    LoadFacts,
    LogFacts,
    PartitionFacts,
    RoleFacts,
    SourceFacts,
    Status,
)
from streams.status.judge import BEHIND_S, age, judge
from streams.status.show import ROWS, Report, lags


def partition(number: int, **changed: Any) -> PartitionFacts:
    given: dict[str, Any] = {
        "begin": 0,
        "end": 100,
        "committed": 100,
        "lag": 0,
        "behind_s": 0.0,
        "commit_age_s": 1.0,
        "owner": "10.0.0.1",
    }
    return PartitionFacts(partition=number, **{**given, **changed})


TOPICS = {
    "aggregate": "foretide.telemetry",
    "plan": "foretide.load",
    "allocate": "foretide.proposals",
    "actuate": "foretide.decisions",
}


def role(name: str, **changed: Any) -> RoleFacts:
    given: dict[str, Any] = {
        "group": f"foretide-{name}",
        "topic": TOPICS[name],
        "state": "Stable",
        "members": 2,
        "partitions": (partition(0), partition(1)),
    }
    return RoleFacts(role=name, **{**given, **changed})


def status(*roles: RoleFacts, **changed: Any) -> Status:
    """A healthy cluster, but for what is given."""
    named = {one.role: one for one in roles}
    given: dict[str, Any] = {
        "at": 1_700_000_000.0,
        "bootstrap": "localhost:9092",
        "topic_faults": (),
        "roles": tuple(named.get(name, role(name)) for name in TOPICS),
        "sources": tuple(SourceFacts(source=n, watermark_age_s=0.8) for n in range(2)),
        "loads": tuple(LoadFacts(partition=n, missing_s=1.2) for n in range(2)),
        "logs": (
            LogFacts(topic="workloads", records=3, newest_age_s=4000.0),
            LogFacts(topic="decisions", records=12, newest_age_s=70.0),
            LogFacts(topic="rejected", records=0, newest_age_s=None),
        ),
    }
    return Status(**{**given, **changed})


def test_all_is_well() -> None:
    verdict = judge(status())
    assert verdict.healthy
    assert verdict.problems == verdict.notes == ()


SICK = {
    "nobody plays a role": (
        status(role("plan", members=0, state="Empty")),
        ["plan: no worker is in the group foretide-plan. Start one: foretide worker --role plan"],
    ),
    "missing topics": (
        status(topic_faults=("topic foretide.load does not exist: run `foretide topics create`",)),
        ["topics create"],
    ),
    "a group that rebalances": (
        status(role("actuate", state="PreparingRebalance")),
        ["actuate: the group foretide-actuate is preparing rebalance"],
    ),
    "a partition nobody owns": (
        status(role("plan", partitions=(partition(0), partition(1, owner=None)))),
        ["nobody in the group foretide-plan owns foretide.load/1"],
    ),
    "a log cut below the commit": (
        status(role("aggregate", partitions=(partition(0, begin=40, committed=30),))),
        ["foretide.telemetry/0 begins after what was committed"],
    ),
    "work that is old": (
        status(role("actuate", partitions=(partition(0, behind_s=BEHIND_S + 1, lag=7),))),
        ["actuate: 11 s behind in foretide.decisions/0 (worker at 10.0.0.1)"],
    ),
    "work whose age could not be found out": (
        status(role("plan", partitions=(partition(0, behind_s=None, lag=7),))),
        ["plan: ? behind in foretide.load/0"],
    ),
    "a source that stands still": (
        status(
            sources=(
                SourceFacts(source=0, watermark_age_s=0.5),
                SourceFacts(source=1, watermark_age_s=42.0),
            ),
            loads=(LoadFacts(partition=0, missing_s=40.0),),
        ),
        ["aggregate: foretide.telemetry/1 (worker at 10.0.0.1) read only up to 42 s ago"],
    ),
    "a source nobody has heard of": (
        status(sources=(SourceFacts(source=0, watermark_age_s=None),)),
        ["aggregate: foretide.telemetry/0,1 (worker at 10.0.0.1) not heard of lately"],
    ),
    "seconds missing though all report": (
        status(loads=(LoadFacts(partition=0, missing_s=1.0), LoadFacts(partition=1, missing_s=30))),
        ["load 1: 30 s of seconds missing though every source reports"],
    ),
}


@pytest.mark.parametrize("name", SICK)
def test_what_is_wrong_is_said_once_with_its_place_and_what_to_do(name: str) -> None:
    found, expected = SICK[name]
    verdict = judge(found)
    assert not verdict.healthy
    assert len(verdict.problems) == len(expected), verdict.problems
    for problem, part in zip(verdict.problems, expected, strict=True):
        assert part in problem
        assert any(sign in problem for sign in (".", "?", "`"))  # More than a name: a next step.


def test_allocate_is_missed_only_when_something_waits_for_it() -> None:
    gone = role("allocate", members=0, state="Dead")
    assert judge(status(gone)).healthy
    assert "no group yet, 0 workers" in printed(Report(status(gone), judge(status(gone))), 80)
    waiting = replace(gone, partitions=(partition(0, committed=None, lag=3),))
    assert "foretide worker --role allocate" in judge(status(waiting)).problems[0]


def test_without_aggregate_its_sources_are_not_told_of_as_well() -> None:
    old = tuple(SourceFacts(source=n, watermark_age_s=900.0) for n in range(2))
    verdict = judge(status(role("aggregate", members=0, state="Dead"), sources=old))
    assert len(verdict.problems) == 1
    assert "--role aggregate" in verdict.problems[0]


def test_an_open_block_is_lag_but_no_problem() -> None:
    waits = partition(0, committed=60, lag=40, behind_s=0.0, commit_age_s=3600.0)
    assert judge(status(role("aggregate", partitions=(waits, partition(1))))).healthy


def test_what_is_only_worth_knowing_leaves_it_healthy() -> None:
    logs = (
        LogFacts(topic="workloads", records=0, newest_age_s=None),
        LogFacts(topic="rejected", records=5, newest_age_s=None),
    )
    verdict = judge(status(logs=logs))
    assert verdict.healthy
    assert "--specs" in verdict.notes[0]
    assert "5 rejected records" in verdict.notes[1]


def printed(report: Report, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, no_color=True)
    console.print(report)
    assert isinstance(console.file, io.StringIO)
    return Text.from_ansi(console.file.getvalue()).plain


@pytest.mark.parametrize("width", [30, 44, 50, 60, 80, 120])
def test_it_fits_any_terminal_and_no_number_is_cut(width: int) -> None:
    lagging = partition(
        0, end=123_456_789_012, committed=123_456_700_000, lag=89_012, behind_s=75.0
    )
    found = status(role("plan", partitions=(lagging, partition(1))))
    text = printed(Report(found, judge(found)), width)
    lines = text.splitlines()
    assert max(len(line) for line in lines) <= width
    assert "…" not in text
    for shown in ("89012", "75 s", "problem"):
        assert shown in text
    assert ("123456789012" in text) == (width >= 70)


def test_many_partitions_show_the_worst_and_count_the_rest() -> None:
    many = tuple(partition(n, behind_s=float(n == 71) * 9, lag=n) for n in range(72))
    found = status(role("plan", partitions=many))
    short = printed(Report(found, judge(found)), 100)
    assert f"and {72 - ROWS} more" in short
    assert "  71 " in short
    assert "more" not in printed(Report(found, judge(found), every=True), 100)


def test_a_lag_that_grew_since_the_last_look_has_an_arrow() -> None:
    before = status(role("plan", partitions=(partition(0, lag=5), partition(1, lag=5))))
    now = status(role("plan", partitions=(partition(0, lag=9), partition(1, lag=2))))
    text = printed(Report(now, judge(now), before=lags(before)), 100)
    assert "9↑" in text
    assert "2↓" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "?"),
        (-0.3, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (99.0, "99 s"),
        (100.0, "2 min"),
        (5999.0, "100 min"),
        (6000.0, "2 h"),
        (172_000.0, "48 h"),
        (864_000.0, "10 d"),
    ],
)
def test_ages_for_a_person(seconds: float | None, text: str) -> None:
    assert age(seconds) == text


def test_a_commit_says_when_it_was_made_and_others_are_not_guessed_at() -> None:
    assert committed_at(commit_stamp(1_700_000_000.25)) == 1_700_000_000.25
    for other in ("", "at", "at=", "at=soon", "by=1", "1700000000"):
        assert committed_at(other) is None


def test_a_member_owns_its_partitions_of_the_topic_and_none_while_it_rebalances() -> None:
    shares = ConsumerProtocolMemberAssignment(0, [("t", [0, 2]), ("other", [1])], b"").encode()
    member = _member(("id", "client", "/10.0.0.7", b"", shares), "t")
    assert (member.host, member.owns) == ("10.0.0.7", frozenset({0, 2}))
    assert _member(("id", "client", "/10.0.0.7", b"", b""), "t").owns == frozenset()


def test_a_broker_that_is_away_is_an_error_and_no_traceback() -> None:
    result = CliRunner().invoke(cli, ["status", "--bootstrap", "127.0.0.1:1"])
    assert result.exit_code == 1
    assert "127.0.0.1:1 cannot be reached" in result.output
    assert "Traceback" not in result.output


def test_the_facts_are_json() -> None:
    again = msgspec_json.decode(msgspec_json.encode(status()), type=Status)
    assert again == status()

"""The demo's checks can fail, each by its own numbers."""

from __future__ import annotations

from models.domain.outcome import Outcome, Result
from streams.demo.checks import answered, applied, counted
from tests.actuators.test_dispatcher import decision


def outcome(to: int, sequence: int, result: Result = Result.APPLIED) -> Outcome:
    made = decision(to, sequence)
    return Outcome(
        workload=made.workload,
        decision=made.id,
        epoch=made.epoch,
        at=0.0,
        result=result,
        replicas={"default": to},
    )


def test_counted() -> None:
    assert counted(5, 5).ok
    assert not counted(5, 4).ok
    assert not counted(4, 5).ok


def test_answered() -> None:
    first, second = decision(3, 1), decision(4, 2)
    assert answered([], {}).ok
    assert answered([first], {first.id: outcome(3, 1)}).ok
    missing = answered([first, second], {first.id: outcome(3, 1)})
    assert not missing.ok
    assert second.id in missing.detail


def test_applied() -> None:
    done = [outcome(3, 1), outcome(7, 3), outcome(5, 2), outcome(9, 4, Result.REFUSED)]
    assert applied(done, 7, 2).ok
    assert not applied(done, 9, 2).ok
    assert applied([], 2, 2).ok
    assert not applied([], 3, 2).ok

"""Owned: what of many changed specs goes into one step."""

from __future__ import annotations

import pytest

from models.domain.spec import AgentScaler
from models.fleet import Fleet
from models.step import SpecChange, Step
from streams import codec
from streams.roles.owned import SPECS_BYTES, Owned, StepLogError
from streams.snapshots import Writer
from streams.steplog import StepRecord


def change(number: int, size: int) -> SpecChange:
    spec = AgentScaler.model_validate(
        {
            "metadata": {"name": f"w{number}", "namespace": "default"},
            "spec": {"target": {"name": "x" * 63}, "resources": {"a" * size: 1}},
        }
    )
    return SpecChange(workload=f"default/w{number}", revision=1, spec=spec)


def owned(changes: list[SpecChange]) -> Owned:
    return Owned(
        partition=0,
        fleet=Fleet(lateness_s=1.0, valid_s=20),
        writer=Writer(0, 1),
        loads=0,
        steps=0,
        live_from=0,
        opened=0,
        fresh=True,
        rounds=None,  # type: ignore[arg-type]
        changes=changes,
    )


def bytes_of(step: Step) -> int:
    return len(codec.encode(StepRecord.of(step, 0, None, fresh=False, opened=None)))


def test_large_specs_are_taken_up_in_steps_that_fit_a_message() -> None:
    one = owned([change(number, 200) for number in range(2500)])
    taken = 0
    while one.changes:
        step, _ = one.apply(1.0, [])
        assert 0 < bytes_of(step) < 1_000_000
        taken += len(step.specs)
    assert taken == 2500


def test_who_slept_and_wrote_last_has_not_been_alone() -> None:
    one = owned([])
    one.logged(0)
    one.logged(1)
    assert (one.alone, one.steps) == (True, 2)
    one.logged(5)  # 2 to 4 are another owner's; the log ends with this one's all the same.
    one.logged(6)
    assert (one.alone, one.steps) == (False, 7)


def test_a_step_that_stands_nowhere_ends_the_owner() -> None:
    one = owned([])
    one.logged(3)
    with pytest.raises(StepLogError):
        one.logged(-1)


def test_one_spec_that_is_larger_than_that_is_not_kept_back() -> None:
    one = owned([change(0, SPECS_BYTES + 1), change(1, 10)])
    assert [len(one.apply(1.0, [])[0].specs) for _ in range(2)] == [1, 1]

"""Equal parts of specs are one object, and none says anything that its user did not write."""

from __future__ import annotations

from typing import Any

from models.domain.spec import AgentScaler


def spec(name: str, **more: Any) -> AgentScaler:
    return AgentScaler.model_validate(
        {"metadata": {"name": name}, "spec": {"target": {"name": name}, **more}}
    )


def test_equal_parts_are_one() -> None:
    bounds = {"min": 2, "max": 9}
    first = spec("a", replicas=bounds, slo={"latencySeconds": 2.0}).spec
    second = spec("b", replicas=bounds, slo={"latencySeconds": 2.0}).spec
    assert first.replicas is second.replicas
    assert first.slo is second.slo
    assert first.behavior is second.behavior
    assert first.target is not second.target


def test_a_default_that_was_written_stays_written() -> None:
    silent, said = spec("a"), spec("b", demand={"unit": "concurrency"})
    deeper = spec("c", behavior={"scaleUp": {"selectPolicy": "Max"}})
    assert silent.spec.demand == said.spec.demand
    assert "demand" not in silent.model_dump(exclude_unset=True)["spec"]
    assert said.model_dump(exclude_unset=True)["spec"]["demand"] == {"unit": "concurrency"}
    assert deeper.model_dump(exclude_unset=True, by_alias=True)["spec"]["behavior"] == {
        "scaleUp": {"selectPolicy": "Max"}
    }


def test_numbers_of_different_kinds_are_different() -> None:
    assert spec("a", slo={"latencySeconds": 1.0}).spec.slo is not None
    tolerant = spec("a", behavior={"scaleDown": {"tolerance": 1.0}})
    assert tolerant.spec.behavior.scale_down.tolerance == 1.0
    other = spec("b", behavior={"scaleDown": {"stabilizationWindowSeconds": 1}})
    assert other.spec.behavior.scale_down.tolerance is None

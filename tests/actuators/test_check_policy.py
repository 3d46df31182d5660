"""The actuator works out schedules, pauses and the way from zero again, from its own spec."""

from __future__ import annotations

from typing import Any

import pytest

from models.domain.outcome import Result
from tests.actuators.test_dispatcher import Rig, decision
from tests.actuators.worlds import BEGIN

# BEGIN is 22:13:20 in UTC; replicas take 40 s to come, so 22:14 is looked ahead to.
SOON = {"start": "14 22 * * *", "end": "0 23 * * *"}
LATER = {"start": "15 22 * * *", "end": "0 23 * * *"}
ON = {"start": "0 22 * * *", "end": "0 23 * * *"}
SLOWLY = {"scaleUp": {"policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}]}}


@pytest.mark.parametrize(
    ("spec", "before", "after", "result"),
    [
        ({"schedules": [ON | {"max": 5}]}, 2, 6, Result.REFUSED),
        ({"schedules": [ON | {"max": 30}]}, 2, 25, Result.APPLIED),
        ({"schedules": [SOON | {"max": 30}]}, 2, 25, Result.APPLIED),
        ({"schedules": [LATER | {"max": 30}]}, 2, 25, Result.REFUSED),
        ({"schedules": [SOON | {"min": 8}]}, 2, 7, Result.REFUSED),
        # The bounds themselves ask for a step that behavior would not allow.
        ({"schedules": [SOON | {"min": 8}], "behavior": SLOWLY}, 2, 8, Result.APPLIED),
        ({"schedules": [LATER | {"min": 8}], "behavior": SLOWLY}, 2, 8, Result.REFUSED),
        ({"pause": {"scaleIn": True}}, 6, 4, Result.REFUSED),
        ({"pause": {"scaleIn": True}}, 4, 6, Result.APPLIED),
        ({"pause": {"scaleOut": True}}, 4, 6, Result.REFUSED),
        ({"pause": {"scaleOut": True}}, 6, 4, Result.APPLIED),
        ({"pause": {"scaleIn": True}}, 12, 10, Result.APPLIED),  # Above the maximum of 10.
        ({"pause": {"replicas": 9}, "behavior": SLOWLY}, 2, 9, Result.APPLIED),
        # The first replica, of which any share is nothing.
        ({"replicas": {"min": 0}, "behavior": SLOWLY}, 0, 1, Result.APPLIED),
        ({"replicas": {"min": 0}, "behavior": SLOWLY}, 0, 2, Result.REFUSED),
        (
            {"replicas": {"min": 0}, "behavior": {"scaleUp": {"selectPolicy": "Disabled"}}},
            0,
            1,
            Result.REFUSED,
        ),
    ],
)
async def test_own_spec_decides(
    spec: dict[str, Any], before: int, after: int, result: Result
) -> None:
    rig = Rig(**spec)
    outcome = await rig.outcome(decision(after, before=before, at=BEGIN))
    assert outcome.result is result, outcome.detail
    assert rig.platform.applied == ([after] if result is Result.APPLIED else [])

"""Small trials for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.fluid.schedule import Schedule
from lab.fluid.trial import Trial
from lab.traces import Series


def made(values: Sequence[float], *, step_s: int = 60, **more: Any) -> Series:
    return Series(name="made", step_s=step_s, values=np.array(values, float), **more)


def trial(values: Sequence[float] | Series, *, step_s: int = 60, **more: Any) -> Trial:
    """``values`` per step; a replica serves 1/0.9 a step, so 0.9 of it is 1: value 3 needs 3."""
    found = values if isinstance(values, Series) else made(values, step_s=step_s)
    return Trial(
        **{"series": found, "capacity": 1 / 0.9 / found.step_s, "startup_s": 0.0, "least": 0} | more
    )


def asked(*pairs: tuple[float, int]) -> Schedule:
    at, replicas = zip(*pairs, strict=True)
    return Schedule(at=np.array(at, float), replicas=np.array(replicas))

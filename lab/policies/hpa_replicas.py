"""The HPA's arithmetic: from a metric to a number of replicas, before windows and limits.

Rule: as kubernetes/pkg/controller/podautoscaler/replica_calculator.go and metrics/utilization.go
(v1.36), its whole numbers included; None is what the controller calls an error, and then it does
nothing.
Flow: Hpa -> here -> Hpa's windows and limits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PERCENT = 100
MILLI = 1000
ROUNDING = 1e-9
"""What floats lack to a whole percent or thousandth that the controller, counting whole
thousandths of a core from the beginning, has exactly: 0.29 * 100 is 28.999999999999996."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """How far from 1 a ratio may be without a move, per direction."""

    up: float = 0.1
    down: float = 0.1

    def within(self, ratio: float) -> bool:
        """Whether ``ratio`` is no reason to move: 0.9 to 1.1, both included, by default."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Use per pod to aim at, in whole steps of ``1 / scale``.

    A utilisation is a share of the request in whole percents; an average value is in thousandths.
    ``missing`` is what a pod without a metric is taken to use when it goes down: the target or, of
    a utilisation, all of its request if that is more.
    """

    steps: int
    scale: int
    missing: float

    @classmethod
    def utilisation(cls, share: float) -> Target:
        """Of a request: 0.7 is ``averageUtilization: 70``."""
        return cls(steps=round(share * PERCENT), scale=PERCENT, missing=max(share, 1.0))

    @classmethod
    def value(cls, value: float) -> Target:
        """Of a pod: 3.5 is ``averageValue: 3500m``."""
        return cls(steps=round(value * MILLI), scale=MILLI, missing=value)

    def ratio(self, total: float, pods: int) -> float:
        """Mean use of ``pods`` over the target, the mean cut to whole steps first."""
        return math.floor(total * self.scale / pods + ROUNDING) / self.steps


def from_pods(
    target: Target,
    tolerances: Tolerances,
    *,
    current: int,
    ready: int,
    unready: int,
    missing: int,
    mean_use: float,
) -> int | None:
    """Replicas by a metric of each pod (GetResourceReplicas, calcPlainMetricReplicas).

    ``mean_use`` is of the ``ready`` pods; ``unready`` ones are pending or not ready yet, and
    ``missing`` ones run without a metric.  6 ready at 1.0 and 1 unready, target 0.7: 1.43 is up, so
    the unready one counts with 0: 85 % / 70 % = 1.21, times 7 pods = 8.5, so 9.  None: no pod with
    a metric.
    """
    if ready <= 0:
        return None
    total = mean_use * ready
    ratio = target.ratio(total, ready)
    up_with_unready = unready > 0 and ratio > 1.0
    if not up_with_unready and missing <= 0:
        return current if tolerances.within(ratio) else math.ceil(ratio * ready)
    counted = ready
    if missing > 0 and ratio != 1.0:
        counted += missing
        if ratio < 1.0:
            total += missing * target.missing
    if up_with_unready:
        counted += unready
    again = target.ratio(total, counted)
    turned = again < 1.0 < ratio or ratio < 1.0 < again
    if turned or tolerances.within(again):
        return current
    replicas = math.ceil(again * counted)
    if (again < 1.0 and replicas > current) or (again > 1.0 and replicas < current):
        return current
    return replicas


def from_external_average(
    target: Target, tolerances: Tolerances, *, current: int, total: float
) -> int:
    """Replicas by a total shared by all pods, ready or not (GetExternalPerPodMetricReplicas).

    25 with a target of 4 a pod and 5 pods: 25 / 20 is more than 10 % off, so 25 / 4 = 6.25, so 7.
    """
    usage = math.floor(total * target.scale + ROUNDING)
    if current > 0 and tolerances.within(usage / (target.steps * current)):
        return current
    return math.ceil(usage / target.steps)


def from_external_value(
    target: Target, tolerances: Tolerances, *, current: int, ready: int, total: float
) -> int | None:
    """Replicas by a total with a target for all of it (GetExternalMetricReplicas).

    A queue of 30 with a target of 20 and 4 ready pods: 1.5 times 4, so 6.  None: no pod at all.
    """
    ratio = math.floor(total * target.scale + ROUNDING) / target.steps
    if tolerances.within(ratio):
        return current
    return math.ceil(ratio * ready)

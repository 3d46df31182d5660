"""Learned capacity on the plant: against what a replica really carries, and after a release.

Rule: what is true is found by bisection on fleets that stay as they are, with no learner in sight;
the learner is told an SLO and nothing else.  ``python -m lab.plant.learning [HOURS [WORD]]`` prints
the table, of services whose name has WORD in it.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
from dataclasses import dataclass

from lab.plant.foretide import Foretide
from lab.plant.plant import Plant
from lab.plant.truth import BEGIN, SERVICES, Service, agent, arrivals, parameters, true_capacity
from models.demand import Unit

CLOSE = 0.15
"""How near to the true capacity counts as learned."""

PERIOD_S = 3600.0
"""Demand rises and falls once an hour, by half of its mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """What came of one run.  Capacities are in ``unit``, shares 0 to 1, times in seconds.

    ``close_s``: from then on, up to the release, the capacity is within ``CLOSE`` of the true
    one; None: it never was for good.  ``violations`` is the share slow of requests that ended
    before the release, ``worst_hour`` the highest of an hour before it.  After its replicas took
    over, ``noticed_s`` is when it was said that requests take longer, ``lowered_s`` when the
    capacity was at most ``CLOSE`` over what is true then; None: it was not, or was not asked for.
    ``words``: what a decision would say of it before the release.
    """

    unit: Unit
    true: float
    learned: float | None
    close_s: int | None
    violations: float
    worst_hour: float
    noticed_s: int | None
    lowered_s: int | None
    unit_after: Unit
    after: float | None
    words: str


def learn(
    service: Service,
    true: dict[Unit, float],
    *,
    unit: Unit | None = None,
    hours: float = 6.0,
    after_s: int = 0,
    then: dict[Unit, float] | None = None,
    seed: int = 1,
) -> Learning:
    """Let it learn for ``hours``, then release the slower one and go on for ``after_s``; 0: not.

    ``then``: what is true of the slower one.
    """
    seconds = round(hours * 3600)
    total = seconds + after_s
    made = arrivals(
        service,
        lambda at: service.rate * (1 + 0.5 * math.sin(2 * math.pi * at / PERIOD_S)),
        total,
        seed,
    )
    old = dataclasses.replace(service.variant, initial_replicas=service.replicas)
    plant = Plant(made, parameters(service, old, service.slower), seed=seed, begin=BEGIN)
    run = Foretide(plant, agent(service, unit))
    ratios: list[tuple[int, float]] = []
    marks = [(0, 0)]
    for second in range(1, seconds + 1):
        run.second()
        if second % 60 == 0:
            value = run.scaler.capacity()
            ratio = 0.0 if value is None else value / true[run.scaler.demand.unit]
            ratios.append((second, ratio))
        if second % 3600 == 0:
            account = plant.account
            marks.append((account.violations, account.served + account.dropped))
    learned, unit_now = run.scaler.capacity(), run.scaler.demand.unit
    words = _told(run)
    violations = plant.account.violation_share()
    noticed_s, lowered_s = _after(run, service, after_s, then or {}) if after_s else (None, None)
    plant.close()
    pairs = itertools.pairwise(marks)
    return Learning(
        unit=unit_now,
        true=true[unit_now],
        learned=learned,
        close_s=_close_s(ratios),
        violations=violations,
        worst_hour=max([(b[0] - a[0]) / max(b[1] - a[1], 1) for a, b in pairs], default=0.0),
        noticed_s=noticed_s,
        lowered_s=lowered_s,
        unit_after=run.scaler.demand.unit,
        after=run.scaler.capacity(),
        words=words,
    )


def _told(run: Foretide) -> str:
    return "" if run.scaler.learner is None else run.scaler.learner.words()


def _after(
    run: Foretide, service: Service, seconds: int, then: dict[Unit, float]
) -> tuple[int | None, int | None]:
    """Release, go on, and say how long after it took over it was noticed, and counted with."""
    run.release(service.slower.name, service.variant.name)
    since: int | None = None
    noticed: int | None = None
    lowered: int | None = None
    for second in range(seconds):
        run.second()
        if since is None:
            since = second if run.rolled else None
            continue
        if noticed is None and "slower" in _told(run):
            noticed = second - since
        value, true = run.scaler.capacity(), then.get(run.scaler.demand.unit)
        if lowered is None and value is not None and true and value <= true * (1 + CLOSE):
            lowered = second - since
    return noticed, lowered


def _close_s(ratios: list[tuple[int, float]]) -> int | None:
    """From when on every ratio is within ``CLOSE`` of 1."""
    since: int | None = None
    for at, ratio in ratios:
        if abs(ratio - 1.0) > CLOSE:
            since = None
        elif since is None:
            since = at
    return since


def main(hours: float = 6.0, word: str = "") -> None:
    """Print the table in Markdown."""
    out = sys.stdout
    out.write(
        "| service | unit | seed | true | learned | within 15 % from | slow, all / worst hour "
        "| slower release: counted with after | said after | true then | learned 2 h later |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|\n"
    )
    asked: tuple[Unit | None, ...] = (None, "concurrency")
    for service in SERVICES:
        if word not in service.name:
            continue
        true = true_capacity(service, service.variant)
        then = true_capacity(service, service.slower)
        for unit, seed in itertools.product(asked, (1, 2)):
            found = learn(service, true, unit=unit, hours=hours, after_s=7200, then=then, seed=seed)
            near = "not" if found.close_s is None else f"{found.close_s / 60:.0f} min"
            out.write(
                f"| {service.name} | {found.unit}{'' if unit else ' (chosen)'} | {seed} "
                f"| {found.true:.3g} | {found.learned or 0:.3g} | {near} "
                f"| {found.violations:.2%} / {found.worst_hour:.2%} "
                f"| {_seconds(found.lowered_s)} | {_seconds(found.noticed_s)} "
                f"| {then[found.unit_after]:.3g} | {found.after or 0:.3g} {found.unit_after} |\n"
            )
            out.flush()


def _seconds(value: int | None) -> str:
    return "not" if value is None else f"{value} s"


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 6.0, *sys.argv[2:3])

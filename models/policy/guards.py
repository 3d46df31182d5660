"""Guards: all of them, in their order, and what they make of a wish.

Rule: the order reads as the specification.
Flow: Wish, Context -> guarded -> explanation.
"""

from __future__ import annotations

from models.domain.spec import ScalerSpec
from models.policy.bounds import bounds
from models.policy.context import Context, Guard, Mark
from models.policy.damping import damping
from models.policy.drain import drain
from models.policy.effect import effect
from models.policy.idle import idle
from models.policy.pause import pause
from models.policy.rate import rate
from models.policy.stabilization import down_window_s, stabilization
from models.policy.starting import starting
from models.policy.telemetry import telemetry
from models.policy.tolerance import tolerance, tolerated
from models.policy.wishes import Wishes
from models.serves import Serves
from models.swings import small

GUARDS: tuple[Guard, ...] = (
    telemetry,
    starting,
    stabilization,
    damping,
    tolerance,
    effect,
    drain,
    rate,
    idle,
    pause,
    bounds,
)
"""In order: first what we can know, then what is worth moving for, what it does to the work under
way, then the hard limits.  ``tolerance`` looks at what would really be done, so behind
``stabilization`` and ``damping``; ``idle`` stands behind ``rate``, to which any share of zero is
zero."""

Marked = tuple[str, int, Mark]
"""A guard's name, the number that came in, and what the guard made of it."""


def guarded(replicas: int, context: Context) -> tuple[int, tuple[Marked, ...]]:
    """What comes out behind all guards, and the marks of those that had something to say."""
    marks: list[Marked] = []
    for guard in GUARDS:
        mark = guard(replicas, context)
        if mark is not None:
            marks.append((guard.__name__, replicas, mark))
            replicas = mark.replicas
    return replicas, tuple(marks)


def stays(
    replicas: int,
    current: int,
    now: float,
    spec: ScalerSpec,
    wished: Wishes,
    chosen_s: float,
    serves: Serves | None = None,
    held: int = 0,
) -> bool:
    """Whether the guards would come back to ``current``, which most often they do.

    It is known without asking them where there is no change, where it is within tolerance, and
    where a scale-in is held by a wish of its window (``chosen_s``, where the user set none), or a
    small one at an edge (``held``); only then is it True.
    """
    if replicas == current or tolerated(replicas, current, spec.behavior, serves):
        return True
    if replicas > current:
        return False
    given = spec.behavior.scale_down.stabilization_window_seconds
    if held >= current and given is None and small(replicas, current, serves):
        return True
    highest = wished.highest(now - down_window_s(spec, chosen_s))
    return highest is not None and highest >= current

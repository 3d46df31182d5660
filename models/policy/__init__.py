"""The policy: small guards, applied in order, each stamping what it changed.

Rule: a guard maps a number to a number and a reason, knows only its ``Context``, and is tested
alone; the assembly below reads as the specification.
"""

from models.policy.bounds import bounds
from models.policy.context import Context, Guard, Mark
from models.policy.damping import damping
from models.policy.drain import drain
from models.policy.effect import effect
from models.policy.idle import idle
from models.policy.pause import pause
from models.policy.rate import rate
from models.policy.stabilization import stabilization
from models.policy.starting import starting
from models.policy.telemetry import telemetry
from models.policy.tolerance import tolerance
from models.policy.wishes import Wishes

GUARDS: tuple[Guard, ...] = (
    telemetry,
    starting,
    stabilization,
    tolerance,
    damping,
    effect,
    drain,
    rate,
    idle,
    pause,
    bounds,
)
"""In order: first what we can know, then what is worth moving for, what it does to the work under
way, then the hard limits.  ``tolerance`` looks at what would really be done, so behind
``stabilization``; ``idle`` stands behind ``rate``, to which any share of zero is zero."""

__all__ = ["GUARDS", "Context", "Guard", "Mark", "Wishes"]

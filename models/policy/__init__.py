"""The policy: small guards, applied in order, each stamping what it changed.

Rule: a guard maps a number to a number and a reason, knows only its ``Context``, and is tested
alone; the assembly below reads as the specification.
"""

from models.policy.bounds import bounds
from models.policy.context import Context, Guard, Mark
from models.policy.rate import rate
from models.policy.stabilization import stabilization
from models.policy.starting import starting
from models.policy.telemetry import telemetry
from models.policy.tolerance import tolerance
from models.policy.wishes import Wishes

GUARDS: tuple[Guard, ...] = (telemetry, starting, tolerance, stabilization, rate, bounds)
"""In order: first what we can know, then what is worth moving for, then the hard limits."""

__all__ = ["GUARDS", "Context", "Guard", "Mark", "Wishes"]

"""The policy: small guards, applied in order, each stamping what it changed.

Rule: a guard maps a number to a number and a reason, knows only its ``Context``, and is tested
alone; the assembly in ``guards`` reads as the specification.
"""

from models.policy.context import Context, Guard, Mark
from models.policy.guards import GUARDS, Marked, guarded, stays
from models.policy.wishes import Wishes

__all__ = ["GUARDS", "Context", "Guard", "Mark", "Marked", "Wishes", "guarded", "stays"]

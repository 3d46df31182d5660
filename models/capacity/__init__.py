"""Capacity: what one ready replica serves within its SLO, learned from what was seen.

Rule: it says a number only once it has proof, and with the number how much proof; what was never
seen to be fine is never taken for fine by more than one small step.
Flow: Window -> evidence (a step of 10 s) -> Learner -> Mix -> Scaler.
"""

from models.capacity.learner import Learner
from models.capacity.mix import Mix, MixState

__all__ = ["Learner", "Mix", "MixState"]

"""Other people's policies, faithful to their sources, to be compared with.

Rule: each is tested against numbers worked out by hand from the published algorithm.
"""

from lab.policies.hpa import Hpa
from lab.policies.policy import Policy, View
from lab.policies.static import Static

__all__ = ["Hpa", "Policy", "Static", "View"]

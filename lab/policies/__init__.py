"""Other people's policies, faithful to their sources, to be compared with.

Rule: each is tested against numbers worked out by hand from the published algorithm.
docs/opponents.md says of each where it is from, its constants, and what is simplified.
"""

from lab.policies.article import ArticleLinear, ArticleSteps
from lab.policies.hpa import Hpa, Metric
from lab.policies.hpa_behavior import SCALE_DOWN, SCALE_UP, Behavior, RatePolicy, Rules
from lab.policies.keda import Keda
from lab.policies.kpa import Kpa
from lab.policies.policy import Policy, View
from lab.policies.predictive_hpa import PredictiveHpa
from lab.policies.static import Static

__all__ = [
    "SCALE_DOWN",
    "SCALE_UP",
    "ArticleLinear",
    "ArticleSteps",
    "Behavior",
    "Hpa",
    "Keda",
    "Kpa",
    "Metric",
    "Policy",
    "PredictiveHpa",
    "RatePolicy",
    "Rules",
    "Static",
    "View",
]

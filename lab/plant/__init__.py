"""The plant: a simulated fleet of replicas that serves a trace, request by request.

Rule: deterministic from a seed, time is an argument, and it shows a controller nothing that a
real service could not know.
"""

from lab.plant.account import Account
from lab.plant.parameters import PlantParameters
from lab.plant.plant import Finished, Gauge, Plant, PlantEvent, Started

__all__ = [
    "Account",
    "Finished",
    "Gauge",
    "Plant",
    "PlantEvent",
    "PlantParameters",
    "Started",
]

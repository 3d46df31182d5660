"""The plant: a simulated fleet of replicas that serves a trace, request by request.

Rule: deterministic from a seed, time is an argument, and it shows a controller nothing that a
real service could not know.
"""

from lab.plant.account import Account, AccountError
from lab.plant.batching import LONG_CONTEXT, Batching
from lab.plant.delivery import Delivery, Outage, TelemetryFaults
from lab.plant.events import Finished, Gauge, PlantEvent, Started
from lab.plant.parameters import Failures, PlantParameters, Variant
from lab.plant.plant import Plant
from lab.plant.startup import (
    GENTD26_BASE_MODEL,
    GENTD26_LORA,
    GENTD26_PIPELINE,
    ConstantStartup,
    EmpiricalStartup,
    LogNormalStartup,
    MeasuredStartup,
    Startup,
)

__all__ = [
    "GENTD26_BASE_MODEL",
    "GENTD26_LORA",
    "GENTD26_PIPELINE",
    "LONG_CONTEXT",
    "Account",
    "AccountError",
    "Batching",
    "ConstantStartup",
    "Delivery",
    "EmpiricalStartup",
    "Failures",
    "Finished",
    "Gauge",
    "LogNormalStartup",
    "MeasuredStartup",
    "Outage",
    "Plant",
    "PlantEvent",
    "PlantParameters",
    "Started",
    "Startup",
    "TelemetryFaults",
    "Variant",
]

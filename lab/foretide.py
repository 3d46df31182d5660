"""A whole trace under Foretide on the per-request plant, beside the policies of lab.compare.

Flow: arrivals -> lab.plant.foretide -> RunResult.
"""

from __future__ import annotations

from lab.compare import DRAIN_S, RunResult, result_of
from lab.planner import BEGIN
from lab.plant import Plant, PlantParameters
from lab.plant.foretide import Foretide
from lab.traces import Arrival
from models.domain.spec import AgentScaler


def plant_spec(parameters: PlantParameters) -> AgentScaler:
    """What a user of such a plant would say: concurrency, its SLO, its bounds."""
    return AgentScaler.model_validate(
        {
            "metadata": {"name": "service", "namespace": "lab"},
            "spec": {
                "target": {"name": "service"},
                "replicas": {"min": parameters.min_replicas, "max": parameters.max_replicas},
                "demand": {"unit": "concurrency", "perReplica": parameters.per_replica},
                "slo": {"latencySeconds": parameters.slo_s, "violations": parameters.violations},
            },
        }
    )


def run_foretide(
    arrivals: tuple[Arrival, ...],
    parameters: PlantParameters,
    *,
    seed: int,
    spec: AgentScaler | None = None,
) -> RunResult:
    """Run Foretide over the whole trace and a drain; it is told, and decides, once a second.

    ``spec`` None: ``plant_spec``.  Live it is told within some 40 ms, so this is slower by half
    a second in the mean.
    """
    plant = Plant(arrivals, parameters, seed=seed, begin=float(BEGIN))
    run = Foretide(plant, plant_spec(parameters) if spec is None else spec)
    end = BEGIN + arrivals[-1].at_s
    while run.now < end or (not plant.drained and run.now < end + DRAIN_S):
        run.acts = run.now + 1 <= end
        run.second()
    plant.close()
    return result_of("foretide", plant.account, float(BEGIN))

"""What a demo run is asked for, and the settings and spec that follow from it.

Rule: nothing here is tuned to the trace; the plant's parameters are printed with the result.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from lab.plant import PlantParameters
from models.domain.spec import AgentScaler
from streams.recorder import FILES, STEPS
from streams.settings import Settings
from streams.steplog import META

NAMESPACE = "prod"
NAME = "code-assistant"
WORKLOAD = f"{NAMESPACE}/{NAME}"

REPORT = "report.html"

SPEED = 30.0
SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One run.  ``trace`` None is the shipped one; ``speed`` times real time."""

    trace: Path | None = None
    speed: float = SPEED
    seed: int = SEED
    stay: bool = False
    out: Path = Path("demo-out")
    parameters: PlantParameters = field(default_factory=PlantParameters)


class OccupiedError(Exception):
    """The folder has something that no demo wrote; the text says what to do."""


def earlier(out: Path) -> bool:
    """Whether a folder has an earlier run of the demo, which the next one writes over.

    Raises ``OccupiedError`` where another recording or report would be lost.
    """
    found = [name for name in (META, STEPS, REPORT, *FILES.values()) if (out / name).exists()]
    if not found:
        return False
    try:
        about = json.loads((out / META).read_bytes())
    except (OSError, ValueError):
        about = None
    if not isinstance(about, dict) or not {"speed", "trace"} <= about.keys():
        raise OccupiedError(
            f"{out} has {found[0]}, which no demo wrote and this one would write over: give "
            "another folder with --out"
        )
    return True


def settings(bootstrap: str, speed: float) -> Settings:
    """Settings for the embedded broker and a clock that runs fast.

    Delays that are real (a fetch, a linger) last ``speed`` times as long in trace time, so what
    is waited for in trace time is stretched to match.
    """
    return Settings(
        bootstrap=bootstrap,
        web_host="127.0.0.1",
        web_port=0,
        fetch_max_wait_ms=5,
        session_timeout_s=10.0,
        commit_interval_s=0.5,
        lateness_s=2.0 + 0.05 * speed,
        progress_interval_s=1.0,
        decision_valid_s=60.0 + speed,
        resync_s=10.0,
    )


def scaler(parameters: PlantParameters) -> AgentScaler:
    """The demo's AgentScaler: what a user would write for this service."""
    return AgentScaler.model_validate(
        {
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": {
                "target": {"kind": "Deployment", "name": NAME},
                "replicas": {"min": parameters.min_replicas, "max": parameters.max_replicas},
                "demand": {"unit": "concurrency", "perReplica": parameters.per_replica},
                "slo": {
                    "latencySeconds": parameters.slo_s,
                    "violations": parameters.violations,
                },
                "costPerHour": 2.4,
            },
        }
    )

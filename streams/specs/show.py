"""The effective spec: what a file means once everything left out is filled in.

Rule: what is learned or self-tuned is said to be so, and not shown as null.
"""

from __future__ import annotations

import yaml

from models.capacity.asked import units_of
from models.domain.spec import AgentScaler, Pool
from models.policy.tolerance import DOWN_DEFAULT

LEARNED = {
    "unit": "learned: requests, until another foretells slow requests better",
    "perReplica": "learned where there is an slo; until then latency decides, upwards only",
    "stabilizationWindowSeconds": "scale-in: of 60, 300, 900 and 1800 s what would have kept the "
    "slo at the least cost; scale-out: none",
    "policies": "no limit on a step",
    "tolerance": f"scale-in: {DOWN_DEFAULT:g}; scale-out: 0",
    "costPerHour": "not given: alternatives show risk alone",
    "pool": "none: capacity is not shared",
    "slo": "none: latency is not held against anything",
}


def effective(spec: AgentScaler | Pool) -> str:
    """The spec as YAML with defaults; what is unset is a comment that says what holds."""
    content = spec.model_dump(mode="json", by_alias=True, exclude_none=False)
    if isinstance(spec, AgentScaler) and len(units_of(spec.spec)) > 1:
        content["spec"]["demand"]["unit"] = None
    lines = []
    for line in yaml.safe_dump(content, sort_keys=False).splitlines():
        name, _, value = line.partition(":")
        if value.strip() == "null":
            why = LEARNED.get(name.strip(), "not set")
            indent = " " * (len(name) - len(name.lstrip()))
            lines.append(f"{indent}# {name.strip()}: {why}")
        else:
            lines.append(line)
    return "\n".join(lines)

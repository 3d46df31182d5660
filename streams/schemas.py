"""JSON Schemas of all records and an AsyncAPI document of all topics, from the code.

Rule: generated, never edited; a test holds the committed ones to the code.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from models.domain.decision import Decision
from models.domain.forecast import Forecast, Proposal
from models.domain.load import Load, Progress
from models.domain.outcome import Outcome
from models.domain.rejected import Rejected
from models.domain.spec import AgentScaler, Pool
from models.domain.telemetry import Telemetry
from streams.steplog import StepRecord
from streams.topics import TABLE

RECORDS: dict[str, Any] = {
    "telemetry": Telemetry,
    "load": Load | Progress | list[Load | Progress],
    "steps": StepRecord,
    "forecasts": Forecast,
    "proposals": Proposal,
    "decisions": Decision,
    "outcomes": Outcome,
    "rejected": Rejected,
}


def schemas() -> dict[str, dict[str, Any]]:
    """Documents by file name, without ``.json``."""
    made = {name: _schema(record) for name, record in RECORDS.items()}
    made["agentscaler"] = AgentScaler.model_json_schema(by_alias=True)
    made["pool"] = Pool.model_json_schema(by_alias=True)
    made["asyncapi"] = _asyncapi()
    return made


def text(document: dict[str, Any]) -> str:
    """A document as it is written to a file."""
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _schema(record: Any) -> dict[str, Any]:  # noqa: ANN401 - any type msgspec knows
    schema = msgspec.json.schema(record)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _asyncapi() -> dict[str, Any]:
    payloads = {**{name: f"{name}.json" for name in RECORDS}, "workloads": "agentscaler.json"}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for name, topic in TABLE.items():
        channel: dict[str, Any] = {
            "address": f"foretide.{name}",
            "description": f"Key: {topic.key}. Why: {topic.why}.",
        }
        if name in payloads:
            channel["messages"] = {
                name: {"contentType": "application/json", "payload": {"$ref": payloads[name]}}
            }
        channels[name] = channel
        user_sends = name in {"telemetry", "workloads"}
        operations[name] = {
            "action": "receive" if user_sends else "send",
            "channel": {"$ref": f"#/channels/{name}"},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Foretide", "version": "1"},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
    }

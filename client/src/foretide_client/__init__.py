"""Telemetry for Foretide: batched, bounded, never in your service's way.

Rule: imports nothing of the application; a contract test holds the two together.
"""

from foretide_client.aio import AsyncTelemetry
from foretide_client.buffer import Stats
from foretide_client.memory import MemorySender
from foretide_client.plain import Telemetry
from foretide_client.sender import KafkaSender, Sender
from foretide_client.session import Session
from foretide_client.span import RequestSpan

__all__ = [
    "AsyncTelemetry",
    "KafkaSender",
    "MemorySender",
    "RequestSpan",
    "Sender",
    "Session",
    "Stats",
    "Telemetry",
]

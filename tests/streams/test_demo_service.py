"""What the demo's service tells of itself is what a real one would, and is decoded as such."""

from __future__ import annotations

from foretide_client import AsyncTelemetry, MemorySender

from actuators.clock import ScaledClock
from lab.kubeapi import KubeApi
from lab.plant import Plant, PlantParameters
from lab.traces import Arrival
from lab.traces.session import Call, Session
from streams import codec
from streams.cli.demo import command
from streams.demo.options import SPEED
from streams.demo.service import Service

PARAMETERS = PlantParameters(slots=1, initial_replicas=1, queue_limit=0, gauge_every_s=50.0)


class Clock(ScaledClock):
    """Stands at ``at``."""

    at = 1_700_000_100.0

    def now(self) -> float:
        return self.at


async def test_labels_and_ends_of_requests_reach_the_wire() -> None:
    clock = Clock(speed=1.0, length_s=1.0)
    call = Call(pause_s=0.0, turn=0, tokens_in=500, tokens_cached=0, tokens_out=40)
    plant = Plant(
        [
            Arrival(at_s=1.0, tokens_in=100, tokens_out=0, tenant="acme"),
            Arrival(at_s=20.0, tokens_in=7, tokens_out=4),
        ],
        PARAMETERS,
        seed=1,
        begin=1_700_000_000.0,
        sessions=[Session(name="s-1", start_s=0.5, calls=(call,))],
    )
    sender = MemorySender()
    async with AsyncTelemetry(workload="prod/bot", sender=sender) as telemetry:
        Service(plant, KubeApi(clock), telemetry, clock).advance()
    requests = [event for event in sender.events() if event["kind"] == "request"]
    assert [(e["phase"], e.get("status"), e.get("session"), e.get("tenant")) for e in requests] == [
        ("started", None, "s-1", None),
        ("started", None, None, "acme"),
        ("finished", "dropped", None, "acme"),
        ("finished", "ok", "s-1", None),
        ("started", None, None, None),
        ("finished", "ok", None, None),
    ]
    assert [e["session"] for e in requests if "opens_session" in e] == ["s-1"]
    for _, value in sender.messages:
        assert codec.telemetry(value, clock.at).rejected == []


async def test_a_request_that_is_lost_with_its_replica_is_an_error() -> None:
    clock = Clock(speed=1.0, length_s=1.0)
    parameters = PlantParameters(initial_replicas=1, grace_s=1.0)
    plant = Plant(
        [Arrival(at_s=0.0, tokens_in=1, tokens_out=4000)], parameters, seed=1, begin=1_700_000_000.0
    )
    plant.advance(1_700_000_000.0)
    plant.scale(0, 1_700_000_000.0)
    sender = MemorySender()
    async with AsyncTelemetry(workload="prod/bot", sender=sender) as telemetry:
        Service(plant, KubeApi(clock), telemetry, clock).advance()
    (ended,) = [event for event in sender.events() if event.get("phase") == "finished"]
    assert (ended["status"], ended["latency_s"], ended.get("pod")) == ("error", 1.0, None)


def test_the_command_s_speed_is_the_demo_s() -> None:
    (speed,) = [option for option in command.params if option.name == "speed"]
    assert speed.default == SPEED

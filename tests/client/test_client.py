"""The client: never in the way, bounded, counted; and what it sends is what is decoded."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide_client import AsyncTelemetry, MemorySender, Telemetry
from foretide_client.buffer import Buffer
from foretide_client.events import fault
from models.domain.telemetry import ReplicaReport, Request, Resource
from streams import codec
from streams.kafka.embedded import EmbeddedBroker
from tests.client.samples import everything

SOURCES = Path(__file__).parents[2] / "client" / "src" / "foretide_client"


async def test_the_application_decodes_all_that_the_client_sends() -> None:
    seen = 0
    for key, value in await everything():
        decoded = codec.telemetry(value, 1_700_000_000.0)
        assert decoded.rejected == []
        assert decoded.unknown == {}
        assert {event.workload for event in decoded.events} == {key}
        seen += len(decoded.events)
    assert seen == 11


def test_it_imports_nothing_of_the_application() -> None:
    for path in SOURCES.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 9))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] not in {"streams", "models", "actuators", "lab"}, path


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"latency_s": float("nan")}, "latency_s"),
        ({"latency_s": -1}, "latency_s"),
        ({"tokens_out": 1.5}, "tokens_out"),
        ({"tokens_in": True}, "tokens_in"),
        ({"workload": "nonsense"}, "workload"),
        ({"session": object()}, "session: <object object"),
        ({"colour": object()}, "not JSON"),
        ({"session": "cut \ud83d"}, "not JSON: 'utf-8' codec can't encode"),
        ({"tenant": 42}, "tenant: 42 is not a text"),
        ({"tokens_in": 10**400}, "is not a finite number from 0 to 1e+12"),
        ({"latency_s": 10**400}, "latency_s: 1000000"),
        ({"status": "OK"}, "status: 'OK' is none of ok, error, dropped"),
        ({"kind": "resource"}, "pod: is missing"),
        ({"v": 2}, "v: 2 is not 1"),
    ],
)
async def test_what_would_be_rejected_is_refused_at_the_edge(
    event: dict[str, object], says: str
) -> None:
    telemetry = AsyncTelemetry(sender=MemorySender(), workload="prod/bot")
    whole = {"kind": "request", "workload": "prod/bot", "at": 1.0, **event}
    assert not telemetry.publish(whole)
    assert telemetry.stats().invalid == 1
    assert says in str(telemetry.stats().last_error)
    await telemetry.close()


VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2000, 2_000_000, 10**13, 10**16, 10**400, 1.0, 1.5, 1e6, 1.1e6, 1e13),
    *(-0.0, float("nan"), float("inf"), "", "x", "y" * 253, "y" * 254, "OK", "started", "error"),
    *([], [1e7], [True], ["x"], [10**400], "a/b", "a" * 158 + "/" + "b" * 159, "A/b", "a/b\n"),
)
WHOLE: dict[str, dict[str, Any]] = {
    "request": {"v": 1, "kind": "request", "workload": "a/b", "at": 1.0},
    "resource": {"v": 1, "kind": "resource", "workload": "a/b", "at": 1.0, "pod": "p"},
    "replicas": {"v": 1, "kind": "replicas", "workload": "a/b", "at": 1.0, "desired": 1, "ready": 1},
}
FIELDS = {
    kind: sorted({"v", "kind", *of.__struct_fields__})
    for kind, of in (("request", Request), ("resource", Resource), ("replicas", ReplicaReport))
}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in FIELDS.items() for name in names]
)
def test_the_client_refuses_what_the_application_does_and_nothing_else(
    kind: str, name: str
) -> None:
    """Each field with each odd value, and without it."""
    events = [{**WHOLE[kind], name: value} for value in VALUES]
    events.append({key: value for key, value in WHOLE[kind].items() if key != name})
    for event in events:
        rejected = codec.telemetry(json.dumps(event).encode(), 1e16).rejected
        assert (fault(event) is None) == (not rejected), (event, fault(event), rejected)


def test_a_value_that_cannot_say_what_it_is_never_raises() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    assert fault({**WHOLE["request"], "latency_s": Odd()}) == "latency_s: a Odd is not a number"


async def test_what_is_too_large_is_refused_with_its_size() -> None:
    telemetry = AsyncTelemetry(sender=MemorySender(), workload="prod/bot", max_message_bytes=500)
    assert not telemetry.request_started(session="s", tenant="t", note="x" * 600)
    assert telemetry.stats().too_large == 1
    assert "bytes is above max_message_bytes 500" in str(telemetry.stats().last_error)
    await telemetry.close()


async def test_a_full_buffer_drops_the_newest_and_counts_it() -> None:
    telemetry = AsyncTelemetry(sender=MemorySender(), workload="prod/bot", buffer_events=3)
    assert [telemetry.request_started(tokens_in=n) for n in range(5)] == [True] * 3 + [False] * 2
    assert telemetry.stats().dropped_full == 2
    assert telemetry.stats().buffered == 3


async def test_a_lost_batch_is_counted_and_flow_resumes() -> None:
    sender = MemorySender()
    sender.fail_with = OSError("no route")
    async with AsyncTelemetry(sender=sender, workload="prod/bot", linger_s=0.01) as telemetry:
        telemetry.request_started()
        assert await telemetry.flush()
        sender.fail_with = None
        telemetry.request_started()
        assert await telemetry.flush()
        stats = telemetry.stats()
    assert (stats.accepted, stats.sent, stats.dropped_failed) == (2, 1, 1)
    assert "no route" in str(stats.last_error)
    assert not telemetry.request_started()
    assert telemetry.stats().dropped_closed == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 80)), max_size=60),
    st.integers(1, 7),
    st.integers(250, 700),
)
def test_every_event_is_in_exactly_one_batch_in_order_and_within_bounds(
    drawn: list[tuple[int, int]], batch_events: int, most: int
) -> None:
    buffer = Buffer(events=1000, batch_events=batch_events, max_message_bytes=most)
    put: dict[str, list[int]] = {}
    for number, (workload, padding) in enumerate(drawn):
        name = f"prod/w{workload}"
        event = {"kind": "request", "workload": name, "at": number, "session": "x" * padding}
        assert buffer.put(event)
        put.setdefault(name, []).append(number)
    got: dict[str, list[int]] = {}
    for batch in buffer.take():
        assert len(batch.value) <= most
        events = json.loads(batch.value)
        assert len(events) == batch.events <= batch_events
        got.setdefault(batch.key, []).extend(event["at"] for event in events)
        buffer.settle(batch)
    assert got == put
    assert buffer.pending == 0
    assert buffer.stats().sent == len(drawn)


def test_a_broker_that_is_not_there_never_blocks_the_caller() -> None:
    telemetry = Telemetry("127.0.0.1:1", workload="prod/bot", buffer_events=50)
    began = time.monotonic()
    taken = sum(telemetry.request_started() for _ in range(100))
    assert time.monotonic() - began < 1.0
    assert taken == 50
    assert not telemetry.flush(timeout_s=0.1)
    assert not telemetry.close(timeout_s=0.2)


@pytest.mark.parametrize("name", ["linger_s", "batch_events", "buffer_events", "max_message_bytes"])
def test_misuse_is_told_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="must be positive, not 0"):
        Telemetry(**{name: 0})


async def test_a_request_that_raises_is_an_error_and_goes_on_its_way() -> None:
    sender = MemorySender()
    async with AsyncTelemetry(sender=sender, workload="prod/bot") as telemetry:
        with pytest.raises(KeyError), telemetry.request():
            raise KeyError("mine")
    started, finished = sender.events()
    assert (started["phase"], finished["phase"], finished["status"]) == ("started", "finished", "error")
    assert "tokens_out" not in finished


async def test_a_session_says_once_that_it_opens() -> None:
    sender = MemorySender()
    async with AsyncTelemetry(sender=sender, workload="prod/bot") as telemetry:
        one, two = telemetry.session("s-1", tenant="acme"), telemetry.session("s-2")
        with one.request(tokens_in=3):
            two.request_started()
        one.request_started(tokens_in=4)
        one.request_finished(status="dropped")
        with two.request():
            pass
    told = [(e["session"], e["phase"], e.get("opens_session")) for e in sender.events()]
    assert told == [
        ("s-1", "started", True),
        ("s-2", "started", True),
        ("s-1", "finished", None),
        ("s-1", "started", None),
        ("s-1", "finished", None),
        ("s-2", "started", None),
        ("s-2", "finished", None),
    ]
    assert [e.get("tenant") for e in sender.events()][:2] == ["acme", None]


async def test_a_first_request_that_is_not_taken_opens_no_session() -> None:
    sender = MemorySender()
    async with AsyncTelemetry(sender=sender, workload="prod/bot", max_message_bytes=500) as telemetry:
        session = telemetry.session("s-1")
        session.request(tokens_in=1)  # Never entered.
        assert not session.request_started(tenant="x" * 600)
        assert session.request_started()
        assert session.request_started()
    assert [event.get("opens_session") for event in sender.events()] == [True, None]


async def test_a_session_that_was_begun_elsewhere_is_not_opened_again() -> None:
    sender = MemorySender()
    async with AsyncTelemetry(sender=sender, workload="prod/bot") as telemetry:
        session = telemetry.session("s-1")
        with session.request(opens_session=False):
            session.request_started(tokens_in=1)
        other = telemetry.session("s-2")
        other.request_started(opens_session=False)
        other.request_started()
    started = [e for e in sender.events() if e["phase"] == "started"]
    assert [e.get("opens_session") for e in started] == [False, None, False, None]


async def test_of_a_session_begun_elsewhere_one_that_is_not_taken_opens_nothing() -> None:
    sender = MemorySender()
    async with AsyncTelemetry(sender=sender, workload="prod/bot", max_message_bytes=500) as telemetry:
        session = telemetry.session("s-1")
        assert not session.request_started(opens_session=False, tenant="x" * 600)
        assert session.request_started()
    assert [event.get("opens_session") for event in sender.events()] == [None]


async def test_what_is_no_truth_opens_no_session() -> None:
    async with AsyncTelemetry(sender=MemorySender(), workload="prod/bot") as telemetry:
        assert not telemetry.publish({"kind": "request", "workload": "prod/bot", "at": 1, "opens_session": 1})
        assert telemetry.stats().last_error == "opens_session: 1 is not true or false"


SCRIPT = """
import os, sys
from foretide_client import Telemetry

class FileSender:
    async def start(self): pass
    async def stop(self): pass
    async def send(self, key, value):
        with open(sys.argv[1], "ab") as f: f.write(value + b"\\n")

telemetry = Telemetry(workload="prod/bot", sender=FileSender(), linger_s=5.0)
telemetry.request_started(session="parent")
if sys.argv[2] == "fork" and os.fork() == 0:
    telemetry.request_started(session="child")
    telemetry.close()
    os._exit(0)
if sys.argv[2] == "fork":
    os.wait()
"""


def run_script(tmp_path: Path, how: str) -> list[str]:
    path = tmp_path / "sent"
    subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT, str(path), how],
        check=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(SOURCES.parent)},
    )
    lines = path.read_text().splitlines()
    return sorted(event["session"] for line in lines for event in json.loads(line))


def test_what_waits_at_exit_is_sent(tmp_path: Path) -> None:
    assert run_script(tmp_path, "exit") == ["parent"]


def test_a_forked_child_sends_its_own_and_not_its_parent_s(tmp_path: Path) -> None:
    assert run_script(tmp_path, "fork") == ["child", "parent"]


async def test_it_speaks_to_a_broker() -> None:
    broker = await asyncio.to_thread(EmbeddedBroker, topic_prefix="foretide.")
    consumer = AIOKafkaConsumer(
        "foretide.telemetry", bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest",
        fetch_max_wait_ms=10,
    )
    await consumer.start()
    try:
        async with AsyncTelemetry(broker.bootstrap, workload="prod/bot") as telemetry:
            telemetry.request_started(tokens_in=5)
            assert await telemetry.flush()
        record = await asyncio.wait_for(consumer.getone(), 10)
        assert record.key == b"prod/bot"
        assert codec.telemetry(record.value, time.time()).events[0].workload == "prod/bot"
    finally:
        await consumer.stop()
        broker.stop()

"""Settings, security, probes, and the table of specs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiokafka.partitioner import DefaultPartitioner

from models.domain.decision import Decision, Reason
from models.domain.spec import AgentScaler, Pool
from models.domain.telemetry import ReplicaReport, Resource
from models.step import SpecChange
from streams import codec
from streams.app import build
from streams.cli.tail import _tail
from streams.kafka.embedded import EmbeddedBroker
from streams.kafka.outbox import acknowledged
from streams.kafka.partitioner import partition_of
from streams.kafka.reader import read
from streams.kafka.security import SecurityError, client_options, faust_credentials
from streams.settings import Settings
from streams.specs_table import SpecTable, encode_spec, spec_key
from tests.actuators.test_dispatcher import agent


def test_plaintext_needs_nothing() -> None:
    options = client_options(Settings())
    assert options == {"bootstrap_servers": ["localhost:9092"], "security_protocol": "PLAINTEXT"}
    assert faust_credentials(Settings()) is None


def test_sasl_and_tls_are_passed_through() -> None:
    given = Settings(
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="me",
        sasl_password="hidden",
    )
    options = client_options(given)
    assert options["sasl_plain_username"] == "me"
    assert options["sasl_plain_password"] == "hidden"
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert options["ssl_context"].verify_mode.name == "CERT_REQUIRED"
    assert faust_credentials(given).username == "me"
    assert "hidden" not in repr(given)


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROLES", "SPECS", "KUBECONFIG", "SASL_PASSWORD", "BOOTSTRAP", "WEB_PORT"):
        monkeypatch.setenv(f"FORETIDE_{name}", "")
    assert Settings() == Settings.model_construct()
    monkeypatch.setenv("FORETIDE_ROLES", "plan, actuate,plan")
    assert Settings().roles == ("plan", "actuate")
    monkeypatch.setenv("FORETIDE_ROLES", " ,")
    with pytest.raises(ValueError, match="must be of aggregate, plan, allocate, actuate"):
        Settings()


def test_half_of_sasl_says_what_is_missing() -> None:
    with pytest.raises(SecurityError, match="FORETIDE_SASL_USERNAME"):
        client_options(Settings(security_protocol="SASL_PLAINTEXT"))


def test_the_partition_of_a_workload_is_what_kafka_s_producers_choose() -> None:
    for name in ("prod/bot", "a/b", "team-7/very-long-name.with.dots"):
        expected = DefaultPartitioner()(name.encode(), list(range(7)), list(range(7)))
        assert partition_of(name, 7) == expected


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    del tmp_path
    broker = await asyncio.to_thread(EmbeddedBroker, topic_prefix="foretide.")
    given = Settings(
        bootstrap=broker.bootstrap, web_host="127.0.0.1", web_port=0, fetch_max_wait_ms=5
    )
    _keep.append(broker)
    return given


_keep: list[EmbeddedBroker] = []


async def test_readiness_follows_assignment_and_liveness_follows_failure(
    settings: Settings,
) -> None:
    worker = build(
        settings.model_copy(update={"roles": ("aggregate", "plan", "allocate")}), check_topics=False
    )
    await worker.start()
    try:
        url = f"http://127.0.0.1:{worker.web.port}"
        await asyncio.wait_for(worker.ready(), 30)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/readyz") as answer:
                assert answer.status == 200
            async with session.get(f"{url}/livez") as answer:
                assert answer.status == 200
            async with session.get(f"{url}/metrics") as answer:
                assert "foretide_events_total" in await answer.text()
            worker.roles[0]._fail(RuntimeError("lost"))
            async with session.get(f"{url}/livez") as answer:
                assert answer.status == 503
                assert "aggregate: failed" in await answer.text()
        with pytest.raises(RuntimeError, match="lost"):
            await worker.run()
    finally:
        await worker.stop()


async def test_the_table_reads_all_there_is_follows_and_keeps_the_last_good_spec(
    settings: Settings,
) -> None:
    worker = build(settings.model_copy(update={"roles": ()}), check_topics=False)
    await worker.start()
    table = SpecTable(settings)
    heard: list[SpecChange] = []
    try:
        await worker.publish([agent()])
        first = worker.table.get("prod/bot")
        assert first is not None
        await worker.publish([agent()])  # Unchanged: not published again.
        assert worker.table.get("prod/bot") == first
        await table.start()
        assert table.get("prod/bot") == first
        table.listen(heard.append)
        sends = [
            await worker.outbox.send("workloads", b"{", key="prod/bot"),
            await worker.outbox.send("workloads", encode_spec(agent()), key="prod/other"),
        ]
        await acknowledged(sends)
        changed = agent(weight=2.0)
        sends = [await worker.outbox.send("workloads", encode_spec(changed), key=spec_key(changed))]
        await acknowledged(sends)
        revision = sends[0].result().offset + 1
        await asyncio.wait_for(table.wait_for("prod/bot", revision), 10)
        assert table.get("prod/bot") == (changed, revision)
        assert table.refused == 2  # Not JSON; and a key that is not the spec's own.
        assert heard[-1].spec == changed
        await acknowledged([await worker.outbox.send("workloads", None, key="prod/bot")])
        for _ in range(100):
            if table.get("prod/bot") is None:
                break
            await asyncio.sleep(0.05)
        assert table.get("prod/bot") is None
    finally:
        await table.stop()
        await worker.stop()


def test_a_spec_survives_its_journey() -> None:
    spec = agent(
        behavior={"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 5}]}}
    )
    again = AgentScaler.model_validate_json(encode_spec(spec))
    assert again == spec


async def test_a_workload_of_a_pool_gets_what_is_free_of_it(settings: Settings) -> None:
    """plan -> proposals -> allocate -> decisions, on the embedded broker."""
    pool = Pool.model_validate(
        {"metadata": {"name": "gpu"}, "spec": {"resources": {"nvidia.com/gpu": 3.0}}}
    )
    scaler = agent(
        pool="gpu",
        resources={"nvidia.com/gpu": 1.0},
        demand={"unit": "concurrency", "perReplica": 1.0},
    )
    worker = build(
        settings.model_copy(update={"roles": ("aggregate", "plan", "allocate")}),
        specs=[pool, scaler],
        check_topics=False,
    )
    await worker.start()
    try:
        await asyncio.wait_for(worker.ready(), 30)
        now = worker.clock.now()
        told = [
            ReplicaReport(v=1, workload="prod/bot", at=now, desired=1, ready=1),
            Resource(v=1, workload="prod/bot", at=now, pod="p", in_flight=90, queue_depth=0),
        ]
        await acknowledged([await worker.outbox.send("telemetry", codec.encode(told), key=None)])
        made: list[Decision] = []
        for _ in range(100):
            values = read(settings, "decisions", from_start=True, follow=False)
            made = [codec.decision(value) async for value in values]
            if made:
                break
            await asyncio.sleep(0.1)
        assert made[0].to.replicas == {"default": 3}
        assert made[0].reason is Reason.POOL_CAPACITY
        assert made[0].trail[-1].before == 10  # What it wished for, within its own bounds.
    finally:
        await worker.stop()


async def test_a_place_in_the_log_that_was_rejected_twice_is_told_once(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = build(settings.model_copy(update={"roles": ()}), check_topics=False)
    await worker.start()
    try:
        first = codec.rejection("t", 0, 7, b"x", (None, "", "not JSON"))
        other = codec.rejection("t", 0, 7, b"x", (3, "$.v", "unknown"))
        sends = [
            await worker.outbox.send("rejected", codec.encode(record), key="t/0/7", partition=0)
            for record in (first, other, first)
        ]
        await acknowledged(sends)
        await _tail(settings, "rejected", as_json=False, from_start=True, follow=False)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2
        assert "t/0@7 not JSON" in lines[0]
        assert "t/0@7[3] $.v: unknown" in lines[1]
    finally:
        await worker.stop()

"""The command line where no Kafka answers, and where whoever reads its output goes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import streams.kafka.reach
from streams import codec, steplog
from streams.cli import PIPE_CLOSED, broker, group, outputs
from streams.cli.record import record
from streams.demo.options import OccupiedError, earlier
from streams.kafka.embedded import EmbeddedBroker
from streams.kafka.outbox import Outbox, acknowledged
from streams.kafka.reach import AwayError, logged_to, reach
from streams.recorder import FILES, STEPS
from streams.settings import Settings

NOBODY = "127.0.0.1:1"

FORETIDE = (sys.executable, "-c", "from streams.cli import main; main()")

COMMANDS = (
    ("explain", "a/b"),
    ("tail",),
    ("record", "--to", "recording"),
    ("shadow",),
    ("status",),
    ("backtest", "--from-log", "foretide.steps"),
    ("topics", "check"),
    ("topics", "create"),
    ("publish", os.devnull),
)


def invoked(*command: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(group, command)


def unread(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run with an output that nobody reads."""
    readable, writable = os.pipe()
    os.close(readable)
    with os.fdopen(writable, "wb") as pipe:
        return subprocess.run(
            [*FORETIDE, *command],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )


@pytest.fixture
def embedded() -> Iterator[EmbeddedBroker]:
    made = EmbeddedBroker(topic_prefix="foretide.")
    yield made
    made.stop()


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Somebody who takes connections and says nothing."""
    monkeypatch.setattr(streams.kafka.reach, "PATIENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_kafka_that_is_away_is_one_line_and_no_library_s_log(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    done = subprocess.run(
        [*FORETIDE, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "FORETIDE_BOOTSTRAP": NOBODY, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"Error: Kafka at {NOBODY} cannot be reached: Connection refused")
    for part in ("--bootstrap", "FORETIDE_BOOTSTRAP", "docker compose up"):
        assert part in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("tail",), ("status",), ("explain", "a/b")], ids=" ".join)
def test_a_server_that_does_not_answer_is_waited_for_a_few_seconds(
    command: tuple[str, ...], mute: str
) -> None:
    result = invoked(*command, FORETIDE_BOOTSTRAP=mute)
    assert result.exit_code == 1
    assert f"Kafka at {mute} cannot be reached: no answer within 0.2 s" in result.output


async def test_every_server_s_reason_is_told() -> None:
    given = Settings(bootstrap=f"{NOBODY},nobody.invalid:9092")
    with pytest.raises(AwayError) as caught:
        await reach(given)
    refused, unknown = sorted(str(caught.value).split("; "))
    assert refused == "Connection refused"
    assert "ame" in unknown  # Resolvers differ in their words: Name or service not known.


async def test_a_broker_that_answers_is_reached(embedded: EmbeddedBroker) -> None:
    await reach(Settings(bootstrap=embedded.bootstrap))


def test_a_broker_that_goes_away_is_said_once_in_a_while(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with logged_to(broker._Gone("here:9092")):
        for _ in range(100):
            logging.getLogger("aiokafka.consumer.fetcher").error("Failed fetch: %s", "closed")
            logging.getLogger("aiokafka").warning("trying again")
    assert capsys.readouterr().err == (
        "Kafka at here:9092 went away (Failed fetch: closed); waiting for it\n"
    )


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("FORETIDE_SASL_USERNAME", "me", "FORETIDE_SASL_PASSWORD"),
        ("FORETIDE_SSL_CAFILE", "nosuch.pem", "nosuch.pem cannot be read as PEM"),
    ],
)
def test_half_of_security_is_an_error_and_no_traceback(name: str, value: str, told: str) -> None:
    protocol = "SASL_PLAINTEXT" if "SASL" in name else "SSL"
    result = invoked("tail", FORETIDE_SECURITY_PROTOCOL=protocol, **{name: value})
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert told in result.output


def test_the_demo_s_broker_says_that_it_knows_no_groups(embedded: EmbeddedBroker) -> None:
    result = invoked("status", FORETIDE_BOOTSTRAP=embedded.bootstrap)
    assert result.exit_code == 1
    assert "cannot describe consumer groups" in result.output


def test_a_trace_that_cannot_be_read_is_told_before_kafka_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("nothing\n")
    result = invoked("publish", "--trace", str(tmp_path / "t.csv"), FORETIDE_BOOTSTRAP=NOBODY)
    assert "t.csv:1: neither" in result.output


def test_nothing_recorded_leaves_nothing(embedded: EmbeddedBroker, tmp_path: Path) -> None:
    command = "record", "--no-follow", "--to", str(tmp_path / "a" / "recording")
    result = invoked(*command, FORETIDE_BOOTSTRAP=embedded.bootstrap)
    assert result.exit_code == 1
    assert "nothing was recorded, and nothing written" in result.output
    assert list(tmp_path.iterdir()) == []


def test_topics_that_are_not_there_leave_nothing(embedded: EmbeddedBroker, tmp_path: Path) -> None:
    command = "record", "--no-follow", "--to", str(tmp_path / "recording")
    where = {"FORETIDE_BOOTSTRAP": embedded.bootstrap, "FORETIDE_TOPIC_PREFIX": "nobody."}
    result = invoked(*command, **where)
    assert result.exit_code == 1
    assert "does not exist: run `foretide topics create`" in result.output
    assert list(tmp_path.iterdir()) == []


async def rejected_once(settings: Settings) -> bytes:
    """One record on the topic of rejections."""
    value = codec.encode(codec.rejection("t", 0, 7, b"x", (None, "", "not JSON")))
    outbox = Outbox(settings)
    await outbox.start()
    await acknowledged([await outbox.send("rejected", value, key="t/0/7", partition=0)])
    await outbox.stop()
    return value


async def test_what_there_is_is_recorded_with_all_the_files_of_a_recording(
    embedded: EmbeddedBroker, tmp_path: Path
) -> None:
    settings = Settings(bootstrap=embedded.bootstrap, lateness_s=3.5)
    value = await rejected_once(settings)
    folder = tmp_path / "a" / "recording"
    assert await record(settings, folder, follow=False)
    assert {path.name for path in folder.iterdir()} == {"meta.json", STEPS, *FILES.values()}
    assert (folder / "rejected.jsonl").read_bytes() == value + b"\n"
    assert steplog.setting(folder, "lateness_s") == 3.5


@pytest.mark.parametrize("follow", [True, False])
async def test_a_folder_that_cannot_be_written_ends_the_recording(
    embedded: EmbeddedBroker, tmp_path: Path, *, follow: bool
) -> None:
    settings = Settings(bootstrap=embedded.bootstrap)
    await rejected_once(settings)
    (tmp_path / "file").write_text("")
    with pytest.raises(click.ClickException, match="file/recording cannot be written: Not a dir"):
        await record(settings, tmp_path / "file" / "recording", follow=follow)


async def test_who_follows_a_topic_may_go_without_a_word(embedded: EmbeddedBroker) -> None:
    await rejected_once(Settings(bootstrap=embedded.bootstrap))
    command = "tail", "rejected", "--from-start", "--bootstrap", embedded.bootstrap
    done = await asyncio.to_thread(unread, *command)
    assert done.returncode == PIPE_CLOSED
    assert done.stderr == ""


def test_a_rejection_is_told_with_the_time_it_was_appended(embedded: EmbeddedBroker) -> None:
    asyncio.run(rejected_once(Settings(bootstrap=embedded.bootstrap)))
    command = "tail", "rejected", "--from-start", "--no-follow", "--bootstrap", embedded.bootstrap
    result = invoked(*command)
    assert re.search(r"^\d\d:\d\d:\d\d t/0@7 not JSON \(1 bytes\)$", result.output, re.MULTILINE)


@pytest.mark.parametrize("name", ["meta.json", "decisions.jsonl", "steps.jsonl"])
def test_a_recording_is_not_written_over(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    result = invoked("record", "--to", str(tmp_path), FORETIDE_BOOTSTRAP=NOBODY)
    assert result.exit_code == 1
    assert "has a recording already" in result.output
    assert (tmp_path / name).read_text() == "mine"


def test_the_demo_writes_over_its_own_files_alone(tmp_path: Path) -> None:
    assert not earlier(tmp_path / "nosuch")
    assert not earlier(tmp_path)
    (tmp_path / "steps.jsonl").write_text("")
    with pytest.raises(OccupiedError, match=r"steps\.jsonl.*--out"):
        earlier(tmp_path)
    (tmp_path / "meta.json").write_text('{"lateness_s": 2.0, "valid_s": 60.0}')
    with pytest.raises(OccupiedError):
        earlier(tmp_path)
    (tmp_path / "meta.json").write_text(json.dumps({"speed": 60.0, "trace": "shipped"}))
    assert earlier(tmp_path)


@pytest.mark.parametrize("speed", ["0", "241", "nan", "inf", "fast"])
def test_a_speed_out_of_range_is_refused_with_its_name(speed: str) -> None:
    result = invoked("demo", "--speed", speed)
    assert result.exit_code == 2
    assert "'--speed'" in result.output


@pytest.mark.parametrize(
    "command",
    [
        ("schema",),
        ("--help",),
        ("check", "--show", "examples"),
        ("backtest", "--trace", "t.60s.csv", "--policies", "static", "--series", "-"),
        ("backtest", "--trace", "t.60s.csv", "--policies", "static", "--json", "-"),
        ("backtest", "--trace", "t.60s.csv", "--policies", "static"),
    ],
    ids=" ".join,
)
def test_whoever_reads_may_go_without_a_word(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "t.60s.csv").write_text("step,value\n" + "".join(f"{n},60\n" for n in range(400)))
    (tmp_path / "examples").symlink_to(Path(__file__).parents[2] / "examples")
    done = unread(*command, cwd=tmp_path)
    assert done.returncode == PIPE_CLOSED
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
def test_a_full_disk_is_said_of_the_output_that_it_is() -> None:
    with (
        pytest.raises(click.ClickException, match=r"^/dev/full cannot be written: No space"),
        outputs.written("/dev/full") as out,
    ):
        out.write("a row")
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*FORETIDE, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "Error: the output cannot be written: No space left on device\n"

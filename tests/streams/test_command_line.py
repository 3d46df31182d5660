"""The command line's manners."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from lab.fluid.registry import POLICIES
from models.domain.decision import Alternative, Epoch, Reason
from streams.cli import COMMANDS, group
from streams.cli.explain import explanation, moment
from streams.cli.options import misspelt
from streams.cli.publish import Rebase, _lines, _of_trace
from streams.kafka.embedded import EmbeddedBroker
from streams.schemas import schemas
from streams.settings import Settings
from tests.actuators.test_dispatcher import decision


@pytest.fixture
def embedded() -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(topic_prefix="foretide.")
    yield broker
    broker.stop()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(group, [command, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output


def options_of(command: click.Command, path: str) -> Iterator[tuple[str, click.Option]]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield f"{path} {parameter.opts[0]}", parameter
    for name, under in getattr(command, "commands", {}).items():
        yield from options_of(under, f"{path} {name}")


def test_every_option_says_what_it_is() -> None:
    context = click.Context(group)
    found = dict(
        option
        for name in COMMANDS
        for option in options_of(group.get_command(context, name), name)  # type: ignore[arg-type]
    )
    assert len(found) > 40
    assert [name for name, option in found.items() if not option.help] == []


def help_of(*command: str) -> str:
    wide = {"terminal_width": 1000, "max_content_width": 1000}
    return " ".join(CliRunner().invoke(group, [*command, "--help"], **wide).output.split())


def test_what_help_lists_is_what_there_is() -> None:
    assert f"Of {', '.join(POLICIES)}. Default: all." in help_of("backtest")
    assert all(name in help_of("schema") for name in schemas())
    defaults = Settings()
    for command, name in (
        ("topics create", "partitions"),
        ("topics create", "replication"),
        ("worker", "web_port"),
        ("worker", "actuator"),
        ("worker", "bootstrap"),
    ):
        told = f"[env: FORETIDE_{name.upper()}; default: {getattr(defaults, name)}]"
        assert told in help_of(*command.split())


def test_a_wrong_command_is_told_which_there_are() -> None:
    result = CliRunner().invoke(group, ["publsh"])
    assert result.exit_code == 2
    assert "publish" in result.output


def test_a_wrong_setting_is_a_usage_error_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETIDE_BOOTSTRAP", "nonsense")
    result = CliRunner().invoke(group, ["topics", "check"])
    assert result.exit_code == 2
    assert "FORETIDE_BOOTSTRAP" in result.output
    assert "host:port" in result.output


def test_a_wrong_setting_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETIDE_BOOTSTRAP", "nonsense")
    result = CliRunner().invoke(group, ["topics", "check"])
    assert result.output.count("'nonsense'") == 1
    assert "Value error" not in result.output


def test_variables_that_look_like_settings_are_told_with_the_nearest() -> None:
    told = misspelt(
        ["FORETIDE_SESION_TIMEOUT_S", "FORETIDE_BOOTSTRAP", "FORETIDE_TOOLS", "HOME", "FORETIDE_ZZ"]
    )
    assert told == [
        "FORETIDE_SESION_TIMEOUT_S is no setting and is ignored; did you mean "
        "FORETIDE_SESSION_TIMEOUT_S?",
        "FORETIDE_ZZ is no setting and is ignored",
    ]


def test_a_topic_that_is_not_there_is_told_at_once(embedded: EmbeddedBroker) -> None:
    began = time.monotonic()
    command = ["tail", "decisions", "--no-follow", "--bootstrap", embedded.bootstrap]
    result = CliRunner(env={"FORETIDE_TOPIC_PREFIX": "nobody."}).invoke(group, command)
    assert result.exit_code == 1
    assert "nobody.decisions does not exist: run `foretide topics create`" in result.output
    assert time.monotonic() - began < 15


async def test_lines_of_a_pipe_are_handed_on_as_they_come() -> None:
    readable, writable = os.pipe()
    with os.fdopen(readable, "rb") as file, os.fdopen(writable, "wb", buffering=0) as pipe:
        pipe.write(b"one\ntwo\r\nthr")
        lines = _lines(file)
        # Whoever reads a pipe gets what is there: the rest has not been written.
        assert await asyncio.wait_for(anext(lines), 5) == [(1, b"one"), (2, b"two")]
        pipe.write(b"ee\nlast")
        assert await asyncio.wait_for(anext(lines), 5) == [(3, b"three")]
        pipe.close()
        assert await asyncio.wait_for(anext(lines), 5) == [(4, b"last")]
        assert [line async for line in lines] == []


def test_a_broker_that_is_not_there_is_said_plainly() -> None:
    result = CliRunner().invoke(group, ["topics", "check", "--bootstrap", "127.0.0.1:1"])
    assert result.exit_code == 1
    assert "cannot be reached" in result.output


def test_roles_come_as_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETIDE_ROLES", "plan, actuate")
    assert Settings().roles == ("plan", "actuate")


def test_rebase_moves_times_and_leaves_the_rest_as_broken_as_it_was() -> None:
    rebase = Rebase(now=5000.0)
    assert json.loads(rebase(b'{"at":100.5,"x":1}'))["at"] == 5000.0
    assert json.loads(rebase(b'[{"at": 110.5},{"at":90.5}]')) == [{"at": 5010.0}, {"at": 4990.0}]
    for broken in (b"{", b'{"at":"x"}', b'{"at":NaN}', b"\0", b'{"at":' + b"9" * 400 + b"}"):
        assert rebase(broken) == broken


def test_moments() -> None:
    newest = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC
    assert moment("1700000000", 0.0) == newest
    assert moment("22:13:20", newest) == newest
    assert moment("2023-11-14T22:13:20", 0.0) == newest
    assert moment("23:13:20+01:00", newest) == newest
    assert moment("2023-11-14T23:13:20+01:00", 0.0) == newest
    # 01:13 on the 15th in that zone is still the 14th in UTC.
    assert moment("01:13:20+03:00", newest) == newest
    for wrong in ("yesterday", "nan", "inf"):
        with pytest.raises(click.BadParameter, match="write 2026-01-31T10:42:00, 10:42:00"):
            moment(wrong, newest)


def test_explain_says_which_times_it_takes() -> None:
    told = help_of("explain")
    for example in ("2026-01-31T10:42:00", "+02:00", "10:42:00 on the day", "1769856120"):
        assert example in told


def test_an_explanation_tells_the_whole_story() -> None:
    made = decision(7, 3, reason=Reason.BURST, epoch=Epoch(1, 0, 1, 3))
    text = explanation(made, None)
    for part in ("2 → 7", "burst", "Why 7", "no outcome yet", "not known"):
        assert part in text


def test_where_one_fewer_is_as_safe_it_is_said_what_speaks_against_it() -> None:
    made = decision(7, 3)
    (after,) = made.to.replicas.values()

    def told(*chances: float) -> str:
        near = range(after - 1, after + 2)
        others = tuple(
            Alternative(replicas=count, cost_per_hour=None, overload_probability=chance)
            for count, chance in zip(near, chances, strict=True)
        )
        return explanation(msgspec.structs.replace(made, alternatives=others), None)

    assert "Chances are counted" in told(0.026, 0.026, 0.026)
    assert "Chances are counted" not in told(0.033, 0.026, 0.025)


def test_what_is_not_known_has_no_unit_in_an_explanation() -> None:
    known = decision(7, 3).inputs
    bare = msgspec.structs.replace(
        known,
        demand=None,
        forecast=None,
        forecast_quantile=None,
        capacity_per_replica=None,
        age_s=None,
        latency_s=None,
        slo_s=None,
    )
    text = explanation(msgspec.structs.replace(decision(7, 3), inputs=bare), None)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "demand now not known" in lines
    assert f"forecast none for {known.horizon_s:.0f} s ahead" in lines
    assert "one replica not known" in lines
    assert "latency not known, no SLO" in lines
    assert any(line.startswith("telemetry of unknown age, ") for line in lines)
    slow = msgspec.structs.replace(bare, latency_s=2.5, slo_s=10.0)
    text = explanation(msgspec.structs.replace(decision(7, 3), inputs=slow), None)
    assert "latency           2.50 s at the 0.95 quantile, SLO 10.00 s" in text


@pytest.mark.parametrize("name", ["--from", "--from-log"])
@pytest.mark.parametrize("command", [["replay"], ["explain", "a/b"], ["backtest"], ["shadow"]])
def test_a_recording_is_named_alike_everywhere(
    tmp_path: Path, command: list[str], name: str
) -> None:
    result = CliRunner().invoke(group, [*command, name, str(tmp_path)])
    assert result.exit_code == 1
    assert "is not a readable recording" in result.output


def test_a_kubeconfig_that_is_none_is_said_to_be_none() -> None:
    given = ["worker", "--kubeconfig", "/dev/null", "--bootstrap", "127.0.0.1:1"]
    result = CliRunner().invoke(group, given)
    assert result.exit_code in {1, 2}
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("name", "content", "command", "says"),
    [
        ("meta.json", "[]", ["replay", "--from"], "meta.json: lateness_s: Expected `object`"),
        ("meta.json", '{"lateness_s": "x"}', ["replay", "--from"], "Expected `float`, got `str`"),
        ("meta.json", "[]", ["backtest", "--from-log"], "meta.json: lateness_s: Expected `object`"),
        ("meta.json", "{}", ["shadow", "--from-log"], "meta.json: 'lateness_s' is missing"),
        ("decisions.jsonl", "5\n", ["explain", "a/b", "--from"], "decisions.jsonl:1: Expected"),
        ("x", "", ["explain", "a/b", "--from"], "decisions.jsonl: No such file or directory; make"),
    ],
)
def test_a_recording_that_cannot_be_read_is_told_by_file(
    tmp_path: Path, name: str, content: str, command: list[str], says: str
) -> None:
    (tmp_path / name).write_text(content)
    result = CliRunner().invoke(group, [*command, str(tmp_path)])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert says in result.output


def test_help_is_quick() -> None:
    """Nothing heavy is imported for help."""
    code = (
        "import sys; from streams.cli import group\n"
        "from click.testing import CliRunner\n"
        "CliRunner().invoke(group, ['--help'])\n"
        "print([m for m in ('river', 'scipy', 'faust', 'kubernetes_asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_trace_becomes_starts_and_ends_in_order(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"at":0,"tokens_in":5000,"tokens_out":40}\n{"at":1,"tokens_in":10,"tokens_out":1}\n'
    )
    events = _of_trace(str(path), "a/b")
    told = [(round(at, 3), event.get("phase", "finished")) for at, event in events]
    # 0.1 + 1.0 + 1.0 s of service for the first; 0.1 + 0.002 + 0.025 s for the second.
    assert told == [(0.0, "started"), (1.0, "started"), (1.127, "finished"), (2.1, "finished")]

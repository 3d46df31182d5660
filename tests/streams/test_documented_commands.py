"""Every command that a document shows is one, and some are run and print what it says."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from lab.plant import Plant, PlantParameters
from lab.plant.foretide import Foretide
from lab.traces import Arrival
from models.domain.outcome import Outcome, Result
from models.domain.spec import AgentScaler
from streams import codec
from streams.cli import COMMANDS, group
from streams.steplog import StepRecord
from tests.streams.documented import DOCUMENTS, ROOT, Shown, blocks, everything, spans

EVERYTHING = everything()

RUN = {
    "explain prod/code-assistant --from demo-out": (
        "What was known",
        "How the number came about",
        "held by",
        "How it is sized",
        "really missed",
        "and not one more or fewer",
        "What became of it: applied",
    ),
    "replay --from demo-out": ("decisions: identical, byte for byte, to the", "recorded"),
    "backtest --from demo-out --policies foretide,hpa,hpa-tuned": (
        "prod/code-assistant, start-up",
        "policy cost violation at 1 % vs tuned unserved worst h tenant acts/h",
        "concurrency as recorded, second by second; start-up",
        "steps of 60 s; the first half is warm-up, the last",
    ),
    "shadow --from demo-out": (
        "what ran foretide",
        "replica-hours",
        "cost, times the clairvoyant's",
        "worst hour's violations",
        "cost over hpa-tuned's at equal violation",
        "requests that were late, as measured",
        "Foretide would have used",
    ),
    "check --show examples/support-bot.yaml": (),
    "check examples/": (),
    "schema agentscaler": (),
    "schema --write schemas/": (),
    "forecast-eval --trace week.60s.csv": (),
    "backtest --trace week.60s.csv --compose 7 --json rows.json --series steps.csv": (),
}
"""What is really run, and what both the document and the command say, but for spaces."""

PLACEHOLDERS = {
    "FILE": "week.60s.csv",
    "lab/traces/data/FILE": "week.60s.csv",
    "…": "week.60s.csv",
    "S": "20",
    "SEED": "7",
    "BUDGET": "0.01",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where documents' commands are read: the checkout's files, a recording, traces of one's own.

    What is not shipped has a stand-in; a shipped file that a document names must be there.
    """
    made = tmp_path_factory.mktemp("documented")
    for name in ("lab", "examples"):
        (made / name).symlink_to(ROOT / name)
    for name in ("demo-out", "recording"):
        record(made / name)
    series = "step,value\n" + "".join(f"{n},{400 + 40 * (n % 9)}\n" for n in range(120))
    request = json.dumps({"at": 1.0, "tokens_in": 3, "tokens_out": 4}) + "\n"
    for name in ("week.60s.csv", "worldcup98_pre.60s.csv", "mine.csv"):
        (made / name).write_text(series)
    for name in ("hour.jsonl", "mine.jsonl", "events.jsonl"):
        (made / name).write_text(request)
    return made


def record(folder: Path) -> None:
    """Ten minutes of the demo's workload on the plant, twice as busy in the middle."""
    spec = AgentScaler.model_validate(
        {
            "metadata": {"name": "code-assistant", "namespace": "prod"},
            "spec": {
                "target": {"name": "code-assistant"},
                "replicas": {"min": 1, "max": 20},
                "demand": {"unit": "concurrency", "perReplica": 3.0},
                "slo": {"latencySeconds": 10.0, "violations": 0.01},
            },
        }
    )
    at, arrivals = 0.0, []
    while at < 600:
        arrivals.append(Arrival(at_s=at, tokens_in=500, tokens_out=72))
        at += 0.25 if 200 < at < 400 else 0.6
    run = Foretide(Plant(arrivals, PlantParameters(), seed=1, begin=1_700_000_000.0), spec)
    run.planner.keeps = True
    for _ in range(600):
        run.second()
    steps = []
    for number, step in enumerate(run.planner.steps):
        bare = StepRecord.of(step, 0, None, fresh=number == 0, opened=0 if number == 0 else None)
        steps.append(msgspec.structs.replace(bare, records=step.records, at=number))
    outcomes = [
        Outcome(
            workload=d.workload, decision=d.id, epoch=d.epoch, at=d.at + 1.0, result=Result.APPLIED
        )
        for d in run.decisions
    ]
    folder.mkdir()
    files: dict[str, Sequence[Any]] = {
        "steps": steps,
        "decisions": run.decisions,
        "outcomes": outcomes,
        "forecasts": run.forecasts,
        "rejected": (),
    }
    for name, records in files.items():
        lines = b"".join(codec.encode(one) + b"\n" for one in records)
        (folder / f"{name}.jsonl").write_bytes(lines)
    (folder / "meta.json").write_text(json.dumps({"lateness_s": 2.0, "valid_s": 60.0}))


def parsed(words: list[str]) -> None:
    """As the real parser takes them, nothing run.  Raises ``UsageError``.

    Text may speak of a command, or of its options, without a call: those must be there.
    """
    command: click.Command = group
    context = click.Context(group, info_name="foretide")
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    known = {option for one in command.get_params(context) for option in one.opts}
    if not known.issuperset(rest):
        command.make_context(context.info_name, rest, parent=context.parent)


def test_there_are_documents_to_read() -> None:
    assert len(EVERYTHING) > 60
    assert {"README.md", "laboratory.md", "results.md"} <= {shown.place for shown in EVERYTHING}
    assert {shown.words()[0] for shown in EVERYTHING} == {*COMMANDS, "--help"}


@pytest.mark.parametrize("shown", EVERYTHING, ids=lambda shown: f"{shown.place}: {shown.line}")
def test_a_documented_command_is_one(
    shown: Shown, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    parsed([PLACEHOLDERS.get(word, word) for word in shown.words()])


@pytest.mark.parametrize(
    "words", ["backtst", "backtest --trce week.60s.csv", "tail everything", "check missing.yaml"]
)
def test_a_wrong_one_would_be_seen(
    words: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(click.UsageError):
        parsed(words.split())


@pytest.mark.parametrize("line", RUN)
def test_a_documented_command_prints_what_the_document_says(line: str, folder: Path) -> None:
    documented = [shown for shown in EVERYTHING if " ".join(shown.words()) == line]
    assert documented, f"no document shows `foretide {line}` any more"
    done = foretide(folder, line.split())
    assert done.returncode == 0, done.stderr
    shows = " ".join(done.stdout.split())
    told = [" ".join(shown.output.split()) for shown in documented if shown.output]
    for text in RUN[line]:
        assert text in shows
        assert any(text in output for output in told), f"the document does not say {text!r}"


def test_the_title_of_a_backtest_is_as_documented(folder: Path) -> None:
    (shown,) = [s for s in blocks(ROOT / "docs" / "laboratory.md") if "--startup 60" in s.line]
    words = [*shown.words(), "--hours", "2", "--policies", "hpa"]
    title = shown.output.splitlines()[0]
    assert title in [line.strip() for line in foretide(folder, words).stdout.splitlines()]


def foretide(folder: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from streams.cli import main; main()", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_else_is_to_be_run_is_there(document: Path) -> None:
    """Targets of make, modules, benches, and options by themselves."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [*spans(document), *(shown.line for shown in blocks(document))]
    for line in lines:
        words = line.removeprefix(".venv/bin/").split()
        if words[:1] == ["make"]:
            assert words[1] in targets, line
        elif words[:2] == ["python", "-m"] and not words[2].startswith("pip"):
            assert importlib.util.find_spec(words[2]) is not None, line
        elif words[:1] == ["python"] and len(words) > 1:
            assert (ROOT / words[1]).is_file(), line
        elif words and re.fullmatch(r"--[a-z][a-z-]+", words[0]):
            assert words[0] in options(), line


def options() -> set[str]:
    """Of all commands, benches and modules that are run."""
    found: set[str] = set()
    pending: list[click.Command] = [group]
    while pending:
        command = pending.pop()
        found.update(option for one in command.params for option in one.opts)
        if isinstance(command, click.Group):
            context = click.Context(command)
            names = command.list_commands(context)
            pending += [c for n in names if (c := command.get_command(context, n)) is not None]
    for folder in ("bench", "lab"):
        for path in (ROOT / folder).rglob("*.py"):
            found.update(re.findall(r'"(--[a-z][a-z-]+)"', path.read_text(encoding="utf-8")))
    return found

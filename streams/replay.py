"""Replay: a recorded step log through the core, and the decisions held against the recorded.

Rule: the same Fleet that ran live, uninterrupted, however often its owners changed; equal means
byte for byte.  What an owner did after another had taken over is left out, and counted.
Flow: steps.jsonl -> Fleet -> decisions, compared with decisions.jsonl.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from models.domain.decision import Epoch, Reason
from models.fleet import Fleet
from streams import codec, steplog
from streams.recorder import FILES, STEPS
from streams.snapshots import Writer
from streams.steplog import Openings, RecordingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """``first_difference`` is None when all decisions are the same.

    ``owners`` have opened a partition; ``void`` are recorded decisions of owners that had been
    overtaken, from steps that nobody took over.
    """

    steps: int
    decisions: int
    recorded: int
    owners: int
    void: int
    first_difference: str | None


def replay(
    folder: Path,
    *,
    lateness_s: float,
    valid_s: float,
    progress: Callable[[int], None] = lambda _: None,
) -> Replayed:
    """Replay a recording.  Raises ``RecordingError`` when it cannot be read.

    Decisions of pools are the allocator's and are not compared here.
    """
    fleets: dict[int, Fleet] = {}
    made: dict[str, bytes] = {}
    pooled: set[str] = set()
    void: set[tuple[Writer, float]] = set()
    steps = 0
    path = folder / STEPS
    if not path.exists():
        raise RecordingError(f"{path} does not exist: is {folder} a recording of `foretide demo`?")
    openings = _openings(path)
    for record in steplog.read(path):
        if openings[record.partition].void(record.writer, record.at or 0):
            void.add((record.writer, record.now))
            continue
        fleet = fleets.get(record.partition)
        if fleet is None or record.fresh:
            fleet = fleets[record.partition] = Fleet(lateness_s=lateness_s, valid_s=valid_s)
        result = fleet.apply(record.step())
        for decision in result.decisions:
            made[decision.id] = codec.encode(decision)
        pooled.update(proposal.wanted.id for proposal in result.proposals)
        steps += 1
        progress(steps)
    lines = (folder / FILES["decisions"]).read_bytes().splitlines()
    recorded: dict[str, bytes] = {}
    overtaken = 0
    for line in lines:
        head = _head_of(line)
        if (Writer(head.epoch.era, head.epoch.generation), head.at) in void:
            overtaken += 1
        elif head.id not in pooled:
            recorded[head.id] = line
    return Replayed(
        steps=steps,
        decisions=len(made),
        recorded=len(recorded),
        owners=sum(held.count for held in openings.values()),
        void=overtaken,
        first_difference=_difference(made, recorded),
    )


def _openings(path: Path) -> dict[int, Openings]:
    """Who opened each partition, known before the first step is applied."""
    openings: dict[int, Openings] = {}
    for record in steplog.read(path):
        openings.setdefault(record.partition, Openings()).add(record)
    return openings


class _Head(msgspec.Struct):
    id: str
    reason: Reason
    epoch: Epoch
    at: float


_head = msgspec.json.Decoder(_Head).decode


def _head_of(line: bytes) -> _Head:
    try:
        return _head(line)
    except msgspec.MsgspecError as error:
        raise RecordingError(f"{FILES['decisions']}: not a decision: {error}") from error


def _difference(made: dict[str, bytes], recorded: dict[str, bytes]) -> str | None:
    for decision_id, line in recorded.items():
        again = made.get(decision_id)
        if again is None:
            return f"{decision_id}: recorded, but not made again"
        if again != line:
            return (
                f"{decision_id}: differs\n  recorded {line.decode()}\n  replayed {again.decode()}"
            )
    extra = sorted(made.keys() - recorded.keys())
    return f"{extra[0]}: made now, but not recorded" if extra else None

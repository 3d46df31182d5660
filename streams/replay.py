"""Replay: a recorded step log through the core, and the decisions held against the recorded.

Rule: the same Fleet that ran live; equal means byte for byte.
Flow: steps.jsonl -> Fleet -> decisions, compared with decisions.jsonl.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from models.domain.decision import Reason
from models.fleet import Fleet
from streams import codec, steplog
from streams.recorder import FILES, STEPS
from streams.steplog import RecordingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """``first_difference`` is None when all decisions are the same."""

    steps: int
    decisions: int
    recorded: int
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
    steps = 0
    path = folder / STEPS
    if not path.exists():
        raise RecordingError(f"{path} does not exist: is {folder} a recording of `foretide demo`?")
    for record in steplog.read(path):
        fleet = fleets.get(record.partition)
        if fleet is None or record.fresh:
            fleet = fleets[record.partition] = Fleet(lateness_s=lateness_s, valid_s=valid_s)
        result = fleet.apply(record.step())
        for decision in result.decisions:
            made[decision.id] = codec.encode(decision)
        pooled.update(proposal.wanted.id for proposal in result.proposals)
        steps += 1
        progress(steps)
    recorded = {
        decision_id: line
        for line in (folder / FILES["decisions"]).read_bytes().splitlines()
        if (decision_id := _id(line)) not in pooled
    }
    return Replayed(
        steps=steps,
        decisions=len(made),
        recorded=len(recorded),
        first_difference=_difference(made, recorded),
    )


class _Head(msgspec.Struct):
    id: str
    reason: Reason


_head = msgspec.json.Decoder(_Head).decode


def _id(line: bytes) -> str:
    try:
        return _head(line).id
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

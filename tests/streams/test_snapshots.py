"""Seals: what was written is opened again; damage, forgery and other versions are refused."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from models.fleet import Fleet
from models.merge import MergeState
from streams.snapshots import (
    VERSION,
    Checkpoint,
    MemberSnapshot,
    Sealer,
    SnapshotError,
    Writer,
)
from tests.models.test_snapshot import WORKLOADS, steps

CHECKPOINT = Checkpoint(
    partition=2,
    writer=Writer(0, 3),
    position=7,
    loads=100,
    since=55,
    members=["prod/bot"],
    merge=MergeState(sources=1, watermarks={0: 5.5}, done={0: 20}, closed_through=3),
)


def test_what_was_sealed_is_opened_again() -> None:
    sealer = Sealer(SecretStr("k" * 100))
    assert sealer.open(sealer.seal(CHECKPOINT)) == CHECKPOINT


def test_damage_and_another_key_are_seen() -> None:
    sealed = bytearray(Sealer(SecretStr("one")).seal(CHECKPOINT))
    for other in (SecretStr("two"), None):
        with pytest.raises(SnapshotError, match="seal"):
            Sealer(other).open(bytes(sealed))
    sealed[-1] ^= 1
    with pytest.raises(SnapshotError, match="seal"):
        Sealer(SecretStr("one")).open(bytes(sealed))


def test_another_version_is_named() -> None:
    sealed = Sealer(None).seal(CHECKPOINT).replace(VERSION.encode(), b"foretide-snapshot/0")
    with pytest.raises(SnapshotError, match="foretide-snapshot/0"):
        Sealer(None).open(sealed)
    with pytest.raises(SnapshotError):
        Sealer(None).open(b"")


def test_a_workloads_snapshot_has_at_most_8_kb() -> None:
    fleet = Fleet(lateness_s=1.0, valid_s=20)
    for step in steps(3000, 9):
        fleet.apply(step)
    sizes = [
        len(Sealer(None).seal(MemberSnapshot(Writer(0, 3), s))) for s in fleet.states(WORKLOADS, 0)
    ]
    assert len(sizes) == len(WORKLOADS)
    assert max(sizes) <= 8 * 1024, sizes

"""Rounds: as short as a few snapshots a tick make them, within what the operator allows."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from streams.roles.rounds import LEAST_TICKS, PER_TICK, Rounds
from streams.snapshots import CHECKPOINT_KEY, Sealer, Writer
from tests.models.test_snapshot import WORKLOADS, steps
from tests.streams.logs import Logs
from tests.streams.test_recovery import fleet


@pytest.mark.parametrize(
    ("workloads", "most", "ticks"),
    [
        (len(WORKLOADS), 30, LEAST_TICKS),
        (10 * PER_TICK - 1, 30, 10),
        (1000 * PER_TICK, 30, 30),
        (10 * PER_TICK, 3, 3),
    ],
)
async def test_ticks_of_a_round(
    workloads: int, most: int, ticks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs, one = Logs(), fleet()
    for step in steps(20, 8):
        one.apply(step)
    # Of names without a state nothing is sealed: it is the length that counts here.
    names = [*one.heard_of(), *(f"default/none{n}" for n in range(workloads))][:workloads]
    monkeypatch.setattr(type(one), "heard_of", lambda _: names)
    rounds = Rounds(
        logs,  # type: ignore[arg-type]
        Sealer(SecretStr("a secret")),
        partition=0,
        writer=Writer(0, 1),
        ticks=most,
        names=(),
    )
    count = 0
    while not logs.offsets("snapshots", CHECKPOINT_KEY):
        await rounds.tick(one, position=0, loads=0)
        count += 1
    assert count == ticks

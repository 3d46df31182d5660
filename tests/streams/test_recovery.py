"""Recovery: a partition is taken up as its last owner left it, whatever has happened to the logs.

Owners run one after the other, or beside each other, on logs in memory; what the last of them
decides is held against one fleet that was given all steps that count, without interruption.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from models.fleet import Fleet
from models.step import SpecChange, Step
from streams import codec, steplog
from streams.loadlog import past
from streams.recovery import Recovered, Recovery
from streams.roles.owned import Owned
from streams.roles.rounds import Rounds
from streams.snapshots import CHECKPOINT_KEY, MemberSnapshot, Sealer, Writer
from streams.steplog import Openings
from tests.models.test_snapshot import SPECS, WORKLOADS, steps, told
from tests.streams.logs import Logs

ROUND_TICKS = 10
SEALER = Sealer(SecretStr("a secret"))


def fleet() -> Fleet:
    return Fleet(lateness_s=1.0, valid_s=20)


class Counted:
    """Recovery, and how many snapshots it discarded."""

    def __init__(self, logs: Logs, sealer: Sealer = SEALER) -> None:
        self.discarded = 0
        self._recovery = Recovery(logs, sealer, fleet=fleet, discarded=self._discard)  # type: ignore[arg-type]

    def _discard(self, count: int) -> None:
        self.discarded += count

    async def recover(self) -> Recovered:
        return await self._recovery.recover(0)


class Owner:
    """Does with a partition what plan does with it, given steps of a script."""

    def __init__(self, logs: Logs, owned: Owned, sealer: Sealer = SEALER) -> None:
        self.logs = logs
        self.owned = owned
        self.told: list[bytes] = []
        self._sealer = sealer

    @classmethod
    def over(
        cls, logs: Logs, found: Recovered | None, *, generation: int, sealer: Sealer = SEALER
    ) -> Owner:
        writer = Writer(0, generation)
        rounds = Rounds(
            logs,  # type: ignore[arg-type]
            sealer,
            partition=0,
            writer=writer,
            ticks=ROUND_TICKS,
            least_ticks=ROUND_TICKS,
            names=() if found is None else found.names,
        )
        known = None if found is None else found.fleet
        owned = Owned(
            partition=0,
            fleet=known or fleet(),
            writer=writer,
            loads=0 if found is None else found.loads,
            steps=0 if found is None else found.steps,
            live_from=0,
            opened=0 if found is None else found.steps,
            fresh=known is None,
            rounds=rounds,
        )
        return cls(logs, owned, sealer)

    async def run(self, script: list[Step]) -> None:
        for step in script:
            offsets = None
            if step.records:
                sent = await self.logs.send("load", codec.encode(step.records), key=None)
                offsets = sent.result().offset, sent.result().offset
                self.owned.loads = offsets[1] + 1
            self.owned.changes += step.specs
            await self.step(step, offsets)

    async def step(self, step: Step, offsets: tuple[int, int] | None) -> None:
        owned = self.owned
        made, result = owned.apply(step.now, step.records, tick=step.tick)
        logged = await owned.record(self.logs, made, offsets)  # type: ignore[arg-type]
        owned.logged(logged.result().offset)
        self.told += told([result])
        if step.tick:
            await owned.rounds.tick(owned.fleet, position=owned.steps, loads=owned.loads)


async def uninterrupted(logs: Logs) -> list[bytes]:
    """What one fleet says that is given every step that counts."""
    found = [
        (offset, steplog.decode(value or b"")) for offset, _, value, _ in logs.held["steps", 0]
    ]
    openings = Openings()
    for _, record in found:
        openings.add(record)
    one, said = fleet(), []
    for offset, record in found:
        if openings.void(record.writer, offset):
            continue
        records: tuple[Any, ...] = ()
        if record.relearn:
            records = await past(logs, 0, record.offsets, record.relearn)  # type: ignore[arg-type]
        elif record.offsets is not None:
            first, last = record.offsets
            values = [logs.held["load", 0][at].value or b"" for at in range(first, last + 1)]
            records = tuple(item for value in values for item in codec.load_records(value))
        step = record.step()
        said += told(
            [
                one.apply(
                    Step(
                        now=step.now,
                        generation=step.generation,
                        era=step.era,
                        specs=step.specs,
                        records=records,
                        tick=step.tick,
                        live=step.live,
                        relearn=step.relearn,
                    )
                )
            ]
        )
    return said


@pytest.mark.parametrize("seconds", [3, 9, 10, 11, 25, 120])
async def test_a_takeover_goes_on_as_if_nothing_had_happened(seconds: int) -> None:
    script = steps(240, seconds)
    logs = Logs()
    first = Owner.over(logs, None, generation=3)
    await first.run(script[: 3 * seconds + 1])
    recovery = Counted(logs)
    found = await recovery.recover()
    assert found.fleet is not None
    assert recovery.discarded == 0
    assert (found.loads, found.steps, found.last) == (
        first.owned.loads,
        first.owned.steps,
        Writer(0, 3),
    )
    second = Owner.over(logs, found, generation=4)
    await second.run(script[3 * seconds + 1 :])
    assert first.told + second.told == await uninterrupted(logs)
    assert len(second.told) > 50
    assert second.owned.fleet.merge.totals().keys() == set(WORKLOADS)


async def test_what_came_of_the_last_step_is_told_again_because_nobody_may_have_sent_it() -> None:
    script = steps(200, 4)
    logs = Logs()
    owner = Owner.over(logs, None, generation=3)
    seen = 0
    for step in script:
        said = len(owner.told)
        await owner.run([step])
        if len(owner.told) == said:
            continue
        found = await Counted(logs).recover()
        assert told([found.unsure]) == owner.told[said:]
        seen += 1
    assert seen > 50


async def test_takeovers_upon_takeovers() -> None:
    script = steps(300, 5)
    logs, said, found = Logs(), [], None
    for number, begin in enumerate(range(0, len(script), 70)):
        owner = Owner.over(logs, found, generation=3 + number)
        await owner.run(script[begin : begin + 70])
        said += owner.told
        recovery = Counted(logs)
        found = await recovery.recover()
        assert recovery.discarded == 0
        assert found.fleet is not None
    assert said == await uninterrupted(logs)


async def test_what_a_paused_owner_did_after_it_was_overtaken_is_nobodys_past() -> None:
    script = steps(300, 6)
    logs = Logs()
    first = Owner.over(logs, None, generation=3)
    await first.run(script[:150])
    second = Owner.over(logs, await Counted(logs).recover(), generation=5)
    # The zombie goes on before and behind the new owner's first step, for more than a round.
    ghost = [Step(now=step.now, generation=0, era=0, tick=True) for step in script[150:160]]
    kept = len(first.told)
    for step in ghost:
        await first.step(step, None)
    await second.run(script[150:200])
    for step in script[160:200]:
        await first.step(Step(now=step.now, generation=0, era=0, tick=True), None)
    third = Owner.over(logs, await Counted(logs).recover(), generation=6)
    await third.run(script[200:])
    assert first.told[:kept] + second.told + third.told == await uninterrupted(logs)
    assert third.told


async def test_a_lost_snapshot_is_learned_again_and_the_rest_is_untouched() -> None:
    script = steps(400, 7)
    logs = Logs()
    first = Owner.over(logs, None, generation=3)
    await first.run(script[:600])
    name = WORKLOADS[0]
    for offset in logs.offsets("snapshots", name):
        logs.replace("snapshots", offset, b"damaged")
    recovery = Counted(logs)
    found = await recovery.recover()
    assert (found.lost, recovery.discarded) == ((name,), 1)
    second = Owner.over(logs, found, generation=4)
    again = SpecChange(workload=name, revision=1, spec=SPECS[name])
    offsets = 0, second.owned.loads - 1
    records = await past(logs, 0, offsets, [name])  # type: ignore[arg-type]
    step, _ = second.owned.apply(script[600].now, records, relearn=(name,), specs=(again,))
    logged = await second.owned.record(logs, step, offsets)  # type: ignore[arg-type]
    second.owned.logged(logged.result().offset)
    await second.run(script[600:])
    assert first.told + second.told == await uninterrupted(logs)
    # All of its past was in the log: it is as it was, but for what it had decided.
    assert second.owned.fleet.merge.totals()[name] == totals(logs)[name]
    # And whoever comes next finds the step that learned.
    found = await Counted(logs).recover()
    assert found.fleet is not None
    assert found.lost == ()


def totals(logs: Logs) -> dict[str, int]:
    one = fleet()
    for found in logs.held["load", 0]:
        one.apply(
            Step(
                now=0.0, generation=0, era=0, records=tuple(codec.load_records(found.value or b""))
            )
        )
    return one.merge.totals()


async def test_an_older_snapshot_of_the_round_stands_in_for_a_damaged_one() -> None:
    script = steps(195, 8)
    logs = Logs()
    await Owner.over(logs, None, generation=3).run(script)
    (*_, newest) = logs.offsets("snapshots", WORKLOADS[2])
    checkpoint = logs.offsets("snapshots", CHECKPOINT_KEY)[-1]
    assert newest > checkpoint, "the newest is of the round that has begun"
    logs.replace("snapshots", newest, b"damaged")
    recovery = Counted(logs)
    found = await recovery.recover()
    assert (found.lost, recovery.discarded) == ((), 0)


async def nothing_left(logs: Logs, sealer: Sealer = SEALER) -> Counted:
    recovery = Counted(logs, sealer)
    found = await recovery.recover()
    assert found.fleet is None
    assert found.steps == len(logs.held["steps", 0])
    return recovery


async def a_past(seconds: int = 200) -> Logs:
    logs = Logs()
    await Owner.over(logs, None, generation=3).run(steps(seconds, 9))
    return logs


async def test_with_nothing_there_there_is_nothing_to_take_up_and_nothing_to_say() -> None:
    recovery = await nothing_left(Logs())
    assert recovery.discarded == 0


async def test_another_key_opens_nothing_but_the_step_log_may_reach_back() -> None:
    logs = await a_past()
    found = await Counted(logs, Sealer(SecretStr("another"))).recover()
    assert found.fleet is not None, "it was begun within the step log that is looked through"
    assert found.names == frozenset()


async def test_snapshots_that_nobody_can_open_are_counted_and_not_all_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logs = await a_past(600)
    logs.cut("steps", 1)  # Its beginning is not there to stand in.
    recovery = Counted(logs, Sealer(SecretStr("another")))
    found = await recovery.recover()
    assert found.fleet is None
    assert recovery.discarded > 0
    assert "discarded and learned again" in caplog.text
    refused = len(logs.offsets("snapshots", CHECKPOINT_KEY))
    assert 4 <= caplog.text.count("its seal does not fit") <= refused


async def test_the_era_is_known_from_a_checkpoint_where_the_step_log_is_gone() -> None:
    logs = await a_past()
    logs.cut("steps", len(logs.held["steps", 0]))
    found = await Counted(logs).recover()
    assert found.last == Writer(0, 3), "a group that begins anew must begin another era"


async def test_a_cut_step_log_ends_what_can_be_rebuilt() -> None:
    logs = await a_past()
    logs.cut("steps", len(logs.held["steps", 0]) - 1)
    assert (await nothing_left(logs)).discarded > 0


async def test_a_cut_load_log_ends_what_can_be_rebuilt() -> None:
    logs = await a_past()
    logs.cut("load", len(logs.held["load", 0]) - 1)
    assert (await nothing_left(logs)).discarded > 0


async def test_too_many_lost_and_all_is_learned_again() -> None:
    logs = await a_past()
    logs.cut("steps", 1)  # Its beginning is not there to stand in.
    for name in WORKLOADS[:2]:
        for offset in logs.offsets("snapshots", name):
            logs.replace("snapshots", offset, None)
    assert (await nothing_left(logs)).discarded > 0


async def test_a_step_that_cannot_be_read_ends_what_can_be_rebuilt() -> None:
    logs = await a_past()
    logs.replace("steps", len(logs.held["steps", 0]) - 1, b'{"v":2}')
    recovery = Counted(logs)
    found = await recovery.recover()
    assert found.fleet is None
    assert recovery.discarded > 0


async def test_a_snapshot_under_anothers_name_is_not_taken() -> None:
    logs = await a_past()
    one, other = WORKLOADS[:2]
    (*_, stolen) = logs.offsets("snapshots", other)
    value = logs.held["snapshots", 0][stolen].value
    assert isinstance(SEALER.open(value or b""), MemberSnapshot)
    for offset in logs.offsets("snapshots", one):
        logs.replace("snapshots", offset, value)
    found = await Counted(logs).recover()
    assert found.lost == (one,)


async def test_what_is_gone_is_taken_out_of_the_topic() -> None:
    script = steps(200, 9)
    logs = Logs()
    owner = Owner.over(logs, None, generation=3)
    await owner.run(script[:150])
    owner.owned.fleet.merge.window("prod/stray")  # Heard of once, and never again.
    await owner.run(script[150:500])
    (*_, last) = logs.offsets("snapshots", "prod/stray")
    assert logs.held["snapshots", 0][last].value is None

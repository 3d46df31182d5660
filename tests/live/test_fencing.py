"""An actuator stopped between any two of its steps changes nothing when it wakes.

Rule: the steps are read of the object, patch, outcome, commit; the worker is stopped by SIGSTOP
while the proxy (or the broker) holds what it waits for, longer than its session; another takes
over and applies a newer decision; then SIGCONT.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from actuators.kubernetes.actuator import EPOCH_ANNOTATION
from lab.servers import ControlPlane, KafkaServer
from models.domain.decision import Decision
from models.domain.outcome import Result
from streams.settings import Settings
from tests.live import acting, stack
from tests.live.holding import Call, Held, HoldingProxy, Part

CONFLICT = 409
APPLIED = frozenset({Result.APPLIED})
SUPERSEDED = frozenset({Result.SUPERSEDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Between which two steps, and what becomes of the older decision.

    ``known``: the object carries an epoch already, so that the watch's word saves the read;
    ``hold``: what the proxy holds; ``patch``: the API server's answer to the woken worker's last
    patch; ``outcomes``: what the only outcome of the older decision may be.
    """

    known: bool = True
    hold: tuple[str, Part] | None
    stall_broker: bool = False
    patch: int
    outcomes: frozenset[Result]


PAIRS = {
    # Read, not patched: the answer to its read lies in the socket when it is stopped.  Its patch
    # names a version that is over: 409; it reads again and finds the newer epoch.
    "read-patch": Pair(known=False, hold=("GET", "answer"), patch=409, outcomes=SUPERSEDED),
    # The same with the read saved by the watch: its patch has left it, and reaches the server
    # only after the newer decision has been applied.
    "watch-patch": Pair(hold=("PATCH", "request"), patch=409, outcomes=SUPERSEDED),
    # Patched, outcome not sent: the server has applied it, the answer lies in the socket.  Its
    # successor could not know, and superseded it; it is not told twice.
    "patch-outcome": Pair(hold=("PATCH", "answer"), patch=200, outcomes=SUPERSEDED),
    # Outcome sent, not acknowledged, and other records before it are not either: it is in the
    # log, which its successor reads first.  Or it still asks the broker whether it is the owner;
    # then it sends nothing.
    "outcome-acknowledgement": Pair(
        hold=("PATCH", "answer"), stall_broker=True, patch=200, outcomes=APPLIED | SUPERSEDED
    ),
    # Outcome acknowledged, not committed (commits are a minute apart here): its successor reads
    # the decision again, and passes over it.
    "outcome-commit": Pair(hold=None, patch=200, outcomes=APPLIED),
}

OTHER = "read-patch"
"""An object that is watched as well; its own case is over by then."""


@dataclass
class Actuators:
    """Two workers with the role actuate on one partition, each behind a proxy of its own."""

    settings: Settings
    plane: ControlPlane
    kafka: KafkaServer
    workers: list[stack.WorkerProcess]
    proxies: list[HoldingProxy]
    made: list[Decision] = field(default_factory=list)
    expected: dict[str, frozenset[Result]] = field(default_factory=dict)

    def replicas(self, name: str) -> tuple[int, str]:
        found = stack.read_deployment(self.plane, name)
        annotations = found["metadata"].get("annotations") or {}
        return found["spec"]["replicas"], annotations.get(EPOCH_ANNOTATION, "")

    async def decide(self, name: str, sequence: int, to: int) -> Decision:
        made = acting.decided(name, sequence, to)
        self.made.append(made)
        await acting.publish(self.settings, [made])
        return made

    def change(self, name: str, replicas: int) -> None:
        """Change an object by another hand: whoever watches it has something to report."""
        path = f"/apis/apps/v1/namespaces/default/deployments/{name}/scale"
        scale = self.plane.request("GET", path)
        scale["spec"] = {"replicas": replicas}
        self.plane.request("PUT", path, scale)

    async def turns(self, number: int) -> None:
        """Wait until a worker's loop has gone round some times since what came before this."""
        for _ in range(10):
            await asyncio.to_thread(self.workers[number].metric, "foretide_outcomes_total")
            await asyncio.sleep(0.03)


@pytest.fixture(scope="module")
def actuators(
    kafka: KafkaServer, granted: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Actuators]:
    settings = stack.fresh_settings(
        kafka.bootstrap, partitions=1, session_timeout_s=2.0, commit_interval_s=60.0
    )
    asyncio.run(stack.make_topics(settings))
    folder = tmp_path_factory.mktemp("fencing")
    specs = folder / "specs.yaml"
    specs.write_text("\n---\n".join(stack.scaler(name) for name in PAIRS))
    for name in PAIRS:
        granted.create_deployment(name)
    with HoldingProxy(granted) as one, HoldingProxy(granted) as other:
        workers = [
            stack.WorkerProcess(
                settings,
                folder=folder / str(number),
                plane=granted,
                specs=specs,
                roles="actuate",
                through=proxy.kubeconfig(),
            )
            for number, proxy in enumerate((one, other))
        ]
        try:
            for worker in workers:
                worker.start()
                asyncio.run(stack.until(worker.ready))
            yield Actuators(settings, granted, kafka, workers, [one, other])
        finally:
            for worker in workers:
                with contextlib.suppress(AssertionError):
                    worker.resume()
                    worker.stop()


REASSIGNED_S = 5.0


@pytest.mark.parametrize("name", PAIRS)
async def test_stopped_between(name: str, actuators: Actuators) -> None:
    pair, rig = PAIRS[name], actuators
    await acting.stable(rig.settings, "actuate", 2)
    if pair.known:
        first = await rig.decide(name, 1, 2)
        await acting.all_answered(rig.settings, [first])
        rig.expected[first.id] = APPLIED
    before = [len(proxy.calls) for proxy in rig.proxies]
    held = (
        [] if pair.hold is None else [p.hold(pair.hold[0], name, pair.hold[1]) for p in rig.proxies]
    )
    older = await rig.decide(name, 2, 7)
    zombie = await _stopped(pair, rig, held, older, before, name)
    if pair.hold is not None and pair.hold[1] == "answer":
        held[zombie].release()  # The answer lies in its socket.
    newer = await rig.decide(name, 3, 4)
    rig.expected |= {older.id: pair.outcomes, newer.id: APPLIED}
    await acting.all_answered(rig.settings, [newer])
    assert rig.replicas(name) == (4, str(newer.epoch))
    if held:
        held[zombie].release()
    rig.workers[zombie].resume()

    refused_at: list[float] = []

    def woken() -> list[int]:
        calls = rig.proxies[zombie].calls[before[zombie] :]
        if pair.patch == CONFLICT and calls[-1:] == [Call("PATCH", name, CONFLICT)]:
            refused_at.append(time.monotonic())
            if time.monotonic() - refused_at[0] < REASSIGNED_S:
                return []  # It will read again, unless its partition is assigned anew before.
        return [status for method, _, status in calls if method == "PATCH"]

    await stack.until(lambda: woken()[-1:] == [pair.patch], what=f"patch of {name}", limit_s=20)
    await acting.stable(rig.settings, "actuate", 2)
    await asyncio.sleep(0.5)  # Nothing else comes of it.
    assert woken()[-1] == pair.patch
    assert rig.replicas(name) == (4, str(newer.epoch))
    # One outcome each, those of the cases before included, though all is read again each time.
    found = await acting.outcomes(rig.settings, rig.made)
    for key, answers in found.items():
        assert len(answers) == 1, (key, answers)
        assert answers[0].result in rig.expected[key], (key, answers)


async def _stopped(
    pair: Pair, rig: Actuators, held: list[Held], older: Decision, before: list[int], name: str
) -> int:
    """Wait until one of the workers is between the two steps, and stop it; which one."""
    if pair.hold is None:
        await acting.all_answered(rig.settings, [older])
        zombie = next(
            number
            for number, proxy in enumerate(rig.proxies)
            if any(call.name == name for call in proxy.calls[before[number] :])
        )
    else:
        zombie = await stack.until(
            lambda: next((n + 1 for n, one in enumerate(held) if one.came.is_set()), None)
        )
        zombie -= 1
        rig.proxies[1 - zombie].let_go(name)
    if pair.stall_broker:
        rig.kafka.pause()
        rig.change(OTHER, 5)
        await rig.turns(zombie)  # Its report of that is on its way, before the outcome is.
        held[zombie].release()
        await stack.until(
            lambda: any(call.name == name for call in rig.proxies[zombie].calls[before[zombie] :])
        )
        await rig.turns(zombie)  # The outcome is in the broker's socket; nothing shows it.
    rig.workers[zombie].pause()
    if pair.stall_broker:
        rig.kafka.resume()
    return zombie

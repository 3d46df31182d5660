"""The plant against theory: independent runs, their mean, and how far chance lets it be off.

Rule: a comparison carries its own standard error; a case also says how far away the nearest
wrong plant is, so that agreement means something.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean, stdev

from lab.plant.batching import Batching
from lab.plant.parameters import PlantParameters
from lab.plant.plant import Plant
from lab.plant.theory import Expected, batch_exponential, in_turn, mmck, processor_sharing_s
from lab.traces.arrival import Arrival

TOKENS = 10_000
"""Mean completion: large, so that rounding to whole tokens is 1e-4 of a deviation."""

RUNS = 20
WARM_UP = 0.1
"""Share of a run's requests that are left out: it begins empty."""

Size = Callable[[random.Random], float]


def exponential(chance: random.Random) -> float:
    """A size with mean 1 and squared coefficient of variation 1."""
    return chance.expovariate(1.0)


def constant(chance: random.Random) -> float:
    """A size that is always 1."""
    del chance
    return 1.0


def hyperexponential(chance: random.Random) -> float:
    """A size with mean 1 and squared coefficient of variation 4 (balanced means)."""
    high = (1 + math.sqrt(3 / 5)) / 2
    share = high if chance.random() < high else 1 - high
    return chance.expovariate(2 * share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of one case.  ``error`` is the standard error of ``measured``.

    ``wrong`` is what theory says of the nearest wrong plant (one server or one place more; where
    everybody has a slot: requests that slow each other down by a tenth more).
    """

    case: str
    figure: str
    theory: float
    measured: float
    error: float
    wrong: float

    @property
    def sigmas(self) -> float:
        """How many standard errors ``measured`` is off; with 20 runs 4 are 1 in 1,300."""
        return abs(self.measured - self.theory) / self.error

    @property
    def sigmas_wrong(self) -> float:
        """How many it would be off were theory the wrong plant's."""
        return abs(self.measured - self.wrong) / self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A plant, its traffic, what theory says of it, and of plants that are wrong by a little."""

    name: str
    rate: float
    parameters: PlantParameters
    expected: Expected
    wrong: tuple[Expected, ...]
    figures: tuple[str, ...]
    size: Size = field(default=exponential)


def still(*, replicas: int, slots: int, queue: int, batching: Batching | None) -> PlantParameters:
    """A fleet that stays as it is; a mean completion takes 1 s where nothing slows it."""
    return PlantParameters(
        slots=slots,
        overhead_s=0.0,
        prefill_per_s=1e12,
        decode_per_s=float(TOKENS),
        batching=batching,
        initial_replicas=replicas,
        max_replicas=replicas,
        queue_limit=queue,
        gauge_every_s=1e12,
        slo_s=1e12,
    )


def servers_case(replicas: int, slots: int, load: float, room: int | None = None) -> Case:
    """M/M/c(/K): ``load`` is offered erlangs a server."""
    servers = replicas * slots
    rate = load * servers

    def expected(more_servers: int, more_room: int) -> Expected:
        places = None if room is None else room + more_room
        return mmck(rate=rate, mean_s=1.0, servers=servers + more_servers, room=places)

    queue = 10**9 if room is None else room - servers
    figures: tuple[str, ...] = ("waits", "wait_s")
    if room is not None:
        figures = ("blocked",) if room == servers else ("waits", "wait_s", "blocked")
    system = f"M/M/{servers}" + ("" if room is None else f"/{room}")
    return Case(
        name=f"{system}, {replicas} x {slots}, load {load:g}",
        rate=rate,
        parameters=still(replicas=replicas, slots=slots, queue=queue, batching=None),
        expected=expected(0, 0),
        wrong=(expected(1, 1),) if room is None else (expected(1, 1), expected(0, 1)),
        figures=figures,
    )


def turns_case(replicas: int, load: float) -> Case:
    """E_k/M/1: ``replicas`` of one server each, sent requests in turn.

    Wrong are a replica more, and requests sent to replicas at random (M/M/1 each).
    """
    rate = load * replicas
    alone = still(replicas=replicas, slots=1, queue=10**9, batching=None)
    return Case(
        name=f"E{replicas}/M/1, {replicas} x 1 in turn, load {load:g}",
        rate=rate,
        parameters=replace(alone, routing="even"),
        expected=in_turn(rate=rate, mean_s=1.0, replicas=replicas),
        wrong=(
            in_turn(rate=rate, mean_s=1.0, replicas=replicas + 1),
            mmck(rate=load, mean_s=1.0, servers=1),
        ),
        figures=("waits", "wait_s"),
    )


def sharing_case(size: Size, base: float, load: float) -> Case:
    """M/G/1 with continuous batching, a slot for everybody.

    An iteration of n takes ``base`` + (1 - ``base``) * n parts of 1 / TOKENS seconds: ``base`` 0
    is processor sharing, where a request alone takes 1 s.
    """
    return _batch_case(size, base, load, slots=10**6)


def batch_case(slots: int, base: float, load: float) -> Case:
    """The same with ``slots`` in the batch, the rest waiting; exponential sizes."""
    return _batch_case(exponential, base, load, slots=slots)


def _batch_case(size: Size, base: float, load: float, slots: int) -> Case:
    unlimited = slots >= 10**6
    batching = Batching(
        base_s=base / TOKENS,
        per_sequence_s=(1 - base) / TOKENS,
        kv_s_per_token=0.0,
        prefill_s_per_token=0.0,
    )
    rate = load / (1 - base)

    def expected(off: int) -> Expected:
        slope = (1 - base) * (1.1 if off and unlimited else 1.0)
        seconds = partial(_iteration_s, base, slope)
        if unlimited:
            sojourn_s = processor_sharing_s(rate=rate, iterations=TOKENS, iteration_s=seconds)
            return Expected(waits=0.0, blocked=0.0, wait_s=0.0, sojourn_s=sojourn_s)
        return batch_exponential(
            rate=rate, iterations=TOKENS, iteration_s=seconds, slots=slots + off
        )

    kind = {"exponential": "M", "constant": "D", "hyperexponential": "H2"}[size.__name__]
    how = "a slot each" if unlimited else f"{slots} slots"
    return Case(
        name=f"batching, {kind} sizes, {how}, base {base:g}, load {load:g}",
        rate=rate,
        parameters=still(replicas=1, slots=slots, queue=10**9, batching=batching),
        expected=expected(0),
        wrong=(expected(1),),
        figures=("sojourn_s",) if unlimited else ("waits", "wait_s"),
        size=size,
    )


def _iteration_s(base: float, slope: float, n: int) -> float:
    return (base + slope * n) / TOKENS


CASES: tuple[Case, ...] = (
    servers_case(1, 1, 0.5),
    servers_case(2, 1, 0.7),
    servers_case(5, 1, 0.8),
    servers_case(4, 4, 0.85),
    servers_case(3, 1, 0.9, room=6),
    servers_case(4, 1, 1.2, room=4),
    servers_case(2, 2, 1.0, room=6),
    turns_case(2, 0.7),
    turns_case(4, 0.8),
    sharing_case(constant, 0.0, 0.6),
    sharing_case(exponential, 0.0, 0.6),
    sharing_case(hyperexponential, 0.0, 0.6),
    sharing_case(hyperexponential, 0.5, 0.6),
    batch_case(4, 0.5, 0.6),
)


def examine(case: Case, *, requests: int, seed: int = 1) -> list[Figure]:
    """``RUNS`` runs of so many requests each, and their figures beside theory's.

    Every run of every case has a stream of chance of its own.
    """
    found = [_run(case, requests, f"{seed} {case.name} {run}") for run in range(RUNS)]
    figures = []
    for name in case.figures:
        measured = [float(getattr(run, name)) for run in found]
        mean = fmean(measured)
        figures.append(
            Figure(
                case=case.name,
                figure=name,
                theory=getattr(case.expected, name),
                wrong=min(
                    (float(getattr(wrong, name)) for wrong in case.wrong),
                    key=lambda value: abs(value - mean),
                ),
                measured=mean,
                error=stdev(measured) / math.sqrt(RUNS),
            )
        )
    return figures


def _run(case: Case, requests: int, seed: str) -> Expected:
    chance = random.Random(seed)  # noqa: S311 - a simulation's seeded chance
    at, arrivals = 0.0, []
    for _ in range(requests):
        at += chance.expovariate(case.rate)
        out = max(round(TOKENS * case.size(chance)), 1)
        arrivals.append(Arrival(at_s=at, tokens_in=0, tokens_out=out))
    plant = Plant(arrivals, case.parameters, seed=0, begin=0.0, tell=False)
    plant.advance(at + 1e6)
    plant.close()
    account = plant.account
    first = int(WARM_UP * account.served)
    waits = account.waits[first:]
    return Expected(
        waits=sum(wait > 0 for wait in waits) / len(waits),
        blocked=account.dropped / account.arrived,
        wait_s=fmean(waits),
        sojourn_s=fmean(latency for _, latency in account.latencies[first:]),
    )

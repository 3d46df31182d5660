"""Closed forms of queueing theory, to hold the plant against.

Rule: formulas only; each names its source.  ``offered`` is the arrival rate times the mean
service time (erlangs); times are in units of the mean service time's seconds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What theory says: probabilities 0 to 1, times in seconds over requests that get in."""

    waits: float
    blocked: float
    wait_s: float
    sojourn_s: float


def mmck(*, rate: float, mean_s: float, servers: int, room: int | None = None) -> Expected:
    """M/M/c/K: ``room`` requests at most in the system, None: any number (M/M/c).

    The birth-death chain with births ``rate`` and deaths min(n, c) / ``mean_s`` (Kleinrock,
    Queueing Systems I, 1975, chapter 3; without ``room`` the first field is Erlang C, with room
    = servers ``blocked`` is Erlang B).  M/M/2 at 1.4 erlangs: 0.576 wait, 0.961 mean_s each.
    Raises ``ValueError`` where there is no steady state.
    """
    return birth_death(
        rate=rate,
        death_per_s=lambda n: min(n, servers) / mean_s,
        servers=servers,
        mean_s=mean_s,
        room=room,
    )


def in_turn(*, rate: float, mean_s: float, replicas: int) -> Expected:
    """Replicas of one server with a queue each, sent Poisson arrivals in turn: E_k/M/1 each.

    Every k-th arrival of a Poisson stream comes after a sum of k exponential times, so that the
    root s of s = A(mu (1 - s)), with A(x) = (rate / (rate + x))**k, waits, for s / (1 - s)
    services in the mean (GI/M/1: Kleinrock, Queueing Systems I, 1975, chapter 6).  Two replicas
    at 0.7 of their load: 0.616 wait, 1.60 mean_s each; sent at random it would be 0.7 and 2.33.
    """
    if rate * mean_s >= replicas:
        raise ValueError(f"no steady state: {rate:g} arrivals a second are too many")
    root = 0.0
    for _ in range(10_000):
        root = (rate / (rate + (1 - root) / mean_s)) ** replicas
    wait_s = mean_s * root / (1 - root)
    return Expected(waits=root, blocked=0.0, wait_s=wait_s, sojourn_s=wait_s + mean_s)


def batch_exponential(
    *, rate: float, iterations: float, iteration_s: Callable[[int], float], slots: int
) -> Expected:
    """One replica with continuous batching, exponential completions, any number waiting.

    n requests in the batch advance an iteration in ``iteration_s(n)``, so requests end at
    min(n, slots) / (iterations * iteration_s(min(n, slots))) a second: a birth-death chain.
    """
    return birth_death(
        rate=rate,
        death_per_s=lambda n: min(n, slots) / (iterations * iteration_s(min(n, slots))),
        servers=slots,
        mean_s=None,
        room=None,
    )


def processor_sharing_s(
    *, rate: float, iterations: float, iteration_s: Callable[[int], float]
) -> float:
    """Mean sojourn, seconds, with a slot for everybody: for ANY distribution of completions.

    Processor sharing whose speed depends on the number present: n has the probability that is
    proportional to the product over j = 1..n of rate * iterations * iteration_s(j) / j, whatever
    the distribution of sizes with that mean (Cohen, The multiple phase service network with
    generalized processor sharing, Acta Informatica 12, 1979); Little's law gives the time.  With
    iteration_s(j) = s * j that is 1 / (mu - rate), mu = 1 / (iterations * s).
    """
    return batch_exponential(
        rate=rate, iterations=iterations, iteration_s=iteration_s, slots=10**9
    ).sojourn_s


def birth_death(
    *,
    rate: float,
    death_per_s: Callable[[int], float],
    servers: int,
    mean_s: float | None,
    room: int | None,
) -> Expected:
    """Stationary figures of the chain: Poisson arrivals see time averages, then Little's law."""
    weights = [1.0]
    for n in itertools.count(1):
        if room is not None and n > room:
            break
        ratio = rate / death_per_s(n)
        weights.append(weights[-1] * ratio)
        if room is None and weights[-1] < 1e-15 * math.fsum(weights[:1]) and ratio < 1:
            break
        if n > 100_000 or weights[-1] > 1e200:  # noqa: PLR2004 - far beyond any stable case here
            raise ValueError(f"no steady state: {rate:g} arrivals a second are too many")
    total = math.fsum(weights)
    share = [weight / total for weight in weights]
    blocked = 0.0 if room is None else share[-1]
    admitted = rate * (1.0 - blocked)
    queue = math.fsum((n - servers) * p for n, p in enumerate(share) if n > servers)
    inside = math.fsum(n * p for n, p in enumerate(share))
    waiting = math.fsum(p for n, p in enumerate(share) if n >= servers) - blocked
    wait_s = queue / admitted
    return Expected(
        waits=max(waiting, 0.0) / (1.0 - blocked),
        blocked=blocked,
        wait_s=wait_s,
        sojourn_s=wait_s + mean_s if mean_s is not None else inside / admitted,
    )

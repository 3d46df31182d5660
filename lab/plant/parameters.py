"""What the plant is made of, equal for every policy, printed with every result.

Rule: a number here has a source or a reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from lab.plant.batching import Batching
from lab.plant.startup import LogNormalStartup, Startup


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Ready replicas fail at random, memorylessly, after ``mtbf_s`` seconds in the mean.

    What was in flight is put at the head of the queue again, once (``retry``; a second failure
    loses it), or is ``lost`` at once.  The replica restarts in place: it costs, and is ready
    again after a start-up time of its own.
    """

    mtbf_s: float
    in_flight: Literal["retry", "lost"] = "retry"

    def __post_init__(self) -> None:
        if not 0 < self.mtbf_s < math.inf:
            msg = f"mtbf_s is {self.mtbf_s!r}, a finite number above 0 was expected"
            raise ValueError(msg)
        if self.in_flight not in ("retry", "lost"):
            msg = f"in_flight is {self.in_flight!r}, retry or lost was expected"
            raise ValueError(msg)


BASE_MODEL = LogNormalStartup(p50_s=22.7, p95_s=45.4)
"""The default start-up: loading a base model, as measured on a real fleet (Alibaba GenTD26)."""

Routing = Literal["shared", "even"]
"""How requests reach replicas, see ``PlantParameters``."""

_FATE = {"retry": "tried again, once", "lost": "lost"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to run the service: its own size, speed, start-up and cost.

    Without ``batching`` a request holds one of ``slots`` for ``overhead_s + tokens_in /
    prefill_per_s + tokens_out / decode_per_s``, whoever is beside it.  With it, ``slots`` is the
    most requests in a batch, and the three rates are not used (``lab.plant.batching``).
    """

    name: str
    slots: int = 4
    overhead_s: float = 0.1
    prefill_per_s: float = 5000.0
    decode_per_s: float = 40.0
    batching: Batching | None = None
    startup: Startup = BASE_MODEL
    initial_replicas: int = 0
    cost: float = 1.0

    def __post_init__(self) -> None:
        if self.slots < 1:
            msg = f"slots is {self.slots}, at least 1 was expected"
            raise ValueError(msg)
        if self.initial_replicas < 0:
            msg = f"initial_replicas is {self.initial_replicas}, at least 0 was expected"
            raise ValueError(msg)

    def prefill_s(self, tokens_in: int, tokens_cached: int = 0) -> float:
        """Seconds of a slot until the prompt is read."""
        return self.overhead_s + (tokens_in - tokens_cached) / self.prefill_per_s

    def service_s(self, tokens_in: int, tokens_out: int, tokens_cached: int = 0) -> float:
        """Seconds of one slot: 2,048 tokens in and 28 out take 0.1 + 0.41 + 0.7 = 1.21 s.

        With batching: what the request takes alone in a batch.
        """
        if self.batching is None:
            return self.prefill_s(tokens_in, tokens_cached) + tokens_out / self.decode_per_s
        return self.batching.alone_s(tokens_in, tokens_out, tokens_cached)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantParameters:
    """One model server's replica, and the service in front of it.

    Service time of a request is ``overhead_s + tokens_in / prefill_per_s + tokens_out /
    decode_per_s``: prefill is compute-bound and fast, decode is bandwidth-bound and slow; the
    rates are of the order published for a 13 B to 34 B model on one A100.  ``slots`` requests
    run side by side in a replica, without slowing each other down unless there is ``batching``.
    Start-up is log-normal with the median and 95th percentile given (base-model loading measured
    on a real fleet, Alibaba GenTD26, has 22.7 s and 45.4 s), or ``startup`` if that is given.
    ``variants`` replaces all of these, and ``initial_replicas``.

    With ``queue_limit`` requests waiting and no free slot, the gateway drops.  A replica that is
    scaled in finishes what it has; after ``grace_s`` it is ended, and what is left is treated as
    ``failures.in_flight`` says (without failures: lost).

    ``routing`` is how requests reach replicas: from one queue at the gateway (``shared``), or sent
    on as they come to the replicas that serve, in turn, whatever they are and have to do
    (``even``): each has a queue of its own then, of ``queue_limit``.
    """

    slots: int = 4
    overhead_s: float = 0.1
    prefill_per_s: float = 5000.0
    decode_per_s: float = 40.0
    batching: Batching | None = None
    startup_p50_s: float = 22.7
    startup_p95_s: float = 45.4
    startup: Startup | None = None
    variants: tuple[Variant, ...] = ()
    failures: Failures | None = None
    grace_s: float = math.inf
    queue_limit: int = 200
    routing: Routing = "shared"
    gauge_every_s: float = 1.0
    initial_replicas: int = 2
    min_replicas: int = 1
    max_replicas: int = 20
    slo_s: float = 10.0
    violations: float = 0.01
    per_replica: float = 3.0

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.variants]
        if len(set(names)) < len(names):
            msg = f"variants have equal names: {', '.join(sorted(names))}"
            raise ValueError(msg)
        if self.queue_limit < 0:
            msg = f"queue_limit is {self.queue_limit}, at least 0 was expected"
            raise ValueError(msg)
        if self.routing not in get_args(Routing):
            msg = f"routing is {self.routing!r}, shared or even was expected"
            raise ValueError(msg)

    def fleet(self) -> tuple[Variant, ...]:
        """The variants; one, ``default``, where none are given."""
        if self.variants:
            return self.variants
        return (
            Variant(
                name="default",
                slots=self.slots,
                overhead_s=self.overhead_s,
                prefill_per_s=self.prefill_per_s,
                decode_per_s=self.decode_per_s,
                batching=self.batching,
                startup=self.startup
                or LogNormalStartup(p50_s=self.startup_p50_s, p95_s=self.startup_p95_s),
                initial_replicas=self.initial_replicas,
            ),
        )

    def service_s(self, tokens_in: int, tokens_out: int) -> float:
        """Seconds a request takes alone in a replica of the first variant."""
        return self.fleet()[0].service_s(tokens_in, tokens_out)

    def lines(self) -> list[str]:
        """For a person."""
        found = [line for variant in self.fleet() for line in self._variant_lines(variant)]
        if self.failures is not None:
            found.append(
                f"a ready replica fails after {self.failures.mtbf_s:g} s in the mean; what it "
                f"was doing is {_FATE[self.failures.in_flight]}"
            )
        if self.routing == "even":
            found.append("requests go to replicas in turn, and each replica has its own queue")
        found.append(
            f"SLO: at most {self.violations:.0%} of requests slower than {self.slo_s:g} s; the "
            f"gateway queues up to {self.queue_limit}, then drops"
        )
        return found

    def _variant_lines(self, variant: Variant) -> list[str]:
        who = "a replica" if len(self.fleet()) == 1 else f"a replica of {variant.name}"
        if variant.batching is None:
            serves = (
                f"{who} serves {variant.slots} requests side by side; one takes "
                f"{variant.overhead_s:g} s + prompt / {variant.prefill_per_s:g} per s + completion "
                f"/ {variant.decode_per_s:g} per s"
            )
        else:
            model = variant.batching
            serves = (
                f"{who} batches up to {variant.slots} requests; an iteration takes "
                f"{model.base_s * 1e3:g} ms + {model.per_sequence_s * 1e3:g} ms a request + "
                f"{model.kv_s_per_token * 1e6:g} ms a thousand tokens of context, and "
                f"{model.prefill_s_per_token * 1e3:g} ms a token of prompts"
            )
        return [
            serves,
            f"it starts in {variant.startup.words()}, {self.min_replicas} to "
            f"{self.max_replicas} replicas, {variant.initial_replicas} at the beginning",
        ]

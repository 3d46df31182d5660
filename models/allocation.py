"""Allocation: who gets what of a pool, when the wishes of its workloads exceed it.

Rule: nobody's grant is taken away here; what is free goes to whoever asks, up to what is free.
The exact solver (by importance, with a certificate) takes this place behind the same call.
Flow: foretide.proposals -> Allocation -> foretide.decisions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from models.domain.decision import Binding, Decision, Reason, Stamp, State
from models.domain.forecast import Proposal
from models.domain.spec import MOST_REPLICAS


class Allocation:
    """Grants of one pool.  Deterministic: a function of the proposals in their order."""

    def __init__(self) -> None:
        """Nothing is granted yet."""
        self._granted: dict[str, dict[str, float]] = {}

    def decide(self, proposal: Proposal, capacity: Mapping[str, float] | None) -> Decision:
        """Grant what fits of a proposal.

        ``capacity`` is the pool's, by resource; None: the pool is not defined, and the proposal
        passes as it is.  Scale-in always passes; scale-out stops at what is free, never below
        what the workload has.
        """
        wanted = proposal.wanted
        total = sum(wanted.to.replicas.values())
        before = sum(wanted.from_.replicas.values())
        granted, bound = total, None
        if capacity is not None and total > before:
            granted, bound = self._fit(proposal, capacity, before, total)
        self._granted[wanted.workload] = {
            resource: each * granted for resource, each in proposal.resources.items()
        }
        if bound is None:
            return wanted
        return _cut(wanted, granted, bound)

    def drop(self, workload: str) -> None:
        """A workload left the pool: what it had is free."""
        self._granted.pop(workload, None)

    def _fit(
        self, proposal: Proposal, capacity: Mapping[str, float], before: int, total: int
    ) -> tuple[int, Binding | None]:
        granted, bound = total, None
        for resource, each in sorted(proposal.resources.items()):
            if each <= 0 or resource not in capacity:
                continue
            taken = sum(
                held.get(resource, 0.0)
                for workload, held in self._granted.items()
                if workload != proposal.wanted.workload
            )
            room = min((capacity[resource] - taken) / each, float(MOST_REPLICAS))
            fits = max(math.floor(max(room, 0.0) + 1e-9), before)
            if fits < granted:
                granted = fits
                bound = Binding(
                    constraint=f"pool/{proposal.pool}/{resource}", limit=capacity[resource]
                )
        return granted, bound


def _cut(wanted: Decision, granted: int, bound: Binding) -> Decision:
    """The decision with fewer replicas: the last variants give way first."""
    total = sum(wanted.to.replicas.values())
    over = total - granted
    replicas = dict(wanted.to.replicas)
    for variant in reversed(list(replicas)):
        give = min(over, replicas[variant])
        replicas[variant] -= give
        over -= give
    stamp = Stamp(
        guard="pool",
        before=total,
        after=granted,
        why=f"{bound.constraint} has {bound.limit:g} in all",
    )
    return msgspec.structs.replace(
        wanted,
        to=State(replicas=replicas, resources=wanted.to.resources, traffic=wanted.to.traffic),
        reason=Reason.POOL_CAPACITY,
        trail=(*wanted.trail, stamp),
        binding=bound,
    )

"""Grants of a pool: what is free goes to whoever asks, nothing is taken away."""

from __future__ import annotations

import msgspec
import pytest

from models.allocation import Allocation
from models.domain.decision import Decision, Reason, State
from models.domain.forecast import Proposal
from tests.actuators.test_dispatcher import decision


def proposal(workload: str, before: int, wanted: int, each: float = 1.0) -> Proposal:
    made = msgspec.structs.replace(decision(wanted, before=before), workload=workload)
    return Proposal(pool="gpu", weight=1.0, min_replicas=1, resources={"gpu": each}, wanted=made)


def replicas(made: Decision) -> int:
    return sum(made.to.replicas.values())


def test_what_fits_is_granted_as_it_was_wanted() -> None:
    pool = Allocation()
    asked = proposal("prod/a", 1, 5)
    assert pool.decide(asked, {"gpu": 8.0}) == asked.wanted


def test_what_does_not_fit_is_cut_and_says_by_what() -> None:
    pool = Allocation()
    pool.decide(proposal("prod/a", 1, 5), {"gpu": 8.0})
    cut = pool.decide(proposal("prod/b", 1, 6), {"gpu": 8.0})
    assert replicas(cut) == 3
    assert cut.reason is Reason.POOL_CAPACITY
    assert cut.binding is not None
    assert (cut.binding.constraint, cut.binding.limit) == ("pool/gpu/gpu", 8.0)
    assert cut.trail[-1].guard == "pool"


def test_nothing_is_taken_away_and_what_is_given_back_is_free() -> None:
    pool = Allocation()
    pool.decide(proposal("prod/a", 1, 8), {"gpu": 8.0})
    full = pool.decide(proposal("prod/b", 2, 4), {"gpu": 8.0})
    assert replicas(full) == 2  # What it has, though the pool is over.
    pool.decide(proposal("prod/a", 8, 3), {"gpu": 8.0})
    assert replicas(pool.decide(proposal("prod/b", 2, 4), {"gpu": 8.0})) == 4


def test_a_workload_that_left_frees_what_it_had() -> None:
    pool = Allocation()
    pool.decide(proposal("prod/a", 1, 8), {"gpu": 8.0})
    pool.drop("prod/a")
    assert replicas(pool.decide(proposal("prod/b", 1, 8), {"gpu": 8.0})) == 8


def test_a_pool_nobody_defined_and_resources_it_does_not_have_limit_nothing() -> None:
    pool = Allocation()
    assert replicas(pool.decide(proposal("prod/a", 1, 500), None)) == 500
    assert replicas(pool.decide(proposal("prod/a", 1, 500), {"cpu": 1.0})) == 500


def test_fractions_fit_whole() -> None:
    pool = Allocation()
    assert replicas(pool.decide(proposal("prod/a", 0, 99, each=0.1), {"gpu": 1.0})) == 10


def test_the_last_variant_gives_way_first() -> None:
    asked = proposal("prod/a", 1, 6)
    spread = msgspec.structs.replace(
        asked,
        wanted=msgspec.structs.replace(asked.wanted, to=State(replicas={"small": 4, "large": 2})),
    )
    cut = Allocation().decide(spread, {"gpu": 3.0})
    assert cut.to.replicas == {"small": 3, "large": 0}


@pytest.mark.parametrize("each", [5e-324, 1e-300, 1e300])
@pytest.mark.parametrize("capacity", [0.0, 8.0, 1e300])
def test_no_quantity_ends_the_step(each: float, capacity: float) -> None:
    """A spec refuses most of them; what a proposal says is survived all the same."""
    pool = Allocation()
    for workload in ("prod/a", "prod/b"):
        granted = replicas(pool.decide(proposal(workload, 1, 5, each), {"gpu": capacity}))
        assert 1 <= granted <= 5

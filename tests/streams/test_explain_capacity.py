"""What ``foretide explain`` says of a capacity that was learned."""

from __future__ import annotations

from streams.cli.explain import explanation
from tests.models.test_capacity_scaler import World


def test_explain_says_what_was_learned_and_what_a_new_release_did() -> None:
    world = World(8.0, demand={"unit": "requests"})
    world.minutes(40, 40.0)
    said = explanation(world.decisions[-1], None)
    capacity = world.decisions[-1].inputs.capacity_per_replica
    assert capacity is not None
    assert f"one replica       {capacity:.2f} requests" in said
    assert f"learned: {capacity:.3g} requests/s a replica at 2 s (" in said
    world.pace = 1.6
    world.minutes(5, 40.0)
    assert "a new release is slower" in explanation(world.decisions[-1], None)

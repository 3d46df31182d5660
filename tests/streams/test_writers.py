"""Who writes next: eras and generations of owners."""

from __future__ import annotations

from streams.roles.plan import _next_writer
from streams.snapshots import Writer


def test_the_first_owner_begins_the_first_era() -> None:
    assert _next_writer(None, 7) == Writer(0, 7)


def test_a_later_generation_stays_in_the_era() -> None:
    assert _next_writer(Writer(2, 7), 8) == Writer(2, 8)


def test_a_group_that_expired_and_counts_anew_is_a_new_era() -> None:
    for generation in (1, 6, 7):
        after = _next_writer(Writer(2, 7), generation)
        assert after == Writer(3, generation)
        assert after > Writer(2, 7)

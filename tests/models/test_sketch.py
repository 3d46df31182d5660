from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from models import sketch


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_within_the_accuracy_of_the_true_one(values: list[int], level: float) -> None:
    counts: dict[int, int] = {}
    for value in values:
        index = sketch.bucket(value)
        counts[index] = counts.get(index, 0) + 1
    true = sorted(values)[max(math.ceil(level * len(values)), 1) - 1] / 1e6
    found = sketch.quantile(counts, level)
    assert found is not None
    assert abs(found - true) <= sketch.ACCURACY * true * 1.0001 + 1e-6


def test_no_counts_have_no_quantile() -> None:
    assert sketch.quantile({}, 0.5) is None


def test_slower_counts_what_is_above_the_limit() -> None:
    counts = {sketch.bucket(100_000): 3, sketch.bucket(5_000_000): 2}
    assert sketch.slower(counts, 2.0) == 2

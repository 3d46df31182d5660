"""HPA against numbers worked out by hand from the published algorithm."""

from __future__ import annotations

import pytest

from lab.policies import Hpa, View


def hpa() -> Hpa:
    return Hpa(target=0.7, least=1, most=20)


def view(now: float, desired: int, use: float | None, ready: int | None = None) -> View:
    return View(now=now, desired=desired, ready=desired if ready is None else ready, use_ratio=use)


@pytest.mark.parametrize(
    ("desired", "use", "wanted"),
    [
        (5, 0.98, 7),  # 0.98 / 0.7 = 1.4, times 5
        (5, 0.76, 5),  # 1.086: within 10 %
        (5, 0.64, 5),  # 0.914: within 10 %
        (4, 1.0, 6),  # 1.43 times 4 = 5.7
        (1, 1.0, 2),
        (3, None, 3),  # no metrics: hold
    ],
)
def test_one_sync(desired: int, use: float | None, wanted: int) -> None:
    assert hpa().desired(view(0.0, desired, use)) == wanted


def test_up_at_most_four_pods_or_double_in_a_period() -> None:
    controller = Hpa(target=0.1, least=1, most=100)
    assert controller.desired(view(0.0, 2, 1.0)) == 6  # wants 20; 2 + 4 beats 2 * 2
    controller = Hpa(target=0.1, least=1, most=100)
    assert controller.desired(view(0.0, 10, 1.0)) == 20  # doubling beats + 4


def test_unready_pods_use_nothing_when_scaling_up() -> None:
    # 4 ready at 1.0 and 4 unready: 4 / 8 = 0.5 of 0.7 turns the direction: hold.
    assert hpa().desired(view(0.0, 8, 1.0, ready=4)) == 8
    # 6 ready at 1.0 and 1 unready: 6 / 7 / 0.7 = 1.22, times 7 = 8.57.
    assert hpa().desired(view(0.0, 7, 1.0, ready=6)) == 9


def test_down_only_after_300_s_of_lower_wishes() -> None:
    controller = hpa()
    assert controller.desired(view(0.0, 10, 0.7)) == 10
    for now in range(15, 300, 15):
        assert controller.desired(view(float(now), 10, 0.07)) == 10
    # At 300 s the wish for 10 has just left the window; 10 * 0.1 = 1 is all that is left.
    assert controller.desired(view(300.0, 10, 0.07)) == 1


def test_bounds() -> None:
    controller = Hpa(target=0.7, least=3, most=4)
    assert controller.desired(view(0.0, 3, 1.0)) == 4
    assert Hpa(target=0.7, least=1, most=20).desired(view(0.0, 0, None)) == 1

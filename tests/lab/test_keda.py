"""KEDA against numbers worked out by hand from its executor and the HPA's arithmetic."""

from __future__ import annotations

from lab.policies import Keda, View


def view(now: float, desired: int, demand: float | None) -> View:
    return View(now=now, desired=desired, ready=desired, use_ratio=None, demand=demand)


def test_from_zero_at_the_poll_and_on_at_the_next_sync() -> None:
    keda = Keda(target=4.0)
    assert keda.desired(view(0.0, 0, 0.0)) == 0
    # Between two polls nobody looks: at 15 s only the HPA would, and it is disabled at 0.
    assert keda.desired(view(15.0, 0, 40.0)) == 0
    # The poll sets 1; the HPA's sync wants 40 / 4 = 10 and may go to max(4, 2 * 1).
    assert keda.desired(view(30.0, 0, 40.0)) == 4
    assert keda.desired(view(45.0, 4, 40.0)) == 8
    assert keda.desired(view(60.0, 8, 40.0)) == 10


def test_between_one_and_many_it_is_an_hpa_by_average_value() -> None:
    keda = Keda(target=4.0, least=1)
    assert keda.desired(view(0.0, 5, 22.0)) == 5  # 22 / 20 = 1.1: within
    assert keda.desired(view(15.0, 5, 25.0)) == 7  # 6.25
    assert keda.desired(view(30.0, 7, 4.0)) == 7  # the window
    for now in range(45, 316, 15):
        assert keda.desired(view(float(now), 7, 4.0)) == 7
    # The wish for 7 of 15 s has left the window.
    assert keda.desired(view(330.0, 7, 4.0)) == 1


def test_to_zero_after_the_cooldown_whatever_the_window_says() -> None:
    keda = Keda(target=4.0)
    assert keda.desired(view(0.0, 5, 20.0)) == 5  # active at 0 s
    for now in range(15, 301, 15):
        wanted = keda.desired(view(float(now), 5, 0.0))
        # At 300 s the cooldown has not passed yet, only been reached.
        assert wanted == 5, now
    assert keda.desired(view(315.0, 5, 0.0)) == 1  # no poll; the HPA's window is over
    assert keda.desired(view(330.0, 1, 0.0)) == 0


def test_never_active_is_cooled_down() -> None:
    assert Keda(target=4.0).desired(view(0.0, 5, 0.0)) == 0


def test_the_activation_threshold_is_to_be_exceeded() -> None:
    assert Keda(target=4.0, activation=10.0).desired(view(0.0, 0, 10.0)) == 0
    assert Keda(target=4.0, activation=10.0).desired(view(0.0, 0, 10.1)) == 3  # 2.525


def test_with_a_least_count_there_is_no_zero() -> None:
    keda = Keda(target=4.0, least=2)
    assert keda.desired(view(0.0, 0, 0.0)) == 2
    assert Keda(target=4.0, least=2).desired(view(0.0, 0, 1.0)) == 2
    for now in range(30, 1000, 15):
        assert keda.desired(view(float(now), 2, 0.0)) == 2


def test_a_trigger_without_a_value_is_an_error_and_changes_nothing() -> None:
    keda = Keda(target=4.0)
    assert keda.desired(view(0.0, 5, 20.0)) == 5
    for now in range(15, 1000, 15):
        assert keda.desired(view(float(now), 5, None)) == 5
    assert Keda(target=4.0, least=2).desired(view(0.0, 0, None)) == 0


def test_cached_metrics_are_those_of_the_poll() -> None:
    keda = Keda(target=4.0, least=1, cached=True)
    assert keda.desired(view(0.0, 5, 20.0)) == 5
    assert keda.desired(view(15.0, 5, 40.0)) == 5
    assert keda.desired(view(30.0, 5, 40.0)) == 10

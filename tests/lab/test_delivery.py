"""Telemetry that is lost, late, twice, or held up."""

from __future__ import annotations

import pytest

from lab.plant import Delivery, Outage, Started, TelemetryFaults

EVENTS = [Started(at=n / 10, tokens_in=n) for n in range(10_000)]
"""A thousand seconds."""


def heard(faults: TelemetryFaults, seed: int = 1) -> tuple[list[tuple[float, int]], Delivery]:
    """When each event is heard, by seconds, and which."""
    delivery = Delivery(faults, seed=seed)
    found: list[tuple[float, int]] = []
    for second in range(1001):
        delivery.send(EVENTS[second * 10 : second * 10 + 10])
        # An event of this second is heard at the earliest at its end.
        found += [
            (float(second + 1), event.tokens_in)
            for event in delivery.receive(second + 1.0)
            if isinstance(event, Started)
        ]
    found += [(2e3, e.tokens_in) for e in delivery.receive(1e9) if isinstance(e, Started)]
    return found, delivery


def test_without_faults_everything_is_heard_once_in_order_and_in_time() -> None:
    found, delivery = heard(TelemetryFaults())
    assert [number for _, number in found] == list(range(10_000))
    assert all(number / 10 <= at <= number / 10 + 1 for at, number in found)
    assert (delivery.lost, delivery.late, delivery.duplicated) == (0, 0, 0)


def test_shares_are_what_was_asked_for() -> None:
    """Binomial: 4 deviations of 10,000 at 0.1 are 120."""
    found, delivery = heard(TelemetryFaults(lost=0.1, duplicated=0.1))
    assert delivery.lost == pytest.approx(1000, abs=120)
    assert len({number for _, number in found}) == 10_000 - delivery.lost
    assert len(found) == 10_000 - delivery.lost + delivery.duplicated
    assert delivery.duplicated == pytest.approx(900, abs=120)


def test_late_events_come_late_and_out_of_order() -> None:
    found, delivery = heard(TelemetryFaults(late=0.2, late_s=20.0))
    assert delivery.late == pytest.approx(2000, abs=4 * 40)
    assert sorted(number for _, number in found) == list(range(10_000))
    assert [number for _, number in found] != list(range(10_000))
    late = [at - number / 10 for at, number in found if at - number / 10 > 1 and at < 2e3]
    # Of 2,000 late by 20 s in the mean exp(-1/20) are later than a second; memoryless.
    assert len(late) == pytest.approx(1900, rel=0.1)
    assert sum(late) / len(late) == pytest.approx(21.0, rel=0.1)


def test_nothing_is_heard_before_it_happened() -> None:
    faults = TelemetryFaults(late=0.5, duplicated=0.3, outages=(Outage(at=100.0, length_s=50.0),))
    found, _ = heard(faults)
    assert all(at >= number / 10 for at, number in found)


def test_an_outage_holds_up_or_loses() -> None:
    held, delivery = heard(TelemetryFaults(outages=(Outage(at=100.0, length_s=50.0),)))
    assert [number for _, number in held] == list(range(10_000))
    assert not [number for at, number in held if 101.0 < at < 150.0]
    assert delivery.lost == 0
    gone, delivery = heard(TelemetryFaults(outages=(Outage(at=100.0, length_s=50.0, lost=True),)))
    assert delivery.lost == 500
    assert [number for _, number in gone] == [n for n in range(10_000) if not 1000 <= n < 1500]


def test_it_is_the_seed_s_and_one_more_fault_leaves_the_others() -> None:
    faults = TelemetryFaults(lost=0.1, late=0.1)
    assert heard(faults)[0] == heard(faults)[0] != heard(faults, seed=2)[0]
    without = {number for _, number in heard(TelemetryFaults(lost=0.1))[0]}
    assert {number for _, number in heard(faults)[0]} == without


@pytest.mark.parametrize("wrong", [{"lost": 1.5}, {"late": -0.1}, {"late_s": 0.0}])
def test_shares_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TelemetryFaults(**wrong)  # type: ignore[arg-type]

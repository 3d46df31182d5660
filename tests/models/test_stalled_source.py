"""A source that is behind: what it has not told yet is missing, not zero, from the first second."""

from __future__ import annotations

import pytest

from models.domain.decision import Decision
from models.domain.load import Load, Progress, ReplicaGauge, SourceProgress
from models.fleet import Fleet
from models.step import SpecChange, Step
from tests.models.fleets import BEGIN, W, agent


class TwoSources:
    """A workload whose requests come by two telemetry partitions; a replica serves 4 a second."""

    def __init__(self) -> None:
        spec = agent(
            demand={"unit": "requests", "perReplica": 4},
            behavior={"scaleDown": {"stabilizationWindowSeconds": 0}},
        )
        self._specs: tuple[SpecChange, ...] = (SpecChange(workload=W, revision=1, spec=spec),)
        self._fleet = Fleet(lateness_s=1.0, valid_s=30.0)
        self._reach = [0, 0]
        self.now = BEGIN
        self.replicas = 1
        self.decisions: list[Decision] = []

    def load(self, source: int, finished: int, *, second: int | None = None) -> Load:
        self._reach[source] += 1
        return Load(
            workload=W,
            second=self.now if second is None else second,
            source=source,
            block=self._reach[source],
            reach=self._reach[source],
            sent_us=self.now * 1_000_000,
            events=finished,
            finished=finished,
            replicas={
                "default": ReplicaGauge(
                    at_us=self.now * 1_000_000,
                    desired=self.replicas,
                    ready=self.replicas,
                    starting=0,
                )
            },
        )

    def second(self, *loads: Load, heard: tuple[int, ...] = (0, 1)) -> None:
        """One second: its partials, then progress of the sources in ``heard``."""
        self.now += 1
        progress = tuple(
            SourceProgress(source=source, position=self._reach[source], watermark=self.now, done=0)
            for source in heard
        )
        step = Step(
            now=float(self.now),
            generation=1,
            era=0,
            specs=self._specs,
            records=(*loads, Progress(sources=2, progress=progress)),
            tick=True,
        )
        self._specs = ()
        for decision in self._fleet.apply(step).decisions:
            self.decisions.append(decision)
            self.replicas = decision.to.replicas["default"]


def busy(driver: TwoSources, seconds: int, each: int) -> None:
    for _ in range(seconds):
        driver.second(driver.load(0, each), driver.load(1, each))


@pytest.mark.parametrize("shift", range(10))
@pytest.mark.parametrize("burst_s", [3, 5])
def test_half_of_a_second_is_not_taken_for_half_of_the_demand(shift: int, burst_s: int) -> None:
    """However the burst lies in the forecast's steps of 10 s, and be it complete yet or not."""
    driver = TwoSources()
    busy(driver, 30 + shift, 4)  # 8 requests/s, and steps of the forecast with it.
    busy(driver, burst_s, 20)  # 40 requests/s: 10 replicas; mostly no forecast knows of it yet.
    before, made = driver.replicas, len(driver.decisions)
    assert before >= 10
    for _ in range(12):  # Source 1 stands still; what comes by it is not known.
        driver.second(driver.load(0, 20), heard=(0,))
    for back in range(12, 0, -1):
        driver.second(driver.load(0, 20), driver.load(1, 20, second=driver.now - back), heard=(0,))
    assert all(d.to.replicas["default"] >= before for d in driver.decisions[made:])


def test_seconds_that_are_complete_are_scaled_in_by() -> None:
    """The same, but both sources say that there was nothing more: this can fall."""
    driver = TwoSources()
    busy(driver, 30, 4)
    busy(driver, 4, 20)
    for _ in range(25):
        driver.second(driver.load(0, 20))
    assert driver.replicas < 10


@pytest.mark.parametrize("shift", range(10))
def test_one_clock_half_a_minute_ahead_does_not_hide_a_burst_of_the_others(shift: int) -> None:
    """Its seconds are the newest heard of, and only its own requests are in them."""
    driver = TwoSources()
    for _ in range(60 + shift):
        driver.second(driver.load(0, 8), driver.load(1, 1, second=driver.now + 30))
    assert driver.replicas < 10
    for _ in range(6):  # 60 requests/s by the clocks that are right, complete after two seconds.
        driver.second(driver.load(0, 60), driver.load(1, 1, second=driver.now + 30))
    assert driver.replicas >= 15

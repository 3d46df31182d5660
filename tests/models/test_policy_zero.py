"""To zero after true silence only, and from zero on the first event."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from models.domain.decision import Reason
from models.domain.load import Load, Progress, ReplicaGauge, SourceProgress
from models.domain.spec import ScalerSpec
from models.domain.telemetry import Request, Resource, Telemetry
from models.fleet import Fleet, MemberState
from models.policy import Context, Wishes
from models.policy.idle import idle
from models.policy.limits import Limits
from models.quiet import OPEN_MOST_S, Quiet
from models.window import Window
from tests.models.fleets import Driver, W

COOLDOWN_S = 120
SPEC: dict[str, Any] = {
    "replicas": {"min": 0, "max": 20, "cooldownPeriodSeconds": COOLDOWN_S},
    "demand": {"unit": "requests", "perReplica": 4},
}


class Requests(Driver):
    """A workload that publishes requests, and nothing when there are none."""

    def __init__(self, **given: Any) -> None:
        super().__init__()
        self.respec(1, **{**SPEC, **given})

    def requests(self, count: int, *, phase: str = "finished", progress: bool = True) -> None:
        events: list[Telemetry] = [
            Request(v=1, workload=W, at=self.now + 1, phase=phase, latency_s=0.2)  # type: ignore[arg-type]
            for _ in range(count)
        ]
        self.second(None, events=events, progress=progress)


def started(count: int = 1, **given: Any) -> Requests:
    driver = Requests(**given)
    driver.replicas = count
    return driver


def seconds_to_zero(driver: Requests, *, most: int = 2000) -> int | None:
    for second in range(1, most):
        driver.requests(0)
        if driver.replicas == 0:
            return second
    return None


@pytest.mark.parametrize("busy_s", [5, 60, 600])
@pytest.mark.parametrize("rate", [1, 3, 30])
def test_to_zero_when_the_cooldown_period_is_over_and_not_before(busy_s: int, rate: int) -> None:
    driver = started(3)
    for _ in range(busy_s):
        driver.requests(rate)
    took_s = seconds_to_zero(driver)
    assert took_s is not None
    # A second counts as silent when it is complete, a second or two after it is over.
    assert COOLDOWN_S <= took_s <= COOLDOWN_S + 4
    assert driver.decisions[-1].reason in {Reason.IDLE, Reason.FORECAST}
    last = driver.decisions[-1]
    assert last.to.replicas == {"default": 0}


def test_the_default_is_five_minutes() -> None:
    driver = started(1, replicas={"min": 0, "max": 20})
    driver.requests(2)
    took_s = seconds_to_zero(driver)
    assert took_s is not None
    assert 300 <= took_s <= 304


def test_from_zero_on_the_first_event_at_once() -> None:
    driver = started(1)
    driver.requests(2)
    assert seconds_to_zero(driver) is not None
    for _ in range(600):
        driver.requests(0)
    assert driver.replicas == 0
    made = len(driver.decisions)
    driver.requests(1, phase="started", progress=False)  # Its second is not even complete.
    (decision,) = driver.decisions[made:]
    assert decision.at == driver.now
    assert decision.reason is Reason.ACTIVATION
    assert driver.replicas == 1


def test_coming_and_going_makes_it_no_more_patient() -> None:
    driver = started(1)
    for _ in range(4):
        driver.requests(2)
        took_s = seconds_to_zero(driver)
        assert took_s is not None
        assert COOLDOWN_S <= took_s <= COOLDOWN_S + 4
        for _ in range(30):
            driver.requests(0)


def test_from_zero_to_as_many_as_demand_needs() -> None:
    driver = started(1)
    driver.requests(2)
    assert seconds_to_zero(driver) is not None
    driver.requests(60)  # Averaged over three seconds: 20 a second, 4 a replica.
    assert driver.replicas == 5
    last = driver.decisions[-1]
    # Demand asks for them, and would at any other count: nothing had to be activated.
    assert (last.reason, last.from_.replicas) == (Reason.BURST, {"default": 0})
    assert last.binding is not None
    assert (last.binding.constraint, last.binding.limit) == ("demand", 20.0)
    assert [stamp.guard for stamp in last.trail] == ["wish"]


def test_a_step_rule_in_percent_does_not_keep_it_at_zero() -> None:
    rules = {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
    driver = started(1, behavior={"scaleUp": rules})
    driver.requests(2)
    assert seconds_to_zero(driver) is not None
    driver.requests(60)
    assert driver.replicas == 1  # All that is certain; the rest as the rule allows.
    for _ in range(17):
        driver.requests(60)
    assert driver.replicas == 2


def test_missing_is_not_silence() -> None:
    driver = started(2)
    for _ in range(30):
        driver.requests(2)
    for _ in range(3 * COOLDOWN_S):
        driver.requests(0, progress=False)
    assert driver.replicas >= 1
    assert seconds_to_zero(driver) is not None


def test_it_does_not_go_while_a_request_is_worked_on() -> None:
    driver = started(1)
    driver.requests(1)
    driver.requests(1, phase="started")
    for _ in range(4 * COOLDOWN_S):
        driver.requests(0)
    assert driver.replicas == 1
    driver.requests(1)  # It is done.
    took_s = seconds_to_zero(driver)
    assert took_s is not None
    assert took_s >= COOLDOWN_S


def test_an_end_that_nobody_told_keeps_it_for_an_hour_only() -> None:
    driver = started(1)
    driver.requests(1, phase="started")
    took_s = seconds_to_zero(driver, most=OPEN_MOST_S + 100)
    assert took_s is not None
    assert abs(took_s - OPEN_MOST_S) < 10


def test_it_does_not_go_while_a_pod_reports_work() -> None:
    driver = started(1)

    def pod(in_flight: int) -> None:
        gauge = Resource(v=1, workload=W, at=driver.now + 1, pod="p", in_flight=in_flight)
        driver.second(None, events=[gauge])

    for _ in range(4 * COOLDOWN_S):
        pod(1)
    assert driver.replicas == 1
    for _ in range(4 * COOLDOWN_S):
        driver.requests(0)  # Its last word was that it has work.
    assert driver.replicas == 1
    for _ in range(COOLDOWN_S + 10):
        pod(0)
    assert driver.replicas == 0


def test_a_replica_that_nobody_heard_of_for_a_day_does_not_come_back_by_noise() -> None:
    driver = started(1)
    for second in range(900):
        driver.requests(2 + second % 7 // 5)
    assert seconds_to_zero(driver) is not None
    made = len(driver.decisions)
    for _ in range(3600):
        driver.requests(0)
    assert len(driver.decisions) == made


def test_without_a_capacity_it_goes_to_zero_and_comes_back_as_well() -> None:
    driver = started(3, demand={"unit": "requests"}, slo={"latencySeconds": 1.0})
    for _ in range(30):
        driver.requests(2)
    assert seconds_to_zero(driver) is not None
    driver.requests(1)
    assert driver.replicas == 1
    assert driver.decisions[-1].reason is Reason.ACTIVATION


def test_a_minimum_of_one_is_kept() -> None:
    driver = started(1, replicas={"min": 1, "max": 20, "cooldownPeriodSeconds": COOLDOWN_S})
    driver.requests(2)
    assert seconds_to_zero(driver, most=900) is None


def test_a_restored_workload_goes_to_zero_in_the_same_second() -> None:
    driver = started(2)
    for _ in range(30):
        driver.requests(2)
    for _ in range(COOLDOWN_S - 20):
        driver.requests(0)
    (state,) = driver.fleet.states([W], 0)
    copy = Fleet(lateness_s=1.0, valid_s=30.0)
    copy.merge.restore(driver.fleet.merge.state())
    copy.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=MemberState))
    begin = len(driver.steps)
    lived = len(driver.decisions)
    assert seconds_to_zero(driver) is not None
    again = [d for step in driver.steps[begin:] for d in copy.apply(step).decisions]
    assert msgspec.json.encode(again) == msgspec.json.encode(driver.decisions[lived:])


def test_how_seconds_are_closed_together_does_not_matter() -> None:
    def window(upto: int) -> Window:
        made = Window()
        for second in range(1000, upto + 1):
            busy = second in {1003, 1010, 1011}
            load = Load(
                workload=W,
                second=second,
                source=0,
                block=0,
                reach=second,
                sent_us=second * 10**6,
                events=1,
                started=2 * busy,
                finished=int(busy),
            )
            made.add(load, None)
        return made

    together, single = Quiet(), Quiet()
    full = window(1040)
    together.close(full, 1000, 1040)
    for second in range(1000, 1041):
        single.close(full, second, second)
    assert together.state() == single.state()
    assert together.in_flight == 3
    assert together.event_s(full, 1040) == 29.0


def test_a_second_that_is_no_longer_held_is_not_silent() -> None:
    quiet, window = Quiet(), Window()
    for second in (1000, 1200):
        window.add(
            Load(workload=W, second=second, source=0, block=0, reach=0, sent_us=0, events=1), None
        )
    quiet.close(window, 1000, 1000)
    quiet.close(window, 1001, 1200)
    assert quiet.silent_s(1200) == 80


@pytest.mark.parametrize(
    ("current", "wish", "quiet_s", "event_s", "kept"),
    [
        (1, 0, 119, 119.0, 1),
        (1, 0, 120, 120.0, 0),
        (5, 0, 30, 30.0, 1),
        (5, 3, 0, 0.0, 3),
        (0, 0, 0, 0.0, 1),
        (0, 0, 120, 120.0, 1),
        (0, 0, 121, 121.0, 0),
        (0, 0, 500, None, 0),
        (0, 7, 0, 0.0, 7),
    ],
)
def test_the_guard(current: int, wish: int, quiet_s: int, event_s: float | None, kept: int) -> None:
    spec = ScalerSpec.model_validate({"target": {"name": "t"}, **SPEC})
    context = Context(
        now=1000.0,
        spec=spec,
        current=current,
        ready=current,
        starting=0,
        horizon_s=40.0,
        silent_s=2.0,
        latency_driven=False,
        window_s=160.0,
        wished=Wishes(),
        scaled=[],
        limits=Limits(spec).at(1000.0, 40.0),
        quiet_s=quiet_s,
        event_s=event_s,
    )
    mark = idle(wish, context)
    assert (wish if mark is None else mark.replicas) == kept


@pytest.mark.parametrize(("requests", "replicas"), [(0, 0), (1, 1)])
def test_what_comes_late_is_an_event_if_it_is_a_request(requests: int, replicas: int) -> None:
    """Reports of replicas come from a platform whose clock may be behind, for ever."""
    driver = started(1)
    driver.requests(2)
    assert seconds_to_zero(driver) is not None
    driver.requests(0)
    second = int(driver.now) - 10
    gauge = ReplicaGauge(at_us=second * 1_000_000, desired=0, ready=0, starting=0)
    late = Load(
        workload=W,
        second=second,
        source=0,
        block=10**6,
        reach=10**6,
        sent_us=second * 1_000_000,
        events=1,
        finished=requests,
        replicas={"default": gauge},
    )
    driver.step([late])
    assert driver.replicas == replicas


def test_progress_of_one_source_alone_is_not_silence() -> None:
    """Two sources; the second says nothing for as long as it takes."""
    driver = started(2)
    for _ in range(20):
        driver.requests(2)
    for _ in range(3 * COOLDOWN_S):
        driver.now += 1.0
        report = SourceProgress(source=0, position=1000, watermark=driver.now, done=0)
        driver.step([Progress(sources=2, progress=(report,))])
    assert driver.replicas >= 1

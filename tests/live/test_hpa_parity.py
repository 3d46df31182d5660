"""The laboratory's HPA against the real one in kube-controller-manager, step for step.

A metrics API of ours answers the controller's question of each sync.  What it sees then (replicas,
pods, metric, time) is what ``Hpa`` is given; what the Deployment is at the next question is what
the controller made of it.  Answers leave on a grid of ``STEP_S``, and no window or period is a
multiple of it, so that no sample is ever near a window's edge.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lab.policies import SCALE_DOWN, SCALE_UP, Behavior, Hpa, Metric, RatePolicy, View
from lab.servers import ControlPlane, ToolsMissingError
from tests.live.conftest import missing
from tests.live.metrics_api import MetricsApi

STEP_S = 1.4
DOWN_WINDOW_S = 3.5
FLAGS = (
    "--horizontal-pod-autoscaler-sync-period=400ms",
    f"--horizontal-pod-autoscaler-downscale-stabilization={round(DOWN_WINDOW_S * 1000)}ms",
    # With these a pod is unready to the controller just when its metric's window says so.
    "--horizontal-pod-autoscaler-cpu-initialization-period=1h",
    "--concurrent-horizontal-pod-autoscaler-syncs=10",
)
REQUEST_MILLI = 1000
MOST = 20
LIMIT_S = 80.0


@dataclass(frozen=True)
class Step:
    """What the metrics API says at one sync; ``off`` pods are unready, or without a metric."""

    value: float | None
    off: int = 0


@dataclass
class Track:
    """One Deployment with its HPA, and what happened to it."""

    name: str
    hpa: Hpa
    metric: dict[str, Any]
    steps: list[Step]
    begin: int
    behavior: dict[str, Any] | None = None
    missing: bool = False
    views: list[View] = field(default_factory=list)
    last: int | None = None
    done: threading.Event = field(default_factory=threading.Event)
    settled: bool = False
    next_at: float = 0.0


def resource(**target: object) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def external(name: str, **target: object) -> dict[str, Any]:
    return {"type": "External", "external": {"metric": {"name": name}, "target": target}}


def rules(source: Any) -> dict[str, Any]:
    """``Rules`` as the API spells them."""
    spelled: dict[str, Any] = {
        "selectPolicy": source.select,
        "policies": [
            {"type": p.type, "value": p.value, "periodSeconds": round(p.period_s)}
            for p in source.policies
        ],
    }
    if source.window_s is not None:
        spelled["stabilizationWindowSeconds"] = round(source.window_s)
    if source.tolerance is not None:
        spelled["tolerance"] = str(source.tolerance)
    return spelled


def spelled(behavior: Behavior) -> dict[str, Any]:
    return {"scaleUp": rules(behavior.scale_up), "scaleDown": rules(behavior.scale_down)}


def steps(text: str) -> list[Step]:
    """``0.9/2``: 0.9, two pods off; ``-``: no answer."""
    found = []
    for word in text.split():
        value, _, off = word.partition("/")
        found.append(Step(None if value == "-" else float(value), int(off or 0)))
    return found


def pods(value: int, period_s: float) -> RatePolicy:
    return RatePolicy(type="Pods", value=value, period_s=period_s)


def percent(value: int, period_s: float) -> RatePolicy:
    return RatePolicy(type="Percent", value=value, period_s=period_s)


def tracks() -> list[Track]:
    common: dict[str, Any] = {"least": 1, "most": MOST, "down_window_s": DOWN_WINDOW_S}
    rated = Behavior(
        scale_up=replace(SCALE_UP, policies=(pods(2, 2.0), percent(50, 5.0)), tolerance=0.03),
        scale_down=replace(
            SCALE_DOWN, policies=(pods(1, 2.0), percent(50, 5.0)), select="Min", window_s=2.0
        ),
    )
    patient = Behavior(
        scale_up=replace(
            SCALE_UP, policies=(pods(4, 2.0), percent(100, 5.0)), select="Min", window_s=2.0
        ),
        scale_down=replace(SCALE_DOWN, policies=(pods(3, 5.0),), window_s=0.0),
    )
    upward = Behavior(scale_down=replace(SCALE_DOWN, select="Disabled"))
    return [
        Track(
            # Without behavior; limits, the remembered wish, unready pods, silence, bounds.
            name="plain",
            hpa=Hpa(target=0.7, **common),
            metric=resource(type="Utilization", averageUtilization=70),
            begin=2,
            steps=steps(
                "1.0 3.0 0.7 0.7 0.5 0.5 0.5 1.0/5 0.9/2 0.35/4 - 0.779 0.1 0.1 0.1 0.05 5.0 5.0"
            ),
        ),
        Track(
            # Rates that bind both ways, tolerance of its own, pods without a metric.
            name="rated",
            hpa=Hpa(target=0.5, behavior=rated, starting="missing", **common),
            metric=resource(type="Utilization", averageUtilization=50),
            behavior=spelled(rated),
            missing=True,
            begin=4,
            steps=steps(
                "0.1 0.9 0.51 0.52 0.9 0.9/3 0.2/2 0.2 0.1 0.1 0.1 0.3/2 0.46 0.1 0.1 0.1 2.0 2.0"
            ),
        ),
        Track(
            # By average value; the lowest wish of a window upwards, the smaller change.
            name="patient",
            hpa=Hpa(target=0.05, metric=Metric.VALUE, behavior=patient, **common),
            metric=resource(type="AverageValue", averageValue="50m"),
            behavior=spelled(patient),
            begin=3,
            steps=steps(".05 .2 .2 .09 .2 .2 .2 .01 .01 .01 .02/3 .01 .05 .06 .06 .06 .001 .001"),
        ),
        Track(
            name="shared",
            hpa=Hpa(target=4.0, metric=Metric.EXTERNAL_AVERAGE, **common),
            metric=external("shared", type="AverageValue", averageValue="4"),
            begin=2,
            steps=steps(
                "8.0 9.5 40.0 40.0 44.0 45.5 20.0 21.0 19.0 19.0 - 0.0 0.0 0.0 0.0 90.0 90.0 90.0"
            ),
        ),
        Track(
            name="upward",
            hpa=Hpa(target=20.0, metric=Metric.EXTERNAL_VALUE, behavior=upward, **common),
            metric=external("upward", type="Value", value="20"),
            behavior=spelled(upward),
            begin=2,
            steps=steps("20 22 23 60 20 5 5 5 5 5 30 18 17 17 17 17 25 40"),
        ),
    ]


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    try:
        started = ControlPlane(pod_start_s=0.0, controller_flags=FLAGS)
    except ToolsMissingError as error:
        missing(error)
    with started:
        yield started


class Driver:
    """Answers the controller, one step of a track at a time."""

    def __init__(self, plane: ControlPlane, of: list[Track]) -> None:
        self._plane = plane
        self._tracks = {track.name: track for track in of}
        self.errors: list[str] = []

    def answer(self, group: str, asked: str) -> list[dict[str, Any]] | None:
        track = self._tracks.get(asked)
        if track is None or track.done.is_set():
            return None
        try:
            return self._step(track, group)
        except Exception as error:  # noqa: BLE001 - it would be lost in the server's thread
            self.errors.append(f"{asked}: {error!r}")
            track.done.set()
            return None

    def _step(self, track: Track, group: str) -> list[dict[str, Any]] | None:
        desired, names = self._settled(track.name)
        if len(track.views) == len(track.steps):
            track.last = desired
            track.done.set()
            return None
        # The controller has read replicas and status before it asked.  So no answer, which is no
        # step, until a sync that began when all was settled; the one that sees it first may not be.
        settled, track.settled = track.settled, bool(names) and not track.settled
        if not (settled and names):
            return None
        step = track.steps[len(track.views)]
        off = min(step.off, desired - 1)
        time.sleep(max(track.next_at - time.monotonic(), 0.0))
        now = time.monotonic()
        track.next_at = now + STEP_S
        shared = group == "external.metrics.k8s.io"
        track.views.append(
            View(
                now=now,
                desired=desired,
                ready=desired - off,
                use_ratio=None if shared else step.value,
                demand=step.value if shared else None,
            )
        )
        if step.value is None:
            return None
        if shared:
            return [_external(track.name, step.value)]
        milli = round(step.value * REQUEST_MILLI)
        measured = [_pod(name, track.name, milli, "0s") for name in names[off:]]
        if not track.missing:
            measured += [_pod(name, track.name, milli, "1h0m0s") for name in names[:off]]
        return measured

    def _settled(self, name: str) -> tuple[int, list[str]]:
        """Replicas asked for, and the pods if all of those run and nothing else does."""
        path = f"/apis/apps/v1/namespaces/default/deployments/{name}"
        deployment = self._plane.request("GET", path)
        desired: int = deployment["spec"]["replicas"]
        path = f"/api/v1/namespaces/default/pods?labelSelector=app%3D{name}"
        found = self._plane.request("GET", path)["items"]
        same = len(found) == desired == deployment["status"].get("replicas", 0)
        if not same or not all(_runs(pod) for pod in found):
            return desired, []
        return desired, sorted(pod["metadata"]["name"] for pod in found)


def _runs(pod: dict[str, Any]) -> bool:
    return pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]


def _soon() -> str:
    # Times are whole seconds to the API; a metric must not be older than its pod's readiness.
    return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _pod(name: str, app: str, milli: int, window: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {"app": app}},
        "timestamp": _soon(),
        "window": window,
        "containers": [{"name": "main", "usage": {"cpu": f"{milli}m"}}],
    }


def _external(name: str, value: float) -> dict[str, Any]:
    return {
        "metricName": name,
        "metricLabels": {},
        "timestamp": _soon(),
        "value": f"{round(value * 1000)}m",
    }


def create(plane: ControlPlane, track: Track) -> None:
    plane.create_deployment(track.name, track.begin, cpu=f"{REQUEST_MILLI}m")
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": track.name},
        "minReplicas": 1,
        "maxReplicas": MOST,
        "metrics": [track.metric],
    }
    if track.behavior is not None:
        spec["behavior"] = track.behavior
    path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    plane.request("POST", path, {"metadata": {"name": track.name}, "spec": spec})


def test_the_laboratorys_hpa_decides_as_the_real_one(plane: ControlPlane, tmp_path: Path) -> None:
    driven = tracks()
    driver = Driver(plane, driven)
    with MetricsApi(tmp_path, driver.answer) as api:
        api.register(plane)
        deadline = time.monotonic() + LIMIT_S
        while not api.available(plane):
            assert time.monotonic() < deadline, "the API server did not find the metrics API"
            time.sleep(0.1)
        for track in driven:
            create(plane, track)
        for track in driven:
            ended = track.done.wait(max(deadline - time.monotonic(), 0.0))
            assert ended, f"{track.name}: {len(track.views)} steps\n{plane.controller_log()}"
    assert not driver.errors
    for track in driven:
        assert track.last is not None
        real = [view.desired for view in track.views[1:]] + [track.last]
        lab = [track.hpa.desired(view) for view in track.views]
        inputs = [
            (view.desired, view.ready, step.value)
            for view, step in zip(track.views, track.steps, strict=True)
        ]
        assert lab == real, f"{track.name}: (desired, ready, metric) were {inputs}"
        # A run that never moved would agree with anything.
        moves = [after - view.desired for view, after in zip(track.views, real, strict=True)]
        assert sum(move > 0 for move in moves) >= 3
        assert sum(move == 0 for move in moves) >= 3
        assert track.behavior is not None or any(move < 0 for move in moves)

"""Real servers for the live tests.

Where they are not built, a skip; with REQUIRE_LIVE=1 a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab.servers import ControlPlane, KafkaServer, ToolsMissingError, kafka_classpath
from lab.servers.control_plane import ACTUATOR_USER
from tests.live.benches import Bench

RBAC = Path(__file__).parents[2] / "deploy" / "rbac.yaml"


def missing(error: ToolsMissingError) -> None:
    if os.environ.get("REQUIRE_LIVE") == "1":
        pytest.fail(f"REQUIRE_LIVE=1, but: {error}", pytrace=False)
    pytest.skip(str(error))


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    try:
        server = KafkaServer()
    except ToolsMissingError as error:
        missing(error)
    with server:
        yield server


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    try:
        plane = ControlPlane(pod_start_s=1.0)
    except ToolsMissingError as error:
        missing(error)
    with plane:
        yield plane


@pytest.fixture(scope="session")
def granted(control_plane: ControlPlane) -> ControlPlane:
    """The restricted user, with exactly what deploy/rbac.yaml grants."""
    for document in yaml.safe_load_all(RBAC.read_text()):
        kind = document["kind"]
        if kind == "ClusterRole":
            path = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
        elif kind == "ClusterRoleBinding":
            path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
            document["subjects"] = [{"kind": "User", "name": ACTUATOR_USER}]
        else:
            continue
        control_plane.request("POST", path, document)
    return control_plane


@pytest.fixture(scope="session")
def benches(request: pytest.FixtureRequest) -> Iterator[dict[str, Bench]]:
    """Those that selected tests ask for by ``pytest.mark.bench(script, *options)``."""
    try:
        kafka_classpath()
    except ToolsMissingError as error:
        missing(error)
    marks = [item.get_closest_marker("bench") for item in request.session.items]
    started = {mark.args[0]: Bench(*mark.args) for mark in marks if mark is not None}
    try:
        yield started
    finally:
        for bench in started.values():
            bench.stop()


@pytest.fixture(autouse=True)
def _live(request: pytest.FixtureRequest) -> None:
    request.applymarker("live")

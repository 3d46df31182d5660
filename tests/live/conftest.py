"""Real servers for the live tests.

Where they are not built, a skip; with REQUIRE_LIVE=1 a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lab.servers import ControlPlane, KafkaServer, ToolsMissingError


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


@pytest.fixture(autouse=True)
def _live(request: pytest.FixtureRequest) -> None:
    request.applymarker("live")

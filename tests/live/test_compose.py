"""docker-compose.yml, read by the reference parser of the Compose Specification."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.servers import ToolsMissingError, tool
from tests.live.conftest import missing

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"


@pytest.fixture(scope="module")
def checker() -> Path:
    try:
        return tool("compose-check")
    except ToolsMissingError as error:
        missing(error)
        raise


def test_compose_loads(checker: Path) -> None:
    done = subprocess.run(
        [str(checker), str(COMPOSE)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_checker_can_fail(checker: Path, tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(COMPOSE.read_text().replace("healthcheck:", "healthchek:", 1))
    done = subprocess.run(
        [str(checker), str(broken)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert "healthchek" in done.stderr

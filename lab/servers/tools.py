"""Where the servers' programs lie.

Rule: $FORETIDE_TOOLS, else .cache/tools of the checkout; Kubernetes' own programs also from
$KUBEBUILDER_ASSETS, as that ecosystem has it.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class ToolsMissingError(Exception):
    """A program is not built yet; the text says how to build it."""


def folder() -> Path:
    """Where programs are built to."""
    given = os.environ.get("FORETIDE_TOOLS")
    return Path(given) if given else ROOT / ".cache" / "tools"


def tool(name: str) -> Path:
    """Path of a program.  Raises ``ToolsMissingError``."""
    places = [folder() / name]
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        places.insert(0, Path(assets) / name)
    for place in places:
        if os.access(place, os.X_OK):
            return place
    raise ToolsMissingError(f"{name} is not built: run `make live-tools`")


def kafka_classpath() -> str:
    """Kafka's class path.  Raises ``ToolsMissingError``."""
    jars = folder() / "kafka"
    if not (jars / ".complete").exists():
        raise ToolsMissingError("Kafka is not fetched: run `make live-tools`")
    return f"{jars}/*"

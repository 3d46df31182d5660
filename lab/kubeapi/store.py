"""The facade's objects: one resourceVersion for all, a bounded history to watch from.

Rule: every change makes a new object and a new version; a watch from before the history is 410.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, NamedTuple

Json = dict[str, Any]

HISTORY = 2000
"""Changes kept to watch from."""


class Change(NamedTuple):
    """One change: its version, what it was (ADDED, MODIFIED, DELETED), the kind and the object."""

    version: int
    event: str
    kind: str
    found: Json


class Store:
    """Objects by (kind, namespace, name)."""

    def __init__(self) -> None:
        self.version = 1
        self._objects: dict[tuple[str, str, str], Json] = {}
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self._changed = asyncio.Event()

    def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """The object, not to be changed in place."""
        return self._objects.get((kind, namespace, name))

    def listed(self, kind: str, namespace: str) -> list[Json]:
        """All objects of a kind in a namespace, by name."""
        keys = sorted(key for key in self._objects if key[:2] == (kind, namespace))
        return [self._objects[key] for key in keys]

    def put(self, kind: str, found: Json) -> Json:
        """Create or replace; the stored object with its new version."""
        metadata = found["metadata"]
        key = (kind, metadata["namespace"], metadata["name"])
        event = "MODIFIED" if key in self._objects else "ADDED"
        return self._write(key, event, found)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete; nothing happens if it is not there."""
        found = self._objects.pop((kind, namespace, name), None)
        if found is not None:
            self._note("DELETED", kind, found)

    def since(self, version: int, kind: str, namespace: str) -> list[Change] | None:
        """Changes after ``version``; None: that is further back than the history."""
        if self._history and version < self._history[0].version - 1:
            return None
        return [
            change
            for change in self._history
            if change.version > version
            and change.kind == kind
            and change.found["metadata"]["namespace"] == namespace
        ]

    async def wait(self, timeout_s: float) -> None:
        """Return at the next change, or after ``timeout_s``."""
        changed = self._changed
        try:
            await asyncio.wait_for(changed.wait(), timeout_s)
        except TimeoutError:
            return

    def _write(self, key: tuple[str, str, str], event: str, found: Json) -> Json:
        self._objects[key] = self._note(event, key[0], found)
        return self._objects[key]

    def _note(self, event: str, kind: str, found: Json) -> Json:
        self.version += 1
        metadata = found["metadata"] | {"resourceVersion": str(self.version)}
        stored = found | {"metadata": metadata}
        self._history.append(Change(self.version, event, kind, stored))
        self._changed.set()
        self._changed = asyncio.Event()
        return stored


def merge_patch(target: Any, patch: Any) -> Any:  # noqa: ANN401 - JSON
    """RFC 7386: null deletes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged

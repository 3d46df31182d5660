"""What is known of the targets without asking: version, epoch and replicas, as last told.

Rule: written by the watch and by the answers to our own patches; a guess that the patch's
resourceVersion has the API server check, never an answer in itself.
Flow: watch, patch -> KnownTargets -> KubernetesActuator, which saves its read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.domain.decision import Epoch

EPOCH_ANNOTATION = "foretide.dev/applied-epoch"

Json = dict[str, Any]
Key = tuple[str, str, str]
"""Kind, namespace, name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTarget:
    """One version of one object; ``epoch`` None: none is applied, or none that can be read."""

    version: str
    epoch: Epoch | None
    replicas: int

    @classmethod
    def of(cls, found: Json) -> KnownTarget:
        """What an object says."""
        return cls(
            version=found["metadata"]["resourceVersion"],
            epoch=applied_epoch(found),
            replicas=int(found["spec"].get("replicas", 1)),
        )


class KnownTargets:
    """Newest word on each target; as many entries as targets are watched."""

    def __init__(self) -> None:
        self._targets: dict[Key, KnownTarget] = {}

    def tell(self, key: Key, found: Json) -> None:
        """An object that is watched, as it stands."""
        self._targets[key] = KnownTarget.of(found)

    def told(self, key: Key, found: Json) -> None:
        """The answer to our own patch; of a target that is not watched nothing is kept."""
        if key in self._targets:
            self._targets[key] = KnownTarget.of(found)

    def forget(self, key: Key) -> None:
        """It is gone, or no longer watched."""
        self._targets.pop(key, None)

    def older(self, key: Key, epoch: Epoch) -> KnownTarget | None:
        """The target, if an epoch older than ``epoch`` is known to stand there.

        None in every other case: to refuse an order, or to call it done, the object itself is
        asked; and where no epoch is known, a person may have taken it away.
        """
        known = self._targets.get(key)
        if known is None or known.epoch is None or known.epoch >= epoch:
            return None
        return known


def applied_epoch(found: Json) -> Epoch | None:
    """The epoch in the annotation; None when there is none, or a person wrote nonsense there."""
    text = (found["metadata"].get("annotations") or {}).get(EPOCH_ANNOTATION)
    if text is None:
        return None
    try:
        return Epoch.parse(text)
    except ValueError:
        return None

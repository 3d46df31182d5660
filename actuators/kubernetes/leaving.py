"""Which pods a scale-in takes: the deletion cost of those that should leave, set before it.

Rule: the ReplicaSet controller deletes pods of lower ``controller.kubernetes.io/pod-deletion-cost``
first; only costs that we have set are ever changed or taken away again, a user's own stand.
Flow: KubernetesActuator -> here -> pods; then the replicas are lowered.
"""

from __future__ import annotations

from collections.abc import Sequence

from actuators.errors import Rejected
from actuators.kubernetes.client import Json, KubernetesApi
from actuators.kubernetes.known import Key

COST_ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"
OURS_ANNOTATION = "foretide.dev/pod-deletion-cost"
"""Beside a cost that is ours, with the decision that it is of."""

CHOOSES = frozenset({"Deployment"})
"""Kinds whose pods leave by cost; those of a StatefulSet leave by their number."""


async def mark_leaving(
    api: KubernetesApi, key: Key, leaving: Sequence[str], decision: str, count: int
) -> int:
    """Give the first ``count`` of ``leaving`` negative costs, and take away ours from all others.

    Returns how many pods were patched.  Pods that are gone by now, or about to, and those that bear
    a user's cost are passed over: the next ones are taken in their place.  Raises
    ``ActuationError``: who asked for it does not want a scale-in without it.
    """
    kind, namespace, name = key
    if kind not in CHOOSES or not leaving:
        return 0
    selector = _selector(await api.read(kind, namespace, name))
    if not selector:
        return 0
    listed = await api.list("Pod", namespace, selector=selector)
    pods = [pod for pod in listed.get("items") or [] if not _going(pod)]
    there = {pod["metadata"]["name"] for pod in pods if not _users(pod)}
    going = [pod for pod in leaving if pod in there][:count]
    wanted = {pod: str(place - len(going)) for place, pod in enumerate(going)}
    patched = 0
    for pod in pods:
        body = _change(pod, wanted.get(pod["metadata"]["name"]), decision)
        if body is None:
            continue
        try:
            await api.patch_pod(namespace, pod["metadata"]["name"], body)
        except Rejected as error:
            if error.code != "not-found":
                raise
        else:
            patched += 1
    return patched


def _change(pod: Json, cost: str | None, decision: str) -> Json | None:
    """The patch that makes ``cost`` (None: none of ours) this pod's; None: nothing to change."""
    annotations = pod["metadata"].get("annotations") or {}
    ours, held = OURS_ANNOTATION in annotations, annotations.get(COST_ANNOTATION)
    if (cost is None and not ours) or (ours and held == cost):
        return None
    told = None if cost is None else decision
    return {"metadata": {"annotations": {COST_ANNOTATION: cost, OURS_ANNOTATION: told}}}


def _users(pod: Json) -> bool:
    """Whether a pod bears a cost that is not ours."""
    annotations = pod["metadata"].get("annotations") or {}
    return COST_ANNOTATION in annotations and OURS_ANNOTATION not in annotations


def _going(pod: Json) -> bool:
    """Whether a pod is being deleted, or is over: it is no replica any more."""
    over = (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
    return over or pod["metadata"].get("deletionTimestamp") is not None


def _selector(found: Json) -> str:
    labels = (found["spec"].get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))

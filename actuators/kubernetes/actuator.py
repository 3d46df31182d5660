"""The Kubernetes actuator: one resourceVersion-guarded merge-patch of replicas and epoch.

Rule: look, refuse if a newer epoch stands there, patch with the resourceVersion that was looked
at; on 409 read and start over.  So a paused actuator's late patch can never overwrite a newer
decision.  The first look is at what the watch has told, where that holds an older epoch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import yaml
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration

from actuators.clock import Clock
from actuators.errors import Conflict, Rejected, Stale
from actuators.kubernetes.client import Json, KubernetesApi
from actuators.kubernetes.known import (
    EPOCH_ANNOTATION,
    KnownTarget,
    KnownTargets,
    applied_epoch,
)
from actuators.kubernetes.leaving import mark_leaving
from actuators.kubernetes.watch import Watch, key_of
from actuators.protocol import Applied, Observation, Order, TargetRef

DECISION_ANNOTATION = "foretide.dev/decision"

_CONFLICTS = 8
"""Times an order starts over on 409 before it is left to the dispatcher's pauses."""


class NotConfiguredError(Exception):
    """No way to a cluster was found; the text says what is missing."""


async def connect(kubeconfig: Path | dict[str, object] | None) -> ApiClient:
    """A client from a kubeconfig (file or content); None: in-cluster, else the default file.

    Raises ``NotConfiguredError``.
    """
    try:
        return await _connect(kubeconfig)
    except config.ConfigException as error:
        raise NotConfiguredError(str(error)) from error
    except (OSError, TypeError, KeyError, ValueError, yaml.YAMLError) as error:
        # What the client makes of a file that is no kubeconfig.
        raise NotConfiguredError(f"{kubeconfig} is not a kubeconfig: {error!r}") from error


async def _connect(kubeconfig: Path | dict[str, object] | None) -> ApiClient:
    configuration = Configuration()
    if isinstance(kubeconfig, dict):
        await config.load_kube_config_from_dict(kubeconfig, client_configuration=configuration)
    elif kubeconfig is not None:
        await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    else:
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            await config.load_kube_config(client_configuration=configuration)
    return ApiClient(configuration)


class KubernetesActuator:
    """Deployments and StatefulSets of apps/v1."""

    def __init__(
        self,
        client: ApiClient,
        *,
        clock: Clock,
        request_timeout_s: float = 10.0,
        resync_s: float = 10.0,
    ) -> None:
        """``clock`` stamps observations; ``resync_s`` is in its seconds."""
        self._api = KubernetesApi(client, request_timeout_s=request_timeout_s)
        self._clock = clock
        self._resync_s = resync_s
        self._known = KnownTargets()

    async def apply(self, order: Order) -> Applied:
        """See ``Actuator``."""
        ref = order.ref
        _check_version(ref)
        key = key_of(ref)
        seen = self._known.older(key, order.epoch)
        marked = False
        for attempt in range(_CONFLICTS):
            if seen is None:
                seen = KnownTarget.of(await self._api.read(*key))
            if seen.epoch is not None and seen.epoch > order.epoch:
                raise Stale("stale-epoch", f"{seen.epoch} is applied, {order.epoch} is older")
            if seen.epoch == order.epoch:
                return Applied(before=seen.replicas, after=seen.replicas, changed=False)
            if not marked and order.replicas < seen.replicas:
                fewer = seen.replicas - order.replicas
                await mark_leaving(self._api, key, order.leaving, order.decision, fewer)
                marked = True
            try:
                self._known.told(key, await self._api.patch(*key, _body(order, seen)))
            except Conflict:
                if attempt == _CONFLICTS - 1:
                    raise
                seen = None
                continue
            return Applied(before=seen.replicas, after=order.replicas, changed=True)
        raise AssertionError  # The last attempt raises or returns.

    async def observe(self, ref: TargetRef) -> Observation:
        """See ``Actuator``; ``started_s`` stays empty, a single look sees no transition."""
        _check_version(ref)
        found = await self._api.read(ref.target.kind, ref.namespace, ref.target.name)
        return observation(ref, found, at=self._clock.now())

    def watch(self, refs: Iterable[TargetRef]) -> AsyncIterator[Observation]:
        """See ``Actuator``: one list and watch per namespace and kind, however many targets."""
        watch = Watch(
            self._api, refs, clock=self._clock, resync_s=self._resync_s, known=self._known
        )
        return watch.run(observation)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()


def observation(
    ref: TargetRef, found: Json, *, at: float, started_s: tuple[float, ...] = ()
) -> Observation:
    """What an object says of its replicas.  A missing readyReplicas is zero in this API."""
    desired = int(found["spec"].get("replicas", 1))
    ready = int(found.get("status", {}).get("readyReplicas", 0) or 0)
    return Observation(
        ref=ref,
        at=at,
        desired=desired,
        ready=ready,
        starting=max(desired - ready, 0),
        started_s=started_s,
        epoch=applied_epoch(found),
    )


def _body(order: Order, seen: KnownTarget) -> Json:
    return {
        "metadata": {
            "resourceVersion": seen.version,
            "annotations": {
                EPOCH_ANNOTATION: str(order.epoch),
                DECISION_ANNOTATION: order.decision,
            },
        },
        "spec": {"replicas": order.replicas},
    }


def _check_version(ref: TargetRef) -> None:
    if ref.target.api_version != "apps/v1":
        raise Rejected(
            "unsupported-kind",
            f"cannot scale {ref.target.api_version} {ref.target.kind}; apps/v1 is known",
        )

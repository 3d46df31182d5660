"""The facade's HTTP server: get, list, watch and merge-patch of deployments; pods by annotation.

Rule: answers as an API server would, errors as Status objects; faults are injected by name.
Flow: KubernetesActuator <-> KubeApi <-> Scalable (the plant).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from actuators.clock import Clock
from lab.kubeapi.cluster import Choosing, PodView, Scalable
from lab.kubeapi.faults import Faults
from lab.kubeapi.store import Json, Store, merge_patch

KINDS = {"deployments": "Deployment", "statefulsets": "StatefulSet", "pods": "Pod"}
MERGE_PATCH = "application/merge-patch+json"
COST_ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"


class KubeApi:
    """A Kubernetes API on loopback, over ``Scalable``s."""

    def __init__(self, clock: Clock, *, token: str | None = None) -> None:
        """``clock`` dates the objects; with ``token`` a bearer token is required."""
        self.faults = Faults()
        self.calls: list[tuple[str, str]] = []
        """(verb, resource) of every request, as RBAC names them."""
        self.patches = 0
        self.url = ""
        self._clock = clock
        self._token = token
        self._store = Store()
        self._scalables: dict[tuple[str, str, str], Scalable] = {}
        self._runner: web.AppRunner | None = None

    def add(self, kind: str, namespace: str, name: str, scalable: Scalable) -> None:
        """Show ``scalable`` as a Deployment or StatefulSet."""
        self._scalables[kind, namespace, name] = scalable
        created = _stamp(self._clock.now())
        self._store.put(
            kind,
            {
                "apiVersion": "apps/v1",
                "kind": kind,
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "uid": f"uid-{kind}-{namespace}-{name}".lower(),
                    "creationTimestamp": created,
                    "generation": 1,
                    "annotations": {},
                },
                "spec": {
                    "replicas": scalable.desired,
                    "selector": {"matchLabels": {"app": name}},
                },
                "status": {},
            },
        )
        self.refresh()

    def refresh(self) -> None:
        """Mirror what the scalables have become; call it whenever they have changed."""
        for (kind, namespace, name), scalable in self._scalables.items():
            pods = scalable.pods()
            self._mirror_pods(namespace, name, pods)
            found = self._store.get(kind, namespace, name)
            if found is None:
                continue
            ready = sum(pod.ready_at is not None and not pod.deleting for pod in pods)
            status = {
                "replicas": sum(not pod.deleting for pod in pods),
                "observedGeneration": found["metadata"]["generation"],
            }
            if ready:
                status["readyReplicas"] = ready
            if found["status"] != status:
                self._store.put(kind, found | {"status": status})

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig for a client of this facade."""
        user: dict[str, str] = {} if self._token is None else {"token": self._token}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "facade", "cluster": {"server": self.url}}],
            "users": [{"name": "foretide", "user": user}],
            "contexts": [{"name": "facade", "context": {"cluster": "facade", "user": "foretide"}}],
            "current-context": "facade",
        }

    async def start(self) -> str:
        """Listen on a free loopback port; returns the URL."""
        app = web.Application(middlewares=[self._middleware])
        base = "/apis/apps/v1/namespaces/{namespace}/{resource}"
        app.router.add_get(base, self._list)
        app.router.add_get(base + "/{name}", self._get)
        app.router.add_patch(base + "/{name}", self._patch)
        core = "/api/v1/namespaces/{namespace}/{resource}"
        app.router.add_get(core, self._list)
        app.router.add_patch(core + "/{name}", self._patch)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self.url

    async def stop(self) -> None:
        """Stop listening; open watches end."""
        self.faults.stop()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @web.middleware
    async def _middleware(
        self, request: web.Request, handler: Callable[[web.Request], Any]
    ) -> web.StreamResponse:
        if self._token is not None:
            given = request.headers.get("Authorization", "")
            if given != f"Bearer {self._token}":
                return _status(401, "Unauthorized", "no or wrong bearer token")
        resource = request.match_info.get("resource", "?")
        watching = request.query.get("watch") in {"true", "True", "1"}
        listing = "name" not in request.match_info
        verb = request.method.lower()
        if verb == "get":
            verb = "watch" if watching else "list" if listing else "get"
        self.calls.append((verb, resource))
        fault = await self.faults.meet(verb, resource)
        if fault is not None:
            return _status(fault.status, "Injected", "injected by a test", fault.headers)
        response: web.StreamResponse = await handler(request)
        return response

    def _kind(self, request: web.Request) -> str | None:
        return KINDS.get(request.match_info["resource"])

    async def _get(self, request: web.Request) -> web.StreamResponse:
        found = self._find(request)
        return _missing(request) if found is None else web.json_response(found)

    def _find(self, request: web.Request) -> Json | None:
        kind = self._kind(request)
        info = request.match_info
        return None if kind is None else self._store.get(kind, info["namespace"], info["name"])

    async def _list(self, request: web.Request) -> web.StreamResponse:
        kind = self._kind(request)
        if kind is None:
            return _missing(request)
        if request.query.get("watch") in {"true", "True", "1"}:
            return await self._watch(request, kind)
        items = self._store.listed(kind, request.match_info["namespace"])
        for pair in request.query.get("labelSelector", "").split(","):
            label, _, value = pair.partition("=")
            if label:
                items = [i for i in items if i["metadata"].get("labels", {}).get(label) == value]
        return web.json_response(
            {
                "kind": f"{kind}List",
                "metadata": {"resourceVersion": str(self._store.version)},
                "items": items,
            }
        )

    async def _watch(self, request: web.Request, kind: str) -> web.StreamResponse:
        namespace = request.match_info["namespace"]
        version = int(request.query.get("resourceVersion") or self._store.version)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        dropped = self.faults.dropped
        try:
            while not self.faults.stopped and dropped == self.faults.dropped:
                changes = self._store.since(version, kind, namespace)
                if changes is None:
                    gone = {
                        "kind": "Status",
                        "code": 410,
                        "reason": "Expired",
                        "message": "too old",
                    }
                    await _event(response, "ERROR", gone)
                    return response
                for change in changes:
                    await _event(response, change.event, change.found)
                version = self._store.version
                if not changes:
                    bookmark = {"kind": kind, "metadata": {"resourceVersion": str(version)}}
                    await _event(response, "BOOKMARK", bookmark)
                await self._store.wait(0.5)
        except ConnectionResetError:
            return response  # The watcher left.
        return response

    async def _patch(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != MERGE_PATCH:
            return _status(415, "UnsupportedMediaType", f"only {MERGE_PATCH} is understood here")
        found = self._find(request)
        kind = self._kind(request)
        if found is None or kind is None:
            return _missing(request)
        try:
            patch = json.loads(await request.read())
        except json.JSONDecodeError as error:
            return _status(400, "BadRequest", str(error))
        wanted = patch.get("metadata", {}).pop("resourceVersion", None)
        if wanted is not None and wanted != found["metadata"]["resourceVersion"]:
            text = "the object has been modified; please apply your changes to the latest version"
            return _status(409, "Conflict", text)
        merged = merge_patch(found, patch)
        if kind == "Pod":
            return web.json_response(self._store.put(kind, merged))
        replicas = merged["spec"]["replicas"]
        if not isinstance(replicas, int) or replicas < 0:
            return _status(422, "Invalid", "spec.replicas: must be greater than or equal to 0")
        if merged == found:
            return web.json_response(found)
        if merged["spec"] != found["spec"]:
            merged["metadata"]["generation"] += 1
        self.patches += 1
        stored = self._store.put(kind, merged)
        scalable = self._scalables[
            kind, request.match_info["namespace"], request.match_info["name"]
        ]
        if isinstance(scalable, Choosing):
            costs = self._costs(request.match_info["namespace"])
            scalable.scale_by_cost(replicas, self._clock.now(), costs)
        else:
            scalable.scale(replicas, self._clock.now())
        self.refresh()
        return web.json_response(stored)

    def _costs(self, namespace: str) -> dict[str, int]:
        """Deletion costs by pod, of those that have one."""
        named = [pod["metadata"] for pod in self._store.listed("Pod", namespace)]
        return {
            each["name"]: int(each["annotations"][COST_ANNOTATION])
            for each in named
            if COST_ANNOTATION in each.get("annotations", {})
        }

    def _mirror_pods(self, namespace: str, name: str, pods: Any) -> None:  # noqa: ANN401
        wanted = {pod.name: _pod(pod, namespace, name) for pod in pods}
        for found in self._store.listed("Pod", namespace):
            metadata = found["metadata"]
            if metadata["labels"]["app"] == name and metadata["name"] not in wanted:
                self._store.delete("Pod", namespace, metadata["name"])
        for pod_name, pod in wanted.items():
            stored = self._store.get("Pod", namespace, pod_name)
            if stored is None:
                self._store.put("Pod", pod)
            elif stored["status"] != pod["status"]:
                self._store.put("Pod", stored | {"status": pod["status"]})


def _pod(pod: PodView, namespace: str, app: str) -> Json:
    conditions = []
    if pod.ready_at is not None:
        status = "False" if pod.deleting else "True"
        conditions.append(
            {"type": "Ready", "status": status, "lastTransitionTime": _stamp(pod.ready_at)}
        )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod.name,
            "namespace": namespace,
            "uid": pod.uid,
            "creationTimestamp": _stamp(pod.created_at),
            "labels": {"app": app},
        },
        "spec": {},
        "status": {
            "phase": "Pending" if pod.ready_at is None else "Running",
            "conditions": conditions,
        },
    }


def _stamp(at: float) -> str:
    """Whole seconds, as Kubernetes keeps them."""
    return dt.datetime.fromtimestamp(int(at), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _event(response: web.StreamResponse, event: str, found: Json) -> None:
    await response.write(json.dumps({"type": event, "object": found}).encode() + b"\n")


def _missing(request: web.Request) -> web.Response:
    info = request.match_info
    return _status(404, "NotFound", f'{info["resource"]} "{info.get("name", "")}" not found')


def _status(
    code: int, reason: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }
    return web.json_response(body, status=code, headers=headers)

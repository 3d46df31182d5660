"""List, then watch, for ever: targets and their pods, shared by all workloads of a namespace.

Rule: back off between failures, start over with a list on 410 and whenever a stream breaks, and
tell every target again within ``resync_s``, so that nobody downstream takes silence for news.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Protocol

from actuators.clock import Clock
from actuators.errors import ActuationError, Gone, from_status
from actuators.kubernetes.client import Json, KubernetesApi
from actuators.kubernetes.known import Key, KnownTargets
from actuators.protocol import Observation, TargetRef

log = logging.getLogger(__name__)

SILENCE_S = 90.0
"""A stream without a sound for this long is dead; servers send bookmarks about once a minute."""

STARTS = 100
"""Start-ups of a target that wait to be told, at most: the newest, while nobody takes them."""

BACK_OFF_S = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Pauses between failed attempts, of the machine's clock; the last one repeats."""


class Describe(Protocol):
    """Turns an object into an observation."""

    def __call__(
        self, ref: TargetRef, found: Json, *, at: float, started_s: tuple[float, ...] = ()
    ) -> Observation:
        """The observation of ``found``."""
        ...


class Watch:
    """Watches the objects behind ``refs`` and the pods that their selectors choose."""

    def __init__(
        self,
        api: KubernetesApi,
        refs: Iterable[TargetRef],
        *,
        clock: Clock,
        resync_s: float,
        known: KnownTargets,
    ) -> None:
        """``resync_s`` is in seconds of ``clock``; ``known`` is told what is seen."""
        self._api = api
        self._clock = clock
        self._resync_s = resync_s
        self._known = known
        self._refs: dict[Key, list[TargetRef]] = {}
        for ref in refs:
            self._refs.setdefault(key_of(ref), []).append(ref)
        self._objects: dict[Key, Json] = {}
        self._started: dict[Key, deque[float]] = {}
        self._pods: dict[str, set[str]] = {}
        """Per namespace: uids of pods that have been seen ready."""
        self._dirty: set[Key] = set()
        self._wake = asyncio.Event()

    async def run(self, describe: Describe) -> AsyncIterator[Observation]:
        """Observations for ever, until the consumer stops iterating."""
        streams = sorted({(kind, namespace) for kind, namespace, _ in self._refs})
        namespaces = sorted({namespace for _, namespace, _ in self._refs})
        followers = [
            *(
                self._keep(kind, namespace, self._on_object, self._on_objects)
                for kind, namespace in streams
            ),
            *(
                self._keep("Pod", namespace, self._on_pod, self._on_pods)
                for namespace in namespaces
            ),
            self._resync(),
        ]
        tasks = [asyncio.create_task(follower) for follower in followers]
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                for key in sorted(self._dirty):
                    found = self._objects.get(key)
                    if found is None:
                        continue
                    self._dirty.discard(key)
                    started = tuple(self._started.pop(key, ()))
                    for ref in self._refs[key]:
                        yield describe(ref, found, at=self._clock.now(), started_s=started)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            for key in self._objects:
                self._known.forget(key)

    async def _keep(
        self,
        kind: str,
        namespace: str,
        on_change: Callable[[str, str, str, Json], None],
        on_list: Callable[[str, str, list[Json]], None],
    ) -> None:
        failures = 0
        while True:
            try:
                listed = await self._api.list(kind, namespace)
                on_list(kind, namespace, listed.get("items") or [])
                version = listed["metadata"]["resourceVersion"]
                failures = 0
                await self._follow(kind, namespace, version, on_change)
            except Gone:
                log.info("watch of %s in %s: position too old, listing again", kind, namespace)
            except ActuationError as error:
                pause = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
                failures += 1
                level = logging.INFO if failures == 1 else logging.WARNING
                log.log(
                    level, "watch of %s in %s: %s; again in %g s", kind, namespace, error, pause
                )
                await asyncio.sleep(max(pause, error.retry_after_s or 0.0))

    async def _follow(
        self,
        kind: str,
        namespace: str,
        version: str,
        on_change: Callable[[str, str, str, Json], None],
    ) -> None:
        while True:
            before = version
            async for event in self._api.watch(kind, namespace, version, silence_s=SILENCE_S):
                found = event["object"]
                if event["type"] == "ERROR":
                    raise _error_event(found)
                version = found["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    on_change(event["type"], kind, namespace, found)
            if version == before:
                await asyncio.sleep(BACK_OFF_S[0])  # Ended without a word: do not spin.

    async def _resync(self) -> None:
        while True:
            await self._clock.sleep(self._resync_s)
            self._mark(self._refs)

    def _mark(self, keys: Iterable[Key]) -> None:
        self._dirty.update(keys)
        self._wake.set()

    def _on_objects(self, kind: str, namespace: str, items: list[Json]) -> None:
        names = {item["metadata"]["name"] for item in items}
        for key in [k for k in self._objects if k[:2] == (kind, namespace) and k[2] not in names]:
            del self._objects[key]
            self._known.forget(key)
        for item in items:
            self._on_object("ADDED", kind, namespace, item)

    def _on_object(self, event: str, kind: str, namespace: str, found: Json) -> None:
        key = (kind, namespace, found["metadata"]["name"])
        if key not in self._refs:
            return
        if event == "DELETED":
            self._objects.pop(key, None)
            self._known.forget(key)
            return
        self._objects[key] = found
        self._known.tell(key, found)
        self._mark([key])

    def _on_pods(self, kind: str, namespace: str, items: list[Json]) -> None:
        del kind
        first = namespace not in self._pods
        seen = self._pods.setdefault(namespace, set())
        if first:
            # Who was ready before we looked: when that was is known, but it was told by whoever
            # watched before us, and a start-up time must count once.
            seen.update(pod["metadata"]["uid"] for pod in items if _ready_at(pod) is not None)
        seen.intersection_update(pod["metadata"]["uid"] for pod in items)
        for pod in items:
            self._on_pod("ADDED", "Pod", namespace, pod)

    def _on_pod(self, event: str, kind: str, namespace: str, pod: Json) -> None:
        del kind
        seen = self._pods.setdefault(namespace, set())
        uid = pod["metadata"]["uid"]
        if event == "DELETED":
            seen.discard(uid)
            return
        ready_at = _ready_at(pod)
        if ready_at is None or uid in seen:
            return
        seen.add(uid)
        # Whole seconds: Kubernetes keeps no finer timestamps.
        took_s = (ready_at - _time(pod["metadata"]["creationTimestamp"])).total_seconds()
        for key, found in self._objects.items():
            if key[1] == namespace and _selects(found, pod):
                held = self._started.setdefault(key, deque(maxlen=STARTS))
                held.append(max(took_s, 0.0))
                self._mark([key])


def key_of(ref: TargetRef) -> Key:
    """The object behind a reference."""
    return ref.target.kind, ref.namespace, ref.target.name


def _error_event(status: Json) -> ActuationError:
    return from_status(int(status.get("code", 500)), str(status.get("message")), now_s=0.0)


def _ready_at(pod: Json) -> dt.datetime | None:
    for condition in pod.get("status", {}).get("conditions") or []:
        if condition["type"] == "Ready" and condition["status"] == "True":
            return _time(condition["lastTransitionTime"])
    return None


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _selects(found: Json, pod: Json) -> bool:
    wanted = (found["spec"].get("selector") or {}).get("matchLabels") or {}
    labels = pod["metadata"].get("labels") or {}
    return bool(wanted) and all(labels.get(name) == value for name, value in wanted.items())

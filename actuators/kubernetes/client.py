"""The part of the Kubernetes API that we use, with a timeout on every call.

Rule: JSON in, JSON out; every failure becomes an ``ActuationError``; bodies are not turned into
the client's model objects, which costs more than the request.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
from kubernetes_asyncio.client import ApiClient, AppsV1Api, CoreV1Api

from actuators.errors import ActuationError, Rejected, Transient, from_status

MERGE_PATCH = "application/merge-patch+json"

Json = dict[str, Any]

PLURALS = {"Deployment": "deployment", "StatefulSet": "stateful_set"}
"""Kinds of apps/v1 that can be scaled with the epoch in the same patch."""

_LINE_LIMIT = 8 * 1024 * 1024


class KubernetesApi:
    """Reads, patches, lists and watches; timeouts in seconds of the machine's clock."""

    def __init__(self, client: ApiClient, *, request_timeout_s: float) -> None:
        """``client`` is closed with this object."""
        self._client = client
        self._apps = AppsV1Api(client)
        self._core = CoreV1Api(client)
        self._timeout = (min(request_timeout_s, 5.0), request_timeout_s)

    async def read(self, kind: str, namespace: str, name: str) -> Json:
        """The object.  Raises ``ActuationError``."""
        call = getattr(self._apps, f"read_namespaced_{_plural(kind)}")
        return await self._json(call(name, namespace, **self._options()))

    async def patch(self, kind: str, namespace: str, name: str, body: Json) -> Json:
        """Merge-patch the object; the answer is the object as it stands after."""
        call = getattr(self._apps, f"patch_namespaced_{_plural(kind)}")
        options = self._options() | {"_content_type": MERGE_PATCH}
        return await self._json(call(name, namespace, body, **options))

    async def patch_pod(self, namespace: str, name: str, body: Json) -> Json:
        """Merge-patch a pod."""
        options = self._options() | {"_content_type": MERGE_PATCH}
        call = self._core.patch_namespaced_pod
        return await self._json(call(name, namespace, body, **options))

    async def list(self, kind: str, namespace: str, *, selector: str = "") -> Json:
        """All objects of a kind in a namespace, with the list's resourceVersion.

        ``selector``: only those with these labels, ``a=b,c=d``; empty: all.
        """
        options = self._options() | ({"label_selector": selector} if selector else {})
        return await self._json(self._lister(kind)(namespace, **options))

    async def watch(
        self, kind: str, namespace: str, resource_version: str, *, silence_s: float
    ) -> AsyncIterator[Json]:
        """Watch events from ``resource_version`` on, until the server ends the stream.

        A stream silent for ``silence_s`` (bookmarks count as sound) raises ``Transient``.
        """
        options: Json = {
            "watch": True,
            "resource_version": resource_version,
            "allow_watch_bookmarks": True,
            "timeout_seconds": 300,
            "_preload_content": False,
            "_request_timeout": aiohttp.ClientTimeout(
                sock_connect=self._timeout[0], sock_read=silence_s
            ),
        }
        try:
            response = await self._lister(kind)(namespace, **options)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _lost(error) from error
        async with response:
            await _raise_for_status(response)
            pending = b""
            try:
                async for chunk in response.content.iter_any():
                    *lines, pending = (pending + chunk).split(b"\n")
                    if len(pending) > _LINE_LIMIT:
                        raise Transient("watch", "a watch event is longer than 8 MiB")
                    for line in lines:
                        if line.strip():
                            yield orjson.loads(line)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise _lost(error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _options(self) -> Json:
        return {"_preload_content": False, "_request_timeout": self._timeout}

    def _lister(self, kind: str) -> Any:  # noqa: ANN401 - the client has no types
        if kind == "Pod":
            return self._core.list_namespaced_pod
        return getattr(self._apps, f"list_namespaced_{_plural(kind)}")

    @staticmethod
    async def _json(call: Any) -> Json:  # noqa: ANN401 - the client has no types
        try:
            response = await call
            async with response:
                await _raise_for_status(response)
                body: Json = orjson.loads(await response.read())
                return body
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _lost(error) from error


def _plural(kind: str) -> str:
    if kind not in PLURALS:
        known = ", ".join(sorted(PLURALS))
        raise Rejected("unsupported-kind", f"cannot scale a {kind}; known kinds: {known}")
    return PLURALS[kind]


async def _raise_for_status(response: aiohttp.ClientResponse) -> None:
    if response.status < 300:  # noqa: PLR2004
        return
    text = (await response.read())[:2000].decode("utf-8", "replace")
    with contextlib.suppress(orjson.JSONDecodeError, KeyError, TypeError):
        text = orjson.loads(text)["message"]
    raise from_status(response.status, text, response.headers, now_s=time.time())


def _lost(error: BaseException) -> ActuationError:
    timed_out = isinstance(error, TimeoutError | asyncio.TimeoutError)
    return Transient("timeout" if timed_out else "connection", f"{type(error).__name__}: {error}")

"""A proxy before the API server that holds a request or its answer for as long as a test wants.

Rule: what is held is decided here, not in the product, so that a worker can be stopped between
any two of its steps; the proxy runs in a thread of its own and outlives the stopped worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import types
from typing import Any, Literal, NamedTuple, Self

import aiohttp
from aiohttp import web

from lab.servers import ControlPlane
from lab.servers.control_plane import ACTUATOR

Part = Literal["request", "answer"]


class Call(NamedTuple):
    """One finished call of one object; lists and watches are not among them."""

    method: str
    name: str
    status: int


class Held:
    """One call that is to be held."""

    def __init__(self, loop: asyncio.AbstractEventLoop, method: str, part: Part) -> None:
        self.method = method
        self.part = part
        self.came = threading.Event()
        self._loop = loop
        self._released = asyncio.Event()

    async def meet(self) -> None:
        self.came.set()
        await self._released.wait()

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._released.set)


class HoldingProxy:
    """Use as a context manager; ``kubeconfig`` leads a worker here."""

    def __init__(self, plane: ControlPlane) -> None:
        self.calls: list[Call] = []
        self._plane = plane
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._held: dict[str, Held] = {}
        self._hangs: asyncio.Event | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def kubeconfig(self) -> dict[str, Any]:
        content: dict[str, Any] = self._plane.kubeconfig(ACTUATOR)
        content["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self._port}"}
        return content

    def hold(self, method: str, name: str, part: Part) -> Held:
        """Hold the next ``method`` of the object ``name``: before it is passed on, or after.

        Only a good answer is held.
        """
        held = self._held[name] = Held(self._loop, method, part)
        return held

    def let_go(self, name: str) -> None:
        """Hold nothing of ``name`` any more."""
        self._held.pop(name, None)

    def hang(self) -> None:
        """From now on accept everything and answer nothing."""
        self._hangs = asyncio.Event()

    def heal(self) -> None:
        """Answer again."""
        hangs, self._hangs = self._hangs, None
        if hangs is not None:
            self._loop.call_soon_threadsafe(hangs.set)

    async def _start(self) -> None:
        cafile = str(self._plane.kubeconfig()["clusters"][0]["cluster"]["certificate-authority"])  # type: ignore[index]
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=cafile))
        )
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        self.heal()
        for held in self._held.values():
            held.release()
        await self._runner.cleanup()
        await self._session.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        await self._hang()
        name = request.path.rpartition("/deployments/")[2]
        held = self._held.get(name)
        if held is not None and held.method != request.method:
            held = None
        if held is not None and held.part == "request":
            del self._held[name]
            await held.meet()
        headers = {
            key: value
            for key, value in request.headers.items()
            if key in {"Authorization", "Content-Type", "Accept"}
        }
        url = self._plane.url + request.path_qs
        body = await request.read()
        async with self._session.request(
            request.method, url, data=body, headers=headers, timeout=aiohttp.ClientTimeout()
        ) as answer:
            if "watch" in request.query:
                return await self._stream(request, answer)
            text = await answer.read()
        if held is not None and held.part == "answer" and answer.ok:
            self._held.pop(name, None)
            await held.meet()
        await self._hang()
        if "/deployments/" in request.path:
            self.calls.append(Call(request.method, name, answer.status))
        return web.Response(body=text, status=answer.status, content_type="application/json")

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            status=answer.status, headers={"Content-Type": "application/json"}
        )
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await self._hang()
            try:
                await response.write(chunk)
            except ConnectionResetError:
                break  # The watcher left.
        return response

    async def _hang(self) -> None:
        while self._hangs is not None:
            await self._hangs.wait()

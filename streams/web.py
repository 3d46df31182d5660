"""Metrics and probes over HTTP: /metrics, /livez, /readyz.

Rule: live means progress (no role failed, stuck in a batch, or still); ready means assigned.
Kubernetes restarts on the first and routes by the second.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from prometheus_client import generate_latest

from streams.metrics import Metrics
from streams.roles.role import RoleService
from streams.settings import Settings


class PortTakenError(Exception):
    """Somebody else listens there; the text says what to do."""


class Web:
    """The worker's HTTP server."""

    def __init__(
        self, settings: Settings, *, metrics: Metrics, roles: Sequence[RoleService]
    ) -> None:
        """Nothing listens before ``start``."""
        self._settings = settings
        self._metrics = metrics
        self._roles = roles
        self._runner: web.AppRunner | None = None
        self.port = settings.web_port

    async def start(self) -> None:
        """Listen.  Raises ``PortTakenError``."""
        app = web.Application()
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        # Whoever still asks while we stop gets this long for an answer.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        host, port = self._settings.web_host, self._settings.web_port
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            text = (
                f"cannot listen on {host}:{port} ({error.strerror}): give another --web-port, or 0"
            )
            raise PortTakenError(text) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening; idempotent."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        body = generate_latest(self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _livez(self, _: web.Request) -> web.Response:
        stuck = [(role.role, why) for role in self._roles if (why := role.stuck()) is not None]
        if stuck:
            text = "".join(f"{role}: {why}\n" for role, why in stuck)
            return web.Response(status=503, text=text)
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        waiting = [role.role for role in self._roles if role.assigned is None]
        if waiting:
            return web.Response(status=503, text=f"not assigned yet: {', '.join(waiting)}\n")
        return web.Response(text="ok\n")

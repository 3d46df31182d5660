"""``foretide worker``: the process that does the work.

Rule: SIGTERM stops it within five seconds, whatever hangs; it ends with 0 when everything was
finished and committed and the groups left, with 75 (EX_TEMPFAIL) when something had to be given
up, and with 1 after a lost output, so that a supervisor restarts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli import logs, options
from streams.settings import ROLES

if TYPE_CHECKING:
    from actuators.clock import Clock
    from actuators.protocol import Actuator
    from models.domain.spec import AgentScaler, Pool
    from streams.app import Worker
    from streams.settings import Settings

log = logging.getLogger(__name__)

STOP_S = 3.5
"""How long a stop may take; five seconds are promised, and a busy machine needs some of them."""


@click.command("worker")
@options.bootstrap
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="Role to play; may be repeated  [env: FORETIDE_ROLES, with commas; default: all]",
)
@click.option(
    "--specs",
    type=click.Path(exists=True, path_type=Path),
    help="File or folder of specs (YAML) to publish at start  [env: FORETIDE_SPECS; default: none]",
)
@click.option(
    "--actuator",
    type=click.Choice(["kubernetes", "dry-run", "memory"]),
    help="What decisions are applied to: kubernetes; dry-run (a cluster is read, and nothing is "
    "changed); memory (no cluster: replicas are only remembered)  "
    "[env: FORETIDE_ACTUATOR; default: kubernetes]",
)
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="How to reach Kubernetes  [env: FORETIDE_KUBECONFIG; default: the pod's own account, else "
    "kubectl's]",
)
@click.option(
    "--web-port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Port of /metrics, /livez and /readyz; 0: any  [env: FORETIDE_WEB_PORT; default: 8080]",
)
def command(
    *,
    bootstrap: str | None,
    roles: tuple[str, ...],
    specs: Path | None,
    actuator: str | None,
    kubeconfig: Path | None,
    web_port: int | None,
) -> None:
    """Run a worker.  Add workers to scale out: they share the partitions.

    \b
    Examples:
      foretide worker --specs examples/
      foretide worker --role aggregate
      foretide worker --actuator dry-run
    """
    settings = options.settings(
        bootstrap=bootstrap,
        roles=roles or None,
        specs=specs,
        actuator=actuator,
        kubeconfig=kubeconfig,
        web_port=web_port,
    )
    logs(settings.log_level)
    for line in options.misspelt(os.environ):
        log.warning("%s", line)
    from streams.kafka.membership import GroupRefusedError  # noqa: PLC0415 - heavy
    from streams.topics import TopicsError  # noqa: PLC0415 - heavy
    from streams.web import PortTakenError  # noqa: PLC0415 - heavy

    try:
        options.run(_work(settings), bootstrap=settings.bootstrap)
    except (TopicsError, GroupRefusedError, PortTakenError) as error:
        raise click.ClickException(str(error)) from error


async def _work(settings: Settings) -> None:
    from actuators.clock import SystemClock  # noqa: PLC0415 - heavy
    from streams.app import build  # noqa: PLC0415 - heavy
    from streams.specs import read_specs  # noqa: PLC0415 - heavy

    given: list[AgentScaler | Pool] = []
    if settings.specs is not None:
        found = read_specs([settings.specs])
        if found.faults:
            lines = "\n".join(str(fault) for fault in found.faults)
            raise click.ClickException(f"the specs have faults:\n{lines}")
        given = [*found.pools, *found.scalers]
    clock = SystemClock()
    actuator = await _actuator(settings, clock) if "actuate" in settings.roles else None
    worker = build(settings, clock=clock, actuator=actuator, specs=given)
    failure = await _serve(worker)
    if not await _uninterrupted(worker.stop(within_s=STOP_S)):
        _leave(failure)
    if actuator is not None:
        await actuator.close()
    if failure is not None:
        raise failure


async def _serve(worker: Worker) -> BaseException | None:
    """Run until told to stop (None), or until it fails."""
    from streams.app import settle_in  # noqa: PLC0415 - heavy
    from streams.kafka.membership import GroupRefusedError  # noqa: PLC0415 - heavy

    try:
        await worker.start()
        await worker.ready()
        settle_in()
        roles = ", ".join(worker.settings.roles)
        log.info("ready: roles %s, http port %d", roles, worker.web.port)
        try:
            await worker.run()
        except GroupRefusedError:
            raise
        except Exception as error:
            raise click.ClickException(f"the worker cannot go on: {error!r}") from error
    except asyncio.CancelledError:
        log.info("stopping")
    except Exception as error:  # noqa: BLE001 - handed on, after the stop
        return error
    return None


async def _uninterrupted(stop: Coroutine[Any, Any, bool]) -> bool:
    """Let a stop that is bounded run to its end, whatever signals come meanwhile."""
    task = asyncio.ensure_future(stop)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    return task.result()


def _leave(failure: BaseException | None) -> None:
    """End at once: Faust's threads and the producer would wait for the broker for minutes."""
    if failure is not None:
        log.error("%s", failure)
    log.error(
        "left before everything was finished and committed, after %g s of trying; whoever takes "
        "over does it again, and nothing is lost",
        STOP_S,
    )
    logging.shutdown()
    os._exit(1 if failure is not None else os.EX_TEMPFAIL)


async def _actuator(settings: Settings, clock: Clock) -> Actuator:
    if settings.actuator == "memory":
        from actuators.memory import MemoryActuator  # noqa: PLC0415

        return MemoryActuator(clock, undeclared=1)
    from actuators.dryrun import DryRunActuator  # noqa: PLC0415
    from actuators.kubernetes import (  # noqa: PLC0415
        KubernetesActuator,
        NotConfiguredError,
        connect,
    )

    try:
        client = await connect(settings.kubeconfig)
    except NotConfiguredError as error:
        raise click.ClickException(
            f"no Kubernetes to act on: {error}. Give --kubeconfig, or --actuator memory, which "
            "needs no cluster and only remembers what it was told"
        ) from error
    real = KubernetesActuator(
        client,
        clock=clock,
        request_timeout_s=settings.request_timeout_s,
        resync_s=settings.resync_s,
    )
    return DryRunActuator(real) if settings.actuator == "dry-run" else real

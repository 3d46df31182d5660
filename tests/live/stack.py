"""What the live tests share: topics of their own, a deployment, a worker as a real process."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.servers import ControlPlane
from lab.servers.control_plane import ACTUATOR
from streams import codec, topics
from streams.kafka.reader import read
from streams.settings import Settings


def fresh_settings(bootstrap: str, **more: Any) -> Settings:
    """Settings with topics and groups of their own, so that tests do not meet."""
    run = uuid.uuid4().hex[:8]
    given: dict[str, Any] = {
        "bootstrap": bootstrap,
        "topic_prefix": f"t{run}.",
        "group_prefix": f"t{run}-",
        "web_port": 0,
        "web_host": "127.0.0.1",
        "fetch_max_wait_ms": 100,
        "commit_interval_s": 0.3,
        "lateness_s": 1.0,
    }
    return Settings(**{**given, **more})


def read_deployment(plane: ControlPlane, name: str) -> dict[str, Any]:
    found: dict[str, Any] = plane.request(
        "GET", f"/apis/apps/v1/namespaces/default/deployments/{name}"
    )
    return found


def scaler(name: str, **spec: Any) -> str:
    content = {
        "apiVersion": "foretide.dev/v1alpha1",
        "kind": "AgentScaler",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "target": {"kind": "Deployment", "name": name},
            "replicas": {"min": 1, "max": 8},
            "demand": {"unit": "concurrency", "perReplica": 4},
            **spec,
        },
    }
    return json.dumps(content)


async def until(condition: Callable[[], Any], *, limit_s: float = 60.0, what: str = "") -> Any:
    """Wait for a condition in real time: these servers have no other."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = await asyncio.to_thread(condition)
        if found:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"did not happen within {limit_s:g} s: {what or condition}")


async def records(settings: Settings, topic: str) -> list[Any]:
    decode = {"decisions": codec.decision, "outcomes": codec.outcome, "rejected": codec.rejected}
    return [
        decode[topic](value) async for value in read(settings, topic, from_start=True, follow=False)
    ]


async def make_topics(settings: Settings) -> None:
    await topics.create(settings)


class WorkerProcess:
    """``foretide worker`` as a process of its own, that can be killed."""

    def __init__(
        self,
        settings: Settings,
        *,
        folder: Path,
        plane: ControlPlane | None,
        specs: Path | None,
        roles: str,
        through: dict[str, Any] | None = None,
        tree: Path | None = None,
    ) -> None:
        """``plane`` None: decisions act on memory; ``through``: a kubeconfig that leads to it by
        way of something else; ``tree``: another version's packages."""
        folder.mkdir(exist_ok=True)
        self._tree = tree
        names = [
            "bootstrap",
            "topic_prefix",
            "group_prefix",
            "web_port",
            "web_host",
            "fetch_max_wait_ms",
            "commit_interval_s",
            "lateness_s",
            "decision_valid_s",
            "session_timeout_s",
            "request_timeout_s",
        ]
        self.environment = {
            **os.environ,
            **{f"FORETIDE_{name.upper()}": str(getattr(settings, name)) for name in names},
            "FORETIDE_ROLES": roles,
        }
        if plane is None:
            self.environment["FORETIDE_ACTUATOR"] = "memory"
        else:
            kubeconfig = folder / "kubeconfig.json"
            kubeconfig.write_text(json.dumps(through or plane.kubeconfig(ACTUATOR)))
            self.environment["FORETIDE_KUBECONFIG"] = str(kubeconfig)
        if specs is not None:
            self.environment["FORETIDE_SPECS"] = str(specs)
        self.log = folder / f"worker-{roles.replace(',', '-')}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from streams.cli import main; main()", "worker"],
                env=self.environment,
                cwd=self._tree,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def ready(self) -> bool:
        assert self._process is not None
        text = self.log.read_text()
        assert self._process.poll() is None, f"the worker died:\n{text[-3000:]}"
        return "ready: roles" in text

    def metric(self, name: str) -> dict[str, float]:
        """Samples of a metric by their labels as Prometheus writes them, ``{...}`` or nothing."""
        port = re.findall(r"http port (\d+)", self.log.read_text())[-1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        found = [re.fullmatch(rf"{name}(\{{.*\}})? (\S+)", line) for line in lines]
        return {match[1] or "": float(match[2]) for match in found if match}

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)
        self.log.write_text("")

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def pause(self) -> None:
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.send(signal.SIGCONT)

    def send(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def terminate(self) -> tuple[int, float]:
        """SIGTERM: the exit code, and seconds until the process was gone."""
        assert self._process is not None
        began = time.monotonic()
        self._process.terminate()
        return self._process.wait(30), time.monotonic() - began

    def resident_bytes(self) -> int:
        assert self._process is not None
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
            raise

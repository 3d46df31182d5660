"""Fleet: workers of the role aggregate, as processes that can be killed, stopped and paused.

Rule: only processes that were started here are signalled; a worker that ends by itself is
replaced, as a supervisor would, and counted.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from lab.servers.process import Process, ServerError
from streams.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
LEAVE_S = 20.0
_PORT = re.compile(r"ready: roles .*http port (?P<port>\d+)")
_GIVEN = (
    "bootstrap",
    "topic_prefix",
    "group_prefix",
    "fetch_max_wait_ms",
    "commit_interval_s",
    "lateness_s",
    "session_timeout_s",
    "web_host",
    "web_port",
)


@dataclass(slots=True, kw_only=True, eq=False)
class Worker:
    """One worker process."""

    name: str
    process: Process
    log: Path
    paused: bool = False

    def alive(self) -> bool:
        """Whether the process runs, paused or not."""
        try:
            self.process.wait_until(lambda: True, limit_s=1.0)
        except ServerError:
            return False
        return True

    def last_words(self) -> str:
        """The last line of its log."""
        return self.process.log(lines=1)

    def port(self) -> int | None:
        """The port of its metrics; None until it is ready."""
        found = _PORT.search(self.log.read_text(errors="replace"))
        return None if found is None else int(found["port"])

    def ready(self) -> bool:
        """Whether it has been told its partitions."""
        return self.port() is not None

    def rss_mb(self) -> float:
        """The most memory it has had."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except (OSError, ServerError):
            return 0.0
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return 0.0 if found is None else int(found[1]) / 1024


class Fleet:
    """All workers that run now."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """Logs go to ``folder``, one file a worker."""
        self._folder = folder
        self._environment = {
            **{f"FORETIDE_{name.upper()}": str(getattr(settings, name)) for name in _GIVEN},
            "FORETIDE_ROLES": "aggregate",
            "PYTHONPATH": str(ROOT),
        }
        self._started = 0
        self.workers: list[Worker] = []
        self.died: list[Worker] = []
        """Workers that ended by themselves."""
        self.slow_to_leave: list[str] = []
        """Names of workers that SIGTERM did not end in time."""

    def start(self) -> Worker:
        """Start one more."""
        self._started += 1
        name = f"worker-{self._started:03d}"
        command = [sys.executable, "-c", "from streams.cli import main; main()", "worker"]
        process = Process(name, command, self._folder, self._environment)
        process.start()
        worker = Worker(name=name, process=process, log=self._folder / f"{name}.log")
        self.workers.append(worker)
        return worker

    def kill(self, worker: Worker) -> None:
        """SIGKILL."""
        self.workers.remove(worker)
        worker.process.kill()

    async def leave(self, worker: Worker) -> None:
        """SIGTERM: stop reading, commit, leave the group."""
        self.workers.remove(worker)
        began = asyncio.get_running_loop().time()
        await asyncio.to_thread(worker.process.stop, limit_s=LEAVE_S)
        if asyncio.get_running_loop().time() - began >= LEAVE_S:
            self.slow_to_leave.append(worker.name)

    def pause(self, worker: Worker) -> None:
        """SIGSTOP."""
        worker.paused = True
        worker.process.signal(signal.SIGSTOP)

    def resume(self, worker: Worker) -> bool:
        """SIGCONT; False when it is gone meanwhile."""
        if worker not in self.workers:
            return False
        worker.paused = False
        worker.process.signal(signal.SIGCONT)
        return True

    def replace_dead(self) -> list[Worker]:
        """Start one for each that ended by itself; returns those."""
        dead = [worker for worker in self.workers if not worker.alive()]
        for worker in dead:
            self.workers.remove(worker)
            self.died.append(worker)
            self.start()
        return dead

    def close(self) -> None:
        """Kill whatever still runs."""
        for worker in list(self.workers):
            self.kill(worker)

    def assignments(self) -> int:
        """How often any worker was told its partitions, by the logs."""
        return sum(
            log.read_text(errors="replace").count("aggregate: partitions [")
            for log in self._folder.glob("worker-*.log")
        )

"""A server process: dies with its parent, stops within a bound, shows its log when it fails.

Rule: only processes that we started are ever signalled, by their own pid.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_starter = ThreadPoolExecutor(1, thread_name_prefix="lab-servers")
"""To the kernel the parent is the *thread* that forked, so one that lives as long as we do forks:
a server that is started in a worker thread must not die when that thread ends."""


class ServerError(Exception):
    """A server did not start or died; the text ends with its log."""


class Ports:
    """Loopback ports for servers of ours, held until ``release``.

    A server may listen on one, and the kernel gives it to nobody else, neither while the server
    starts nor while it is down.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []
        # Whoever forgets to let go does so with this object, without a warning of each socket.
        weakref.finalize(self, _close, self._held)

    def take(self) -> int:
        """One more, free."""
        holder = socket.socket()
        self._held.append(holder)
        # Bound and not listening, it lets another one that also sets this listen there, as Java's
        # and Go's servers do.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        return port

    def release(self) -> None:
        """Let go of them all; idempotent."""
        _close(self._held)


def _close(sockets: list[socket.socket]) -> None:
    while sockets:
        sockets.pop().close()


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One server process with its log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._folder = folder
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id.  Raises ``ServerError`` when it does not run."""
        if self._process is None:
            raise ServerError(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start; does not wait until it serves."""
        self._process = _starter.submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with (self._folder / f"{self.name}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own commands
                self._command,
                cwd=self._folder,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one call, no locks taken
            )

    def wait_until(self, served: Callable[[], bool], *, limit_s: float) -> None:
        """Wait until ``served()``; raises ``ServerError`` with the log when it does not come."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise ServerError(f"{self.name} died:\n{self.log()}")
            with contextlib.suppress(OSError):
                if served():
                    return
            time.sleep(0.05)
        raise ServerError(f"{self.name} did not serve within {limit_s:g} s:\n{self.log()}")

    def signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def stop(self, *, limit_s: float = 10.0) -> None:
        """SIGTERM, then SIGKILL after ``limit_s``; idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def kill(self) -> None:
        """SIGKILL."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(5)

    def log(self, lines: int = 40) -> str:
        """The end of the log."""
        path = self._folder / f"{self.name}.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

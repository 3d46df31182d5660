"""A real Kafka: one node in KRaft mode, on loopback, in a folder of its own.

Rule: the data outlive a restart, not the object; nothing is created on its own.
"""

from __future__ import annotations

import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import types
import uuid
from pathlib import Path
from typing import Self

from lab.servers.process import Ports, Process, ServerError
from lab.servers.tools import kafka_classpath

START_S = 60.0
JVM = ["-Xmx512m", "-Xms256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


class KafkaServer:
    """Use as a context manager; ``bootstrap`` is its address."""

    def __init__(self, **configuration: str) -> None:
        """``configuration``: broker settings, ``_`` for ``.``.  Raises ``ToolsMissingError``."""
        self._classpath = kafka_classpath()
        self._folder = Path(tempfile.mkdtemp(prefix="foretide-kafka-"))
        self._ports = Ports()
        self._port, controller = self._ports.take(), self._ports.take()
        self.bootstrap = f"127.0.0.1:{self._port}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self._folder / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
        }
        settings.update((name.replace("_", "."), value) for name, value in configuration.items())
        self._properties = self._folder / "server.properties"
        self._properties.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        (self._folder / "log4j2.yaml").write_text(_LOGGING)
        self._process = Process(
            "kafka",
            [
                "java",
                *JVM,
                f"-Dlog4j2.configurationFile={self._folder / 'log4j2.yaml'}",
                "-cp",
                self._classpath,
                "kafka.Kafka",
                str(self._properties),
            ],
            self._folder,
        )

    def __enter__(self) -> Self:
        try:
            self._format()
            self.start()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self.stop()
        self._ports.release()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process id.  Raises ``ServerError`` when it does not run."""
        return self._process.pid

    def start(self) -> None:
        """Start, and return when it serves."""
        self._process.start()
        self._process.wait_until(lambda: _answers(self._port), limit_s=START_S)

    def stop(self) -> None:
        """Stop; the data stay."""
        self._process.stop(limit_s=20.0)

    def kill(self) -> None:
        """Kill -9."""
        self._process.kill()

    def pause(self) -> None:
        """SIGSTOP."""
        self._process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._process.signal(signal.SIGCONT)

    def log(self) -> str:
        """The end of its log."""
        return self._process.log()

    def _format(self) -> None:
        identity = str(uuid.uuid4())
        command = ["java", "-cp", self._classpath, "kafka.tools.StorageTool", "format"]
        done = subprocess.run(  # noqa: S603 - our own command
            [*command, "--standalone", "-t", identity, "-c", str(self._properties)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise ServerError(f"formatting failed:\n{done.stdout}{done.stderr}")


def _answers(port: int) -> bool:
    """Whether a broker there answers: a port that is open may still be of one that starts.

    Raises ``OSError``.
    """
    correlation = 7
    # ApiVersions v0: the key 18, the version, the correlation id, and no client id.
    request = struct.pack(">hhih", 18, 0, correlation, -1)
    with socket.create_connection(("127.0.0.1", port), timeout=2.0) as asked:
        asked.sendall(struct.pack(">i", len(request)) + request)
        answer = asked.makefile("rb").read(8)
    return answer[4:] == struct.pack(">i", correlation)


_LOGGING = """Configuration:
  Appenders:
    Console:
      name: out
      PatternLayout: {pattern: "%d %p %c %m%n"}
  Loggers:
    Root: {level: WARN, AppenderRef: {ref: out}}
"""

"""Building the servers: Kafka through Maven, etcd, Kubernetes and KWOK through Go.

Rule: idempotent (a stamp holds the hash of what it was built from), locked against a second
build, and every failure shows the tool's own words.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lab.servers.tools import ToolsMissingError, folder

HERE = Path(__file__).resolve().parent
LIMIT_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class GoProgram:
    """A Go module of ours and the programs that it builds."""

    module: str
    packages: tuple[str, ...]
    names: tuple[str, ...]


GO = (
    GoProgram(module="compose", packages=(".",), names=("compose-check",)),
    GoProgram(module="etcd", packages=("go.etcd.io/etcd/server/v3",), names=("etcd",)),
    GoProgram(module="kwok", packages=("sigs.k8s.io/kwok/cmd/kwok",), names=("kwok",)),
    GoProgram(
        module="kubernetes",
        packages=(
            "k8s.io/kubernetes/cmd/kube-apiserver",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-scheduler",
        ),
        names=("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    ),
)


def build() -> None:
    """Build whatever is missing or out of date.  Raises ``ToolsMissingError``."""
    target = folder()
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _kafka(target)
        for program in GO:
            _go(target, program)


def _kafka(target: Path) -> None:
    pom = HERE / "maven" / "pom.xml"
    jars = target / "kafka"
    if _fresh(jars / ".complete", [pom]):
        return
    _say("fetching Kafka")
    shutil.rmtree(jars, ignore_errors=True)
    command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    _run([*command, f"-DoutputDirectory={jars}"], HERE, "Maven and Java 17 are needed")
    _mark(jars / ".complete", [pom])


def _go(target: Path, program: GoProgram) -> None:
    module = HERE / "go" / program.module
    sources = sorted([module / "go.mod", module / "go.sum", *module.glob("*.go")])
    stamp = target / f".{program.module}"
    if _fresh(stamp, sources) and all((target / name).exists() for name in program.names):
        return
    _say(f"building {', '.join(program.names)} (minutes)")
    for package, name in zip(program.packages, program.names, strict=True):
        command = ["go", "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w"]
        _run([*command, "-o", str(target / name), package], module, "Go is needed")
    _mark(stamp, sources)


def _run(command: list[str], cwd: Path, needs: str) -> None:
    if shutil.which(command[0]) is None:
        raise ToolsMissingError(f"{command[0]} is not installed: {needs}")
    begin = time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own commands
        command,
        cwd=cwd,
        env={**os.environ, "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise ToolsMissingError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    _say(f"  {time.monotonic() - begin:.0f} s")


def _digest(sources: list[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def _fresh(stamp: Path, sources: list[Path]) -> bool:
    return stamp.exists() and stamp.read_text() == _digest(sources)


def _mark(stamp: Path, sources: list[Path]) -> None:
    stamp.write_text(_digest(sources))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress of a long build

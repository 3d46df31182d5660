"""A real Kubernetes control plane with fake kubelets: etcd, API server, controllers, KWOK.

Rule: everything that decides is real (API server, RBAC, controllers, scheduler); pods run nowhere
and become ready after ``pod_start_s``.
"""

from __future__ import annotations

import json
import shutil
import signal
import ssl
import subprocess
import tempfile
import types
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from lab.servers.process import Ports, Process, ServerError
from lab.servers.tools import tool

START_S = 90.0
ADMIN = "admin-token"
ACTUATOR = "actuator-token"
ACTUATOR_USER = "foretide-actuator"

HERE = Path(__file__).resolve().parent


class ControlPlane:
    """Use as a context manager.  ``url`` is the API server's address."""

    def __init__(self, *, pod_start_s: float = 0.5, controller_flags: Sequence[str] = ()) -> None:
        """``controller_flags`` are more of kube-controller-manager's.

        Raises ``ToolsMissingError`` when the programs are not built.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="foretide-kubernetes-"))
        self._ports = Ports()
        etcd, peer, self._port = (self._ports.take() for _ in range(3))
        self.url = f"https://127.0.0.1:{self._port}"
        self._certificate = self._folder / "certs" / "apiserver.crt"
        self._tokens()
        self._keys()
        kubeconfig = self._folder / "admin.json"
        stages = (HERE / "kwok.yaml").read_text()
        milliseconds = str(round(pod_start_s * 1000))
        (self._folder / "kwok.yaml").write_text(stages.replace("POD_START_MS", milliseconds))
        client = f"http://127.0.0.1:{etcd}"
        self._etcd = self._process(
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )
        self._apiserver = self._process(
            "kube-apiserver",
            f"--etcd-servers={client}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={self._folder / 'certs'}",
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._folder / 'sa.pub'}",
            f"--service-account-signing-key-file={self._folder / 'sa.key'}",
            "--disable-admission-plugins=ServiceAccount",
            "--service-cluster-ip-range=10.96.0.0/24",
            "--shutdown-delay-duration=0s",
        )
        self._others = [
            self._process(
                "kube-controller-manager",
                f"--kubeconfig={kubeconfig}",
                f"--service-account-private-key-file={self._folder / 'sa.key'}",
                "--leader-elect=false",
                "--secure-port=0",
                "--kube-api-qps=500",
                "--kube-api-burst=1000",
                *controller_flags,
            ),
            self._process(
                "kube-scheduler",
                f"--kubeconfig={kubeconfig}",
                "--leader-elect=false",
                "--secure-port=0",
                "--kube-api-qps=500",
                "--kube-api-burst=1000",
            ),
            self._process(
                "kwok",
                f"--kubeconfig={kubeconfig}",
                f"--config={self._folder / 'kwok.yaml'}",
                "--manage-all-nodes=true",
                "--node-lease-duration-seconds=40",
                "--server-address=127.0.0.1:0",
            ),
        ]

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop everything and forget it; idempotent."""
        for process in reversed([self._etcd, self._apiserver, *self._others]):
            process.stop(limit_s=3.0)
        self._ports.release()
        shutil.rmtree(self._folder, ignore_errors=True)

    def restart_apiserver(self) -> None:
        """Stop the API server and start it again; returns when it serves."""
        self._apiserver.stop(limit_s=5.0)
        self._apiserver.start()
        self._apiserver.wait_until(self._ready, limit_s=START_S)

    def pause(self) -> None:
        """SIGSTOP of the API server: connections stay, and nothing is answered."""
        self._apiserver.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._apiserver.signal(signal.SIGCONT)

    def kubeconfig(self, token: str = ADMIN) -> dict[str, object]:
        """A kubeconfig for the user behind ``token`` (``ADMIN`` or ``ACTUATOR``)."""
        cluster = {"server": self.url, "certificate-authority": str(self._certificate)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "live", "cluster": cluster}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "live", "context": {"cluster": "live", "user": "user"}}],
            "current-context": "live",
        }

    def request(self, method: str, path: str, body: object | None = None) -> Any:  # noqa: ANN401
        """One request as the administrator; the decoded answer.

        Raises ``urllib.error.HTTPError``.
        """
        context = ssl.create_default_context(cafile=str(self._certificate))
        data = None if body is None else json.dumps(body).encode()
        merge = "application/merge-patch+json" if method == "PATCH" else "application/json"
        request = urllib.request.Request(  # noqa: S310 - our own https server
            self.url + path,
            data=data,
            method=method,
            headers={"Authorization": f"Bearer {ADMIN}", "Content-Type": merge},
        )
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310
            text = answer.read()
        return json.loads(text) if text.startswith(b"{") else text.decode()

    def create_deployment(self, name: str, replicas: int = 1, cpu: str | None = None) -> None:
        """A Deployment in the namespace default, with one container that runs nowhere.

        ``cpu`` is what it requests, as Kubernetes spells it.
        """
        container: dict[str, Any] = {"name": "main", "image": "none"}
        if cpu is not None:
            container["resources"] = {"requests": {"cpu": cpu}}
        template = {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [container]},
        }
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": template,
            },
        }
        self.request("POST", "/apis/apps/v1/namespaces/default/deployments", body)

    def controller_log(self) -> str:
        """The end of kube-controller-manager's log."""
        return self._others[0].log()

    def _start(self) -> None:
        self._etcd.start()
        self._apiserver.start()
        self._apiserver.wait_until(self._ready, limit_s=START_S)
        (self._folder / "admin.json").write_text(json.dumps(self.kubeconfig()))
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "fake-0", "annotations": {"kwok.x-k8s.io/node": "fake"}},
        }
        self.request("POST", "/api/v1/nodes", node)
        for process in self._others:
            process.start()
        self._others[-1].wait_until(self._node_ready, limit_s=START_S)

    def _ready(self) -> bool:
        if not self._certificate.exists():
            return False
        try:
            return bool(self.request("GET", "/readyz") == "ok")
        except (urllib.error.URLError, ssl.SSLError):
            return False

    def _node_ready(self) -> bool:
        node = self.request("GET", "/api/v1/nodes/fake-0")
        conditions = node.get("status", {}).get("conditions", [])
        tainted = [taint["key"] for taint in node["spec"].get("taints", [])]
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
        return ready and "node.kubernetes.io/not-ready" not in tainted

    def _process(self, name: str, *arguments: str) -> Process:
        return Process(name, [str(tool(name)), *arguments], self._folder)

    def _tokens(self) -> None:
        (self._folder / "tokens.csv").write_text(
            f'{ADMIN},admin,1,"system:masters"\n{ACTUATOR},{ACTUATOR_USER},2\n'
        )

    def _keys(self) -> None:
        key, public = self._folder / "sa.key", self._folder / "sa.pub"
        for command in (
            ["openssl", "genrsa", "-out", str(key), "2048"],
            ["openssl", "rsa", "-in", str(key), "-pubout", "-out", str(public)],
        ):
            done = subprocess.run(command, capture_output=True, timeout=30, check=False)  # noqa: S603
            if done.returncode != 0:
                raise ServerError(f"{command[:2]} failed: {done.stderr.decode()}")

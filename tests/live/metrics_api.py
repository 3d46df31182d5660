"""A metrics API that a test speaks through: metrics.k8s.io and external.metrics.k8s.io.

The API server reaches it as any other extension server, through an APIService; the Service behind
that is an ExternalName of loopback, since nothing here routes cluster addresses.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import types
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from lab.servers import ControlPlane

GROUPS = {"metrics.k8s.io": "pods", "external.metrics.k8s.io": "externalmetrics"}
VERSION = "v1beta1"

Answer = Callable[[str, str], list[dict[str, Any]] | None]
"""(group, what is asked for) -> items; None: no answer, as from a broken server."""


class MetricsApi:
    """Use as a context manager.

    ``answer`` gets the pods' label ``app`` for metrics.k8s.io and the metric's name for
    external.metrics.k8s.io; it may take its time, and the controller waits.
    """

    def __init__(self, folder: Path, answer: Answer) -> None:
        key, certificate = folder / "metrics.key", folder / "metrics.crt"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answer))
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def register(self, plane: ControlPlane) -> None:
        """Make the API server pass both groups on to here."""
        spec = {"type": "ExternalName", "externalName": "localhost"}
        body = {"metadata": {"name": "metrics"}, "spec": spec}
        plane.request("POST", "/api/v1/namespaces/default/services", body)
        port = self._server.server_address[1]
        for group in GROUPS:
            service = {
                "metadata": {"name": f"{VERSION}.{group}"},
                "spec": {
                    "group": group,
                    "version": VERSION,
                    "insecureSkipTLSVerify": True,
                    "groupPriorityMinimum": 100,
                    "versionPriority": 100,
                    "service": {"name": "metrics", "namespace": "default", "port": port},
                },
            }
            plane.request("POST", "/apis/apiregistration.k8s.io/v1/apiservices", service)

    @staticmethod
    def available(plane: ControlPlane) -> bool:
        """Whether the API server has found both."""
        for group in GROUPS:
            path = f"/apis/apiregistration.k8s.io/v1/apiservices/{VERSION}.{group}"
            conditions = plane.request("GET", path).get("status", {}).get("conditions", [])
            if not any(c["type"] == "Available" and c["status"] == "True" for c in conditions):
                return False
        return True


def _handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            parts = url.path.strip("/").split("/")
            # apis / group / version [/ namespaces / default / resource]
            if len(parts) < 3 or parts[0] != "apis" or parts[1] not in GROUPS:
                self._send(404, {"kind": "Status", "apiVersion": "v1", "code": 404})
                return
            group = parts[1]
            if len(parts) == 3:
                self._send(200, _resources(group))
                return
            selector = parse_qs(url.query).get("labelSelector", [""])[0]
            asked = selector.partition("app=")[2] if group == "metrics.k8s.io" else parts[-1]
            items = answer(group, asked)
            if items is None:
                self._send(503, {"kind": "Status", "apiVersion": "v1", "code": 503})
                return
            kind = "PodMetricsList" if group == "metrics.k8s.io" else "ExternalMetricValueList"
            version = f"{group}/{VERSION}"
            self._send(200, {"kind": kind, "apiVersion": version, "metadata": {}, "items": items})

        def _send(self, code: int, body: object) -> None:
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing."""

    return Handler


def _resources(group: str) -> dict[str, Any]:
    kind = "PodMetrics" if group == "metrics.k8s.io" else "ExternalMetricValueList"
    resource = {
        "name": GROUPS[group],
        "singularName": "",
        "namespaced": True,
        "kind": kind,
        "verbs": ["get", "list"],
    }
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{VERSION}",
        "resources": [resource],
    }

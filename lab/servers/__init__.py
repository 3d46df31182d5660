"""Real servers for live tests and benches: Kafka, and a Kubernetes control plane.

Rule: built from the package registries, on loopback, bounded in time, gone when their parent is.
"""

from lab.servers.control_plane import ControlPlane
from lab.servers.kafka import KafkaServer
from lab.servers.tools import ToolsMissingError, kafka_classpath, tool

__all__ = ["ControlPlane", "KafkaServer", "ToolsMissingError", "kafka_classpath", "tool"]

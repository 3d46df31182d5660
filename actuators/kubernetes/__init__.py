"""Kubernetes: replicas by one guarded merge-patch, and a watch that survives the API server.

Rule: the only package that imports ``kubernetes_asyncio``; it asks for no verb that
deploy/rbac.yaml does not grant.
"""

from actuators.kubernetes.actuator import KubernetesActuator, NotConfiguredError, connect

__all__ = ["KubernetesActuator", "NotConfiguredError", "connect"]

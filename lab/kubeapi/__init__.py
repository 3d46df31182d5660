"""A facade that speaks the part of the Kubernetes API that the actuator uses.

Rule: strict in what it speaks (versions, conflicts, content types, watches), honest in what it
is: no scheduler, no kubelet, no storage; the plant behind it does the serving.
"""

from lab.kubeapi.cluster import Choosing, PodView, Scalable
from lab.kubeapi.server import KubeApi

__all__ = ["Choosing", "KubeApi", "PodView", "Scalable"]

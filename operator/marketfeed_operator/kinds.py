"""The kinds of objects that the operator reads or writes, and where the API server has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from marketfeed.resource import API_VERSION, KIND


@dataclass(frozen=True, slots=True)
class Kind:
    """One namespaced kind."""

    api_version: str
    name: str
    plural: str

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """Path of an object, of a namespace's objects, or of all of the cluster's."""
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version]
        if namespace is not None:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part is not None]
        return "/".join(parts)


FEED: Final = Kind(API_VERSION, KIND, "marketfeeds")
DEPLOYMENT: Final = Kind("apps/v1", "Deployment", "deployments")
CONTROLLER_REVISION: Final = Kind("apps/v1", "ControllerRevision", "controllerrevisions")
CONFIG_MAP: Final = Kind("v1", "ConfigMap", "configmaps")
SERVICE: Final = Kind("v1", "Service", "services")
SECRET: Final = Kind("v1", "Secret", "secrets")
POD: Final = Kind("v1", "Pod", "pods")
EVENT: Final = Kind("v1", "Event", "events")
NETWORK_POLICY: Final = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
POD_DISRUPTION_BUDGET: Final = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
LEASE: Final = Kind("coordination.k8s.io/v1", "Lease", "leases")

CHILDREN: Final = (CONFIG_MAP, SERVICE, NETWORK_POLICY, POD_DISRUPTION_BUDGET, DEPLOYMENT)
"""Kinds of a feed's children that are applied and pruned, in the order in which they are applied."""

_ALL: Final = {
    (kind.api_version, kind.name): kind for kind in (FEED, *CHILDREN, CONTROLLER_REVISION, SECRET, POD, EVENT, LEASE)
}


def of(manifest: Mapping[str, Any]) -> Kind:
    """The kind of a manifest. Raises `KeyError` for one that the operator does not know."""
    return _ALL[manifest["apiVersion"], manifest["kind"]]

"""How the operator comes to its API server: a pod's service account, or a kubeconfig."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

_USERS: Final = "~/.kube/config"


class NoClusterError(Exception):
    """Neither a service account nor a kubeconfig; one sentence with the way out."""


async def configuration() -> tuple[Configuration, bool]:
    """How to reach the API server, and whether from a pod of its cluster. Raises `NoClusterError`.

    The first there is of: the file that `KUBECONFIG` names, the pod's service account, the user's own kubeconfig.
    """
    found = Configuration()
    named = os.environ.get("KUBECONFIG")
    in_cluster = not named and "KUBERNETES_SERVICE_HOST" in os.environ
    file = named or _USERS
    if not in_cluster and not _is_there(file):
        raise NoClusterError(f"no kubeconfig at {file}; set KUBECONFIG, or run in a pod with a service account")
    try:
        if in_cluster:
            load_incluster_config(found)  # type: ignore[no-untyped-call]
        else:
            await load_kube_config(config_file=file, client_configuration=found, persist_config=False)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        place = "the pod's service account" if in_cluster else f"the kubeconfig {file}"
        raise NoClusterError(f"{place} cannot be used: {error}; mend it") from None
    return found, in_cluster


def _is_there(files: str) -> bool:
    return any(Path(file).expanduser().is_file() for file in files.split(os.pathsep) if file)

"""What a pod may ask for and this kubelet cannot do: better refused than left out."""

from __future__ import annotations

from collections.abc import Iterator

from kubelet.api import Object

VOLUMES = {"configMap", "secret", "emptyDir", "projected"}
VARIABLES = {"fieldRef", "secretKeyRef", "configMapKeyRef"}
PROJECTED = {"configMap", "secret", "downwardAPI", "serviceAccountToken"}
PROBES = {"httpGet", "tcpSocket"}


def unsupported(spec: Object) -> Iterator[str]:
    """Of a pod's spec, by name."""
    yield from (key for key in ("initContainers", "hostNetwork", "hostPID", "hostIPC") if spec.get(key))
    for volume in spec.get("volumes", ()):
        parts = volume.get("projected", {}).get("sources", ())
        if not VOLUMES & volume.keys() or not all(PROJECTED & part.keys() for part in parts):
            yield f"volume {volume['name']}"
    for container in spec["containers"]:
        yield from (f"{thing} of container {container['name']}" for thing in _of_container(container))


def _of_container(container: Object) -> Iterator[str]:
    if not container.get("command"):
        yield "the image, which would know the command: it is not written down"
    yield from (key for key in ("envFrom", "lifecycle", "volumeDevices") if container.get(key))
    for mount in container.get("volumeMounts", ()):
        yield from (key for key in ("subPath", "subPathExpr") if mount.get(key))
    for entry in container.get("env", ()):
        if "valueFrom" in entry and not VARIABLES & entry["valueFrom"].keys():
            yield f"env {entry['name']}"
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        if container.get(kind) and not PROBES & container[kind].keys():
            yield kind

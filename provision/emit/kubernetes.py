"""`export kubernetes`: a Kustomize base with a Pod to work in, a Job that proves and a DaemonSet that proves each node.

The GPU is a resource of the node's device plugin; no CDI name, runtime or device node is written down. Labels of the
nodes: NVIDIA's GPU Feature Discovery, Node Feature Discovery, AMD's GPU operator and node labeller
(https://github.com/NVIDIA/k8s-device-plugin, https://github.com/ROCm/gpu-operator, checked 2026-11-23).
"""

import re
from typing import Any

from provision.emit.order import CACHE, Order, cache_environment, quick_check
from provision.emit.text import CHECK_FILE, as_yaml, check_script
from provision.model import Vendor

FOLDER = "/opt/kgpu-env"
NAME = "kgpu-env"
CONFIG_MAP = "kgpu-env-check"
PLAN = "io.kgpu-env.plan"
HOSTNAME = "kubernetes.io/hostname"
PROFILE = re.compile(r"[0-9]+g\.[0-9]+gb(\+[a-z.]+)?")
LABELS = {
    Vendor.CUDA: ("nvidia.com/gpu.present", "feature.node.kubernetes.io/pci-10de.present"),
    Vendor.ROCM: ("feature.node.kubernetes.io/amd-gpu", "feature.node.kubernetes.io/pci-1002.present"),
}


def kubernetes(order: Order) -> dict[str, str]:
    """Return kustomization.yaml, pod.yaml, job.yaml, daemonset.yaml and the quick check that they run."""
    comments = [order.title, f"GPU: {resource(order) or 'none'}."]
    if resource(order) == "nvidia.com/gpu" and any(gpu.partition for gpu in order.host.gpus):
        comments.append(
            'MIG is on: right for the device plugin\'s strategy "single", under "mixed" nvidia.com/mig-PROFILE.'
        )
    objects = {"pod.yaml": _pod(order), "job.yaml": _job(order), "daemonset.yaml": _daemon_set(order)}
    files = {"kustomization.yaml": as_yaml([*comments, "kubectl apply -k ."], _kustomization(objects))}
    files |= {name: as_yaml(comments, one) for name, one in objects.items()}
    return {**files, CHECK_FILE: check_script()}


def resource(order: Order) -> str | None:
    """Return the resource that a device plugin offers for this host's GPUs.

    A MIG slice has the name of the plugin's "mixed" strategy; under "single" it is nvidia.com/gpu.
    """
    match order.stack.vendor:
        case Vendor.CUDA:
            profiles = {gpu.partition or "" for gpu in order.host.gpus_of("nvidia")}
            profile = profiles.pop() if len(profiles) == 1 else ""
            # A probe without NVML knows a slice by its instance only, "gi9/ci0".
            return f"nvidia.com/mig-{profile.replace('+', '.')}" if PROFILE.fullmatch(profile) else "nvidia.com/gpu"
        case Vendor.ROCM:
            return "amd.com/gpu"
        case _:
            return None


def _kustomization(objects: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(objects),
        # A name that changes with the content would leave pod.yaml, applied by hand, without it.
        "generatorOptions": {"disableNameSuffixHash": True},
        "configMapGenerator": [{"name": CONFIG_MAP, "files": [CHECK_FILE]}],
    }


def _metadata(order: Order, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "labels": {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": name},
        "annotations": {PLAN: order.plan.digest},
    }


def _pod(order: Order) -> dict[str, Any]:
    container = _container(order, "keras", ["sleep", "infinity"])
    spec = {**_spec(order, container), "restartPolicy": "Never"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(order, "keras"), "spec": spec}


def _job(order: Order) -> dict[str, Any]:
    """Return the Job: as many pods as nodes are asked for, at the same time and never two of them on one node."""
    spec = {**_spec(order, _container(order, "proof", _check(order))), "restartPolicy": "Never"}
    apart = {"labelSelector": {"matchLabels": _labels("proof")}, "topologyKey": HOSTNAME}
    affinity = {
        **spec.get("affinity", {}),
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(order, "proof"),
        "spec": {
            "completionMode": "Indexed",
            "completions": order.nodes,
            "parallelism": order.nodes,
            "backoffLimit": 0,  # a proof that fails is an answer, not a reason to try again
            "activeDeadlineSeconds": 900,
            "template": {
                "metadata": {"labels": _labels("proof"), "annotations": {PLAN: order.plan.digest}},
                "spec": {**spec, "affinity": affinity},
            },
        },
    }


def _daemon_set(order: Order) -> dict[str, Any]:
    """Return the DaemonSet: on every GPU node a pod that is ready once its proof succeeded, and keeps one GPU."""
    component = "node-proof"
    spec = _spec(order, _container(order, "ready", ["sleep", "infinity"]))
    spec["initContainers"] = [_container(order, "proof", _check(order))]
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": _metadata(order, component),
        "spec": {
            "selector": {"matchLabels": _labels(component)},
            "template": {
                "metadata": {"labels": _labels(component), "annotations": {PLAN: order.plan.digest}},
                "spec": spec,
            },
        },
    }


def _labels(component: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": component}


def _check(order: Order) -> list[str]:
    return quick_check(order, f"{FOLDER}/{CHECK_FILE}")


def _spec(order: Order, container: dict[str, Any]) -> dict[str, Any]:
    user = order.request.user
    context: dict[str, Any] = {
        "runAsNonRoot": user.uid != 0,
        "runAsUser": user.uid,
        "runAsGroup": user.gid,
        "fsGroup": user.gid,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if order.access.groups:
        context["supplementalGroups"] = list(order.access.groups)
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "securityContext": context,
        "containers": [container],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "caches", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            {"name": "check", "configMap": {"name": CONFIG_MAP}},
        ],
    }
    labels = LABELS.get(order.stack.vendor)
    if labels:
        terms = [{"matchExpressions": [{"key": key, "operator": "In", "values": ["true"]}]} for key in labels]
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        spec["affinity"] = {"nodeAffinity": required}
        spec["tolerations"] = [{"key": resource(order), "operator": "Exists", "effect": "NoSchedule"}]
    return spec


def _container(order: Order, name: str, command: list[str]) -> dict[str, Any]:
    environment = {**order.access.env, **cache_environment(order), "HOME": "/tmp"}  # noqa: S108 - a path in the container
    limits: dict[str, Any] = {kind: 1 for kind in [resource(order)] if kind}
    if order.memory_bytes:
        limits["memory"] = str(order.memory_bytes)
    return {
        "name": name,
        "image": order.reference,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "env": [{"name": key, "value": value.replace("$(", "$$(")} for key, value in environment.items()],
        **({"resources": {"limits": limits}} if limits else {}),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path in the container
            {"name": "caches", "mountPath": CACHE},
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - the same
            {"name": "check", "mountPath": FOLDER, "readOnly": True},
        ],
    }

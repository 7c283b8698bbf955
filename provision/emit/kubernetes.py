"""`export kubernetes`: a Kustomize base with a Pod to work in, Jobs that prove and a DaemonSet that proves each node.

The GPU is a resource of the node's device plugin; no CDI name, runtime or device node is written down. Labels of the
nodes: NVIDIA's GPU Feature Discovery, Node Feature Discovery, AMD's GPU operator and node labeller
(https://github.com/NVIDIA/k8s-device-plugin, https://github.com/ROCm/gpu-operator, checked 2026-11-23).
"""

import re
from hashlib import sha256
from typing import Any

from provision.emit.order import Order, quick_check
from provision.emit.serialize import CHECK_FILE, as_yaml, check_script
from provision.model import Gpu, GpuVendor, Mount
from provision.model.inside import CACHE, SHARED_MEMORY_GIB
from provision.model.labels import NODE

FOLDER = "/opt/kgpu-env"
NAME = "kgpu-env"
CONFIG_MAP = "kgpu-env-check"
JOB_SECONDS = 1800  # the image's way to the node takes most of it
NAME_LENGTH = 63  # of a Job, whose name becomes a label of its pod
CORDONED = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}
# That a Job spreads its pods was tried and is no guarantee: the scheduler does not count a pod that has ended
# (https://github.com/kubernetes/kubernetes/issues/126389), neither for anti-affinity nor for spread constraints.
ANY_NODE = (
    "Proves one GPU of one node, whichever the scheduler takes. Nothing in a Job keeps several pods on several nodes:",
    "one that has ended no longer counts. To prove certain nodes: kgpu-env export kubernetes --node NAME --node NAME;",
    "to prove every node that has a GPU: daemonset.yaml.",
)
NAMED_NODES = (
    "A Job for each node named, whose pod can run there and nowhere else: Complete means that one GPU of this node",
    "trained. A cordoned node is proved too. A node that is gone or whose GPUs are taken fails at the deadline",
    f"({JOB_SECONDS} s, DeadlineExceeded), without a proof. Before another proof: kubectl delete -f job.yaml",
)
EVERY_NODE = (
    "On every node that has the label, and on each that comes later, one pod: Ready means that a GPU of it trained.",
    "The pod keeps that GPU until the DaemonSet is deleted; where none is free, it stays Pending.",
)
NOT_WSL = (
    "It does not apply to the host that it was written for: no device plugin offers WSL2's GPU as a resource.",
    "For nodes that run Linux itself, and then with their own host file (--host FILE): their stack may be another.",
)
PROFILE = re.compile(r"[0-9]+g\.[0-9]+gb(\+[a-z.]+)?")


def kubernetes(order: Order) -> dict[str, str]:
    """Return kustomization.yaml, pod.yaml, job.yaml, daemonset.yaml and the quick check that they run."""
    comments = [
        order.title,
        f"GPU: {resource(order) or 'none'}.",
        *(NOT_WSL if order.is_wsl else ()),
        *_strategy(order),
    ]
    objects = {
        "pod.yaml": as_yaml([*comments, "To work in: kubectl exec -it keras -- bash"], _pod(order)),
        "job.yaml": as_yaml([*comments, *(NAMED_NODES if order.nodes else ANY_NODE)], *_jobs(order)),
        "daemonset.yaml": as_yaml([*comments, *EVERY_NODE], _daemon_set(order)),
    }
    first = as_yaml([*comments, "kubectl apply -k ."], _kustomization(objects))
    return {"kustomization.yaml": first, **objects, CHECK_FILE: check_script()}


def resource(order: Order) -> str | None:
    """Return the resource that a device plugin offers for this host's GPUs.

    A MIG slice has the name of the plugin's "mixed" strategy; under "single" it is that of a whole GPU.
    """
    row = order.gpu_vendor
    if row is None:
        return None
    if order.cluster.resource:
        return order.cluster.resource
    profiles = {gpu.partition or "" for gpu in order.host.usable_of(row.maker)}
    profile = profiles.pop() if len(profiles) == 1 else ""
    # A probe without NVML knows a slice by its instance only, "gi9/ci0".
    own = row.kubernetes_partition and PROFILE.fullmatch(profile)
    return f"{row.kubernetes_partition}{profile.replace('+', '.')}" if own else row.kubernetes_resource


def _strategy(order: Order) -> list[str]:
    """Return what a partition is called where the device plugin names it after its kind."""
    row = order.gpu_vendor
    parts = [gpu for gpu in order.host.usable_of(row.maker) if gpu.partition] if row else []
    if row is None or not parts or resource(order) != row.kubernetes_resource:
        return []
    mixed = sorted({partition_resource(row, gpu) for gpu in parts})
    title = row.partition_title[0].upper() + row.partition_title[1:]
    single = f'{title} is on: right for the device plugin\'s strategy "single"'
    return [f'{single}, under "mixed" {" or ".join(mixed)}.']


def partition_resource(row: GpuVendor, gpu: Gpu) -> str:
    """Return a partition's name under the strategy "mixed"; MEMORY and PROFILE stand for what a probe did not see.

    Source of AMD's: https://github.com/ROCm/k8s-device-plugin, README, resource naming strategy (checked 2026-11-29).
    """
    if row.kubernetes_partition:
        return f"{row.kubernetes_partition}PROFILE"
    kind = (gpu.partition or "").lower()
    memory = (gpu.memory_partition or "").lower()
    domain = row.kubernetes_resource.partition("/")[0]
    if memory:
        return f"{domain}/{kind}_{memory}"
    return f"{domain}/{kind}_nps1 or {domain}/{kind}_nps4 (current_memory_partition of the card tells)"


def _kustomization(objects: dict[str, str]) -> dict[str, Any]:
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
        "annotations": order.annotations,
    }


def _pod(order: Order) -> dict[str, Any]:
    container = container_of(order, "keras", ["sleep", "infinity"])
    spec = {**pod_spec(order, container), "restartPolicy": "Never"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(order, "keras"), "spec": spec}


def _jobs(order: Order) -> list[dict[str, Any]]:
    return [_job(order, node) for node in order.nodes] or [_job(order, None)]


def _job(order: Order, node: str | None) -> dict[str, Any]:
    """Return the Job of one proof, on the node of this name."""
    spec = {**pod_spec(order, container_of(order, "proof", check_command(order))), "restartPolicy": "Never"}
    metadata = _metadata(order, "proof")
    if node:
        metadata["name"] = job_name(node)
        metadata["annotations"][NODE] = node
        spec["affinity"] = on_nodes([named(node)])
        spec["tolerations"] = [*spec.get("tolerations", ()), CORDONED]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,  # a proof that fails is an answer, not a reason to try again
            "activeDeadlineSeconds": JOB_SECONDS,
            "template": {
                "metadata": {"labels": _labels("proof"), "annotations": metadata["annotations"]},
                "spec": spec,
            },
        },
    }


def job_name(node: str) -> str:
    """Return the name of a node's Job: a DNS label, and never that of another node's.

    >>> job_name("gpu-7"), job_name("gpu-7.example")
    ('proof-gpu-7', 'proof-gpu-7-example-e3ee1ee8')
    """
    plain = f"proof-{node.replace('.', '-')}"
    if plain == f"proof-{node}" and len(plain) <= NAME_LENGTH:
        return plain
    mark = sha256(node.encode()).hexdigest()[:8]
    return f"{plain[: NAME_LENGTH - len(mark) - 1].rstrip('-')}-{mark}"


def named(node: str) -> dict[str, Any]:
    """Return the term that a node's name fulfils.

    By the object's name, as a DaemonSet's controller does it: the label with the host's name may be another.
    """
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}


def on_nodes(terms: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the affinity of a pod that runs where one of the terms holds."""
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def _daemon_set(order: Order) -> dict[str, Any]:
    """Return the DaemonSet: on every GPU node a pod that is ready once its proof succeeded, and keeps one GPU."""
    component = "node-proof"
    spec = pod_spec(order, container_of(order, "ready", ["sleep", "infinity"]))
    if order.gpu_vendor and not order.cluster.selector:
        # A pod that asks for a resource runs where one is; a DaemonSet has one for each node, and waits at others.
        labels = order.gpu_vendor.kubernetes_labels
        terms = [{"matchExpressions": [{"key": key, "operator": "In", "values": ["true"]}]} for key in labels]
        spec["affinity"] = on_nodes(terms)
    spec["initContainers"] = [container_of(order, "proof", check_command(order))]
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": _metadata(order, component),
        "spec": {
            "selector": {"matchLabels": _labels(component)},
            "template": {
                "metadata": {"labels": _labels(component), "annotations": order.annotations},
                "spec": spec,
            },
        },
    }


def _labels(component: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": component}


def check_command(order: Order) -> list[str]:
    """Return the command of the quick check in a pod."""
    return quick_check(order, f"{FOLDER}/{CHECK_FILE}")


def pod_spec(order: Order, container: dict[str, Any]) -> dict[str, Any]:
    """Return what a pod is beside its name and when it is started again."""
    cluster = order.cluster
    size = order.shape.shm_size or f"{SHARED_MEMORY_GIB}Gi"
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "securityContext": _security(order),
        "containers": [container],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "caches", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": str(order.shape.shm_bytes or size)}},
            {"name": "check", "configMap": {"name": CONFIG_MAP}},
            *(_volume(place, one) for place, one in enumerate(order.shape.folders)),
        ],
    }
    if cluster.service_account:
        spec["serviceAccountName"] = cluster.service_account
    if cluster.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in cluster.pull_secrets]
    if cluster.selector:
        spec["nodeSelector"] = cluster.selector
    gpu = resource(order)
    own = [{"key": gpu, "operator": "Exists", "effect": "NoSchedule"}] if gpu else []
    if own or cluster.tolerations:
        spec["tolerations"] = [*own, *cluster.tolerated]
    return spec


def _security(order: Order) -> dict[str, Any]:
    """Return the rights of a Pod. OpenShift's restricted-v2 gives the ids itself, and refuses fixed ones.

    Source: https://docs.redhat.com/en/documentation/openshift_container_platform/4.16/html/authentication_and_authorization/managing-pod-security-policies
    """
    user = order.request.user
    profile = {"seccompProfile": {"type": "RuntimeDefault"}}
    if order.cluster.openshift:
        return {"runAsNonRoot": True, **profile}
    context: dict[str, Any] = {
        "runAsNonRoot": user.uid != 0,
        "runAsUser": user.uid,
        "runAsGroup": user.gid,
        "fsGroup": user.gid,
        **profile,
    }
    if order.access.groups:
        context["supplementalGroups"] = list(order.access.groups)
    return context


def _volume(place: int, mount: Mount) -> dict[str, Any]:
    """Return a folder of the node, or the claim of a volume by its name."""
    if mount.is_volume:
        return {"name": f"mount-{place}", "persistentVolumeClaim": {"claimName": mount.source}}
    return {"name": f"mount-{place}", "hostPath": {"path": mount.source, "type": "Directory"}}


def container_of(order: Order, name: str, command: list[str]) -> dict[str, Any]:
    """Return a container with one GPU."""
    environment = order.environment
    # As strings: a server-side apply compares an integer with what the server has made of it, and refuses.
    limits: dict[str, str] = {kind: "1" for kind in [resource(order)] if kind}
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
            *(
                {"name": f"mount-{place}", "mountPath": one.target, **({"readOnly": True} if one.read_only else {})}
                for place, one in enumerate(order.shape.folders)
            ),
        ],
    }

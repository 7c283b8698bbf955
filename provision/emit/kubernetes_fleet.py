"""`export kubernetes --fleet PLAN`: a DaemonSet for each image of a plan proves its nodes and tells it on them.

A node gets a label under our key; a taint only where somebody switches that on. The pods may read and change nodes,
which Kubernetes cannot narrow to their own one: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
(checked 2026-11-30).
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from provision.emit.kubernetes import (
    CONFIG_MAP,
    CORDONED,
    FOLDER,
    JOB_SECONDS,
    NAME,
    NAME_LENGTH,
    check_command,
    container_of,
    job_name,
    named,
    on_nodes,
    pod_spec,
    resource,
)
from provision.emit.order import Order
from provision.emit.serialize import CHECK_FILE, as_yaml, check_script, from_file
from provision.model.labels import NODE, OWN, UNPROVED

NAMESPACE: Final = "kgpu-env"
ACCOUNT: Final = "prove-nodes"
SCRIPT: Final = "prove_node.py"
SHARE: Final = 10  # per cent of the nodes that may have our taint
_UNPROVED: Final = {"key": UNPROVED, "operator": "Exists", "effect": "NoSchedule"}
_EVERY: Final = (
    f"Each node of this image in the plan gets the label {OWN}proof: pending, proved or not-proved. Ready: proved.",
    "Nothing is tainted until --taint=no is --taint=yes below. Then a node that fails gets the taint",
    f"{UNPROVED}:NoSchedule, unless --share per cent of the cluster's nodes would have it.",
    "Each pod keeps one GPU until the DaemonSet is deleted; the labels stay: kubectl delete -f THIS",
)
_RETURN: Final = (
    f"A Job for each node named, which runs there in spite of the taint {UNPROVED} and of a cordon.",
    "Complete means that one GPU of the node trained: the label is proved then, and that taint is gone. A cordon is",
    "yours to lift: kubectl uncordon NODE. Before another proof: kubectl delete -f job.yaml",
)
_GROUPS: Final = (
    "The groups of this maker's device nodes are not known here: with --host FILE of one of these nodes they are",
    "written down. Without them a pod of a plain user may not open the GPU, and is then not proved.",
)


def kubernetes_fleet(orders: Mapping[str, Order], returning: Sequence[str] = ()) -> dict[str, str]:
    """Return kustomization.yaml, the rights, a DaemonSet for each image, and the scripts that its pods run.

    Args:
        orders: by the id of the image; each with the nodes that the plan gives it.
        returning: nodes that are to be proved by a Job each, job.yaml, in place of the DaemonSets.
    """
    accounts = {order.cluster.service_account for order in orders.values()} - {None}
    rights = _rights(accounts.pop() if accounts else None)
    objects = {"rights.yaml": as_yaml(("What the proofs of nodes may do, and where they run.",), *rights)}
    if returning:
        jobs = [_job(order, node) for order in orders.values() for node in order.nodes if node in set(returning)]
        objects["job.yaml"] = as_yaml(_RETURN, *jobs)
    else:
        objects |= {
            f"{image}.yaml": as_yaml([order.title, f"GPU: {resource(order) or 'none'}.", *_notes(order)], made)
            for image, order in orders.items()
            for made in [_daemon_set(image, order)]
        }
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": list(objects),
        "generatorOptions": {"disableNameSuffixHash": True},
        "configMapGenerator": [{"name": CONFIG_MAP, "files": [CHECK_FILE, SCRIPT]}],
    }
    first = as_yaml(("The proofs of a fleet's nodes: kubectl apply -k .",), kustomization)
    scripts = {CHECK_FILE: check_script(), SCRIPT: from_file(f"kubernetes/{SCRIPT}")}
    return {"kustomization.yaml": first, **objects, **scripts}


def _notes(order: Order) -> Iterator[str]:
    yield from _EVERY
    if order.gpu_vendor and order.gpu_vendor.access == "nodes" and not order.access.groups:
        yield from _GROUPS


def _rights(account: str | None) -> Iterator[dict[str, Any]]:
    """Yield what an account needs; a site's own is there already."""
    subject = {"kind": "ServiceAccount", "name": account or ACCOUNT, "namespace": NAMESPACE}
    role = f"{NAME}-{ACCOUNT}"
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch"]}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": _labels()}}
    if account is None:
        yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(ACCOUNT)}
    yield {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": role, "labels": _labels()},
        "rules": [rule],
    }
    yield {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role, "labels": _labels()},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }


def _labels(instance: str = "") -> dict[str, str]:
    found = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": ACCOUNT}
    return {**found, "app.kubernetes.io/instance": instance} if instance else found


def _metadata(name: str, instance: str = "", annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "namespace": NAMESPACE, "labels": _labels(instance)}
    return {**found, "annotations": dict(annotations)} if annotations else found


def instance_of(image: str) -> str:
    """Return the name of an image's DaemonSet, which is also a label's value: never that of another image.

    >>> instance_of("cuda-tf2.21.0-cuda12.5.1-py3.11-4be1f09a")
    'cuda-tf2-21-0-cuda12-5-1-py3-11-4be1f09a'
    """
    plain = image.lower().replace(".", "-").replace("_", "-")
    mark = sha256(image.encode()).hexdigest()[:8]
    return plain if len(plain) <= NAME_LENGTH else f"{plain[: NAME_LENGTH - len(mark) - 1].rstrip('-')}-{mark}"


def _daemon_set(image: str, order: Order) -> dict[str, Any]:
    name = instance_of(image)
    container = _prover(order, "--stay")
    # Ready tells proved; a pod that is not ready is still there to be read.
    container["readinessProbe"] = {"exec": {"command": ["test", "-e", "/tmp/kgpu-env-proved"]}, "periodSeconds": 10}  # noqa: S108 - a path in the container
    spec = _pod(order, container)
    spec["affinity"] = on_nodes([named(node) for node in order.nodes])
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": _metadata(name, name, order.annotations),
        "spec": {
            "selector": {"matchLabels": _labels(name)},
            "template": {"metadata": {"labels": _labels(name), "annotations": order.annotations}, "spec": spec},
        },
    }


def _job(order: Order, node: str) -> dict[str, Any]:
    spec = {**_pod(order, _prover(order)), "restartPolicy": "Never"}
    spec["affinity"] = on_nodes([named(node)])
    spec["tolerations"] = [*spec.get("tolerations", ()), CORDONED]
    annotations = {**order.annotations, NODE: node}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(job_name(node), annotations=annotations),
        "spec": {
            "backoffLimit": 0,  # a proof that fails is an answer, not a reason to try again
            "activeDeadlineSeconds": JOB_SECONDS,
            "template": {"metadata": {"labels": _labels(), "annotations": annotations}, "spec": spec},
        },
    }


def _prover(order: Order, *more: str) -> dict[str, Any]:
    """Return the container that runs the check and writes its answer on the node."""
    options = [f"--key={OWN}", f"--image={order.reference}", "--taint=no", f"--share={SHARE}", *more]
    found = container_of(order, "proof", [order.python, f"{FOLDER}/{SCRIPT}", *options, "--", *check_command(order)])
    found["env"] += [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
    return found


def _pod(order: Order, container: dict[str, Any]) -> dict[str, Any]:
    spec = pod_spec(order, container)
    spec |= {"automountServiceAccountToken": True, "serviceAccountName": order.cluster.service_account or ACCOUNT}
    spec["tolerations"] = [*spec.get("tolerations", ()), _UNPROVED]
    return spec

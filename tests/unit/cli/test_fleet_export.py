"""The objects that prove a fleet: each node by the image that the plan gives it, and by no other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from provision.catalogue import load
from provision.emit.kubernetes_fleet import instance_of
from provision.fleet.plan import plan
from provision.model import Host, Request, decode, encode
from provision.model.fleet import FleetPlan

DATA = Path(__file__).parents[2] / "data"
HOSTS = DATA / "hosts"
Call = Callable[..., Any]  # of the conftest
MADE_OF = {"gpu-1": "h100-580", "gpu-2": "h100-580", "gpu-3.example": "mi300x-30.10", "gpu-4": "none"}


@pytest.fixture(scope="module")
def made() -> FleetPlan:
    hosts = {name: decode((HOSTS / f"{kind}.json").read_bytes(), Host) for name, kind in MADE_OF.items()}
    return plan(load(DATA / "catalogue"), hosts, Request(user=msgspec.structs.replace(Request().user, uid=1234)))


class Exported:
    """The command, and what it wrote."""

    def __init__(self, call: Call, folder: Path, text: str) -> None:
        self.call, self.folder = call, folder
        (folder / "plan.json").write_text(text)

    def __call__(self, *words: object) -> tuple[int, str]:
        """Return the exit code and what was said."""
        command = ("export", "kubernetes", "--fleet", self.folder / "plan.json", "-o", self.folder / "k8s", "--force")
        ended = self.call(*command, *words)
        return ended.code, ended.err

    def objects(self, name: str) -> list[dict[str, Any]]:
        return list(yaml.safe_load_all((self.folder / "k8s" / name).read_text()))

    @property
    def sets(self) -> list[dict[str, Any]]:
        names = [path.name for path in sorted((self.folder / "k8s").glob("*-*.yaml"))]
        return [one for name in names for one in self.objects(name)]


@pytest.fixture
def exported(kgpu_env: Call, tmp_path: Path, made: FleetPlan) -> Exported:
    return Exported(kgpu_env, tmp_path, encode(made))


def nodes_of(spec: dict[str, Any]) -> list[str]:
    terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return [term["matchFields"][0]["values"][0] for term in terms]


def test_a_daemon_set_for_each_image_on_the_nodes_of_the_plan(exported: Exported, made: FleetPlan) -> None:
    assert exported()[0] == 0
    assert len(made.images) == 2
    found = {tuple(nodes_of(one["spec"]["template"]["spec"])): one for one in exported.sets}
    assert set(found) == {("gpu-1", "gpu-2"), ("gpu-3.example",)}
    for image in made.images:
        one = found[image.nodes]
        pod = one["spec"]["template"]["spec"]
        [container] = pod["containers"]
        assert one["metadata"]["name"] == instance_of(image.id)
        assert container["image"] == image.tag
        maker = {"cuda": "nvidia", "rocm": "amd"}[str(image.stack.vendor)]
        assert container["resources"]["limits"] == {f"{maker}.com/gpu": "1"}  # a count is text
        assert pod["securityContext"]["runAsUser"] == 1234  # as it was built
        assert {"key": "io.kgpu-env.not-proved", "operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"]
        command = container["command"]
        assert {"--taint=no", "--share=10", "--stay", f"--image={image.tag}", "--expect=gpu"} <= set(command)
    selectors = [json.dumps(one["spec"]["selector"]) for one in exported.sets]
    assert len(set(selectors)) == 2


def test_the_rights_are_those_that_the_script_uses(exported: Exported) -> None:
    assert exported()[0] == 0
    space, account, role, binding = exported.objects("rights.yaml")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch"]}]
    assert binding["subjects"][0]["name"] == account["metadata"]["name"]
    assert {one["metadata"]["namespace"] for one in (account, *exported.sets)} == {space["metadata"]["name"]}
    [kustomization] = exported.objects("kustomization.yaml")
    files = {path.name for path in (exported.folder / "k8s").iterdir()}
    scripts = kustomization["configMapGenerator"][0]["files"]
    assert {"kustomization.yaml", *kustomization["resources"], *scripts} == files


def test_an_account_of_the_site_gets_the_rights(exported: Exported) -> None:
    assert exported("--service-account", "prover")[0] == 0
    kinds = [one["kind"] for one in exported.objects("rights.yaml")]
    assert kinds == ["Namespace", "ClusterRole", "ClusterRoleBinding"]
    assert exported.objects("rights.yaml")[2]["subjects"][0]["name"] == "prover"
    assert {one["spec"]["template"]["spec"]["serviceAccountName"] for one in exported.sets} == {"prover"}


def test_a_node_returns_by_a_job_with_its_image(exported: Exported, made: FleetPlan) -> None:
    assert exported("--node", "gpu-3.example", "--node", "gpu-1")[0] == 0
    jobs = {nodes_of(one["spec"]["template"]["spec"])[0]: one for one in exported.objects("job.yaml")}
    images = {name: image.tag for image in made.images for name in image.nodes}
    assert {name: one["spec"]["template"]["spec"]["containers"][0]["image"] for name, one in jobs.items()} == {
        name: images[name] for name in ("gpu-1", "gpu-3.example")
    }
    spec = jobs["gpu-1"]["spec"]
    assert spec["backoffLimit"] == 0
    assert "--stay" not in spec["template"]["spec"]["containers"][0]["command"]
    assert not exported.sets


def test_the_reference_that_fleet_build_wrote_is_the_image(kgpu_env: Call, tmp_path: Path, made: FleetPlan) -> None:
    reference = f"registry.example/team/kgpu-env/cuda@sha256:{'ab' * 32}"
    first, *others = made.images
    pushed = msgspec.structs.replace(
        made, catalogue="sha256:0", images=(msgspec.structs.replace(first, reference=reference), *others)
    )
    exported = Exported(kgpu_env, tmp_path, encode(pushed))
    code, said = exported()
    assert code == 0
    assert reference in {one["spec"]["template"]["spec"]["containers"][0]["image"] for one in exported.sets}
    assert f"no registry is known to have {others[0].id}" in said
    assert "1 nodes of the plan have no image" in said
    assert "another catalogue" in said


def test_groups_come_from_a_host_of_the_maker_alone(exported: Exported) -> None:
    assert exported("--host", str(HOSTS / "mi300x-spx.json"))[0] == 0
    amd = next(one for one in exported.sets if nodes_of(one["spec"]["template"]["spec"]) == ["gpu-3.example"])
    cuda = next(one for one in exported.sets if one is not amd)
    assert amd["spec"]["template"]["spec"]["securityContext"]["supplementalGroups"]
    assert "supplementalGroups" not in cuda["spec"]["template"]["spec"]["securityContext"]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--node", "gpu-9"), 2, "KGE-902"),
        (("--node", "gpu-4"), 2, "KGE-902"),  # it has no image
        (("--node", "zz"), 2, "name one of its nodes: gpu-1"),
        (("--image", "a:1"), 2, "KGE-592"),
    ],
)
def test_bad_words(exported: Exported, words: tuple[str, ...], code: int, text: str) -> None:
    ended, said = exported(*words)
    assert (ended, text in said) == (code, True), said
    assert not (exported.folder / "k8s").exists()


def test_bad_plans(kgpu_env: Call, tmp_path: Path, made: FleetPlan) -> None:
    renamed = msgspec.structs.replace(made.images[0], nodes=("GPU_1",))
    for text, expected in (
        ("{", "KGE-942"),
        (encode(FleetPlan()), "KGE-968"),
        (encode(msgspec.structs.replace(made, images=(renamed,))), "KGE-968"),
    ):
        code, said = Exported(kgpu_env, tmp_path, text)()
        assert (code, expected in said) == (3, True), said
    ended = kgpu_env("export", "slurm", "--fleet", tmp_path / "plan.json")
    assert (ended.code, "KGE-592" in ended.err) == (2, True)
    assert not (tmp_path / "k8s").exists()


def test_names_of_daemon_sets_are_labels_of_their_own() -> None:
    names = [instance_of(f"cuda-{'x' * length}") for length in (10, 80, 81)]
    assert len(set(names)) == 3
    assert max(map(len, names)) <= 63

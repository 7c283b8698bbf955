"""The exported Kubernetes objects against three versions' schemas and in kubectl's Kustomize; no cluster."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine
EXPORTS = Path(__file__).parents[2] / "data" / "exports"
VERSIONS = ("1.25.0", "1.31.0", "1.37.0")
NODES = EXPORTS.parent / "nodes.json"
CHECK = Path(__file__).parents[3] / "provision" / "emit" / "quick_check.py"
Export = Callable[..., None]


def validate(version: str, *files: Path) -> None:
    program = Path(sys.executable).with_name("kubernetes-validate")
    command = [str(program), "--strict", "--quiet", "-k", version, *map(str, files)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_schemas_take_the_goldens_and_jobs_of_named_nodes(version: str, tmp_path: Path, export: Export) -> None:
    export(tmp_path, "kubernetes", "a:1", 0, nodes=("gpu-7", "gpu-8.example"))
    files = [path for path in EXPORTS.glob("*/kubernetes/*.yaml") if path.name != "kustomization.yaml"]
    assert len(files) >= 18
    validate(version, *files, tmp_path / "job.yaml")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, kgpu_env_in: Callable[[Path], Any]) -> Path:
    """The files of a fleet, by the commands themselves: of a cluster by its labels, with a Job for one node."""
    folder = tmp_path_factory.mktemp("fleet")
    command = kgpu_env_in(folder)
    ended = command("fleet", "plan", NODES, "-o", folder / "plan.json")
    assert ended.returncode == 4, ended.stderr  # one node has no GPU
    words = ("export", "kubernetes", "--fleet", folder / "plan.json")
    for more in (("-o", folder / "k8s"), ("-o", folder / "back", "--node", "gpu-2.example")):
        ended = command(*words, *more)
        assert ended.returncode == 0, ended.stderr
    return folder


@pytest.mark.parametrize("version", VERSIONS)
def test_schemas_take_a_fleet(version: str, fleet: Path) -> None:
    files = [path for path in fleet.rglob("*.yaml") if path.name != "kustomization.yaml"]
    assert len(files) == 5  # the rights twice, two DaemonSets, a Job
    validate(version, *files)


def test_kubectl_builds_the_kustomizations_of_a_fleet(kubectl: str, fleet: Path) -> None:
    for name, kinds in (("k8s", {"DaemonSet": 2}), ("back", {"Job": 1})):
        command = [kubectl, "kustomize", str(fleet / name)]
        built = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (built.returncode, built.stderr) == (0, "")
        lines = built.stdout.splitlines()
        for kind, count in {"ConfigMap": 1, "Namespace": 1, "ClusterRoleBinding": 1, **kinds}.items():
            assert lines.count(f"kind: {kind}") == count, kind
        (fleet / f"{name}.all").write_text(built.stdout)
        validate(VERSIONS[-1], fleet / f"{name}.all")


@pytest.fixture(scope="session")
def kubectl(unstable: Callable[..., Path]) -> str:
    return str(unstable("kubectl") / "usr/bin/kubectl")


@pytest.mark.parametrize("name", ["nvidia-cdi", "amd", "cpu"])
def test_kubectl_builds_the_kustomization(kubectl: str, tmp_path: Path, name: str) -> None:
    for path in (*(EXPORTS / name / "kubernetes").iterdir(), CHECK):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    built = subprocess.run(
        [kubectl, "kustomize", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (built.returncode, built.stderr) == (0, "")
    for kind in ("ConfigMap", "Pod", "Job", "DaemonSet"):
        assert f"\nkind: {kind}\n" in built.stdout
    (tmp_path / "all.yaml").write_text(built.stdout)
    validate(VERSIONS[-1], tmp_path / "all.yaml")

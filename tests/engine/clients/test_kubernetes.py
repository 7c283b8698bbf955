"""The exported Kubernetes objects against three versions' schemas and in kubectl's Kustomize; no cluster."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine
EXPORTS = Path(__file__).parents[2] / "data" / "exports"
VERSIONS = ("1.25.0", "1.31.0", "1.37.0")
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

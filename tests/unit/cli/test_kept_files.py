"""What a project has already: kept by every command that writes, and exports go beside it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Call = Callable[..., Any]
EXPORT = ("export", "--vendor", "cpu", "--by-tag", "-o", ".")


def export(kgpu_env: Call, kind: str, *more: str) -> Any:  # noqa: ANN401 - what the fixture gives
    return kgpu_env(EXPORT[0], kind, *EXPORT[1:], *more)


@pytest.mark.parametrize("own", ["compose.yaml", "docker-compose.yml"])
def test_beside_a_compose_file_of_the_project_goes_an_override(kgpu_env: Call, own: str) -> None:
    Path(own).write_text("services: {keras: {image: mine}}\n")
    for _ in range(2):  # and renewed there
        code, out, err = export(kgpu_env, "compose")
        assert (code, out.splitlines()) == (0, ["compose.override.yaml", "quick_check.py"])
        assert "written to compose.override.yaml: the project has a file of that kind of its own" in err
    assert Path(own).read_text() == "services: {keras: {image: mine}}\n"
    found = yaml.safe_load(Path("compose.override.yaml").read_text())
    assert set(found["services"]) == {"kgpu-keras", "kgpu-caches"}
    assert found["services"]["kgpu-keras"]["depends_on"].keys() == {"kgpu-caches"}
    assert set(found["volumes"]) == {"kgpu-caches"}


def test_beside_an_override_of_the_project_goes_a_file_that_is_named(kgpu_env: Call) -> None:
    for name in ("compose.yaml", "docker-compose.override.yml"):
        Path(name).write_text("services: {}\n")
    assert export(kgpu_env, "compose").out.splitlines()[0] == "compose.kgpu-env.yaml"
    assert "docker compose -f YOUR-COMPOSE-FILE -f compose.kgpu-env.yaml" in Path("compose.kgpu-env.yaml").read_text()


@pytest.mark.parametrize("own", [".devcontainer/devcontainer.json", ".devcontainer.json"])
def test_beside_a_devcontainer_of_the_project_goes_a_folder(kgpu_env: Call, own: str) -> None:
    Path(own).parent.mkdir(exist_ok=True)
    Path(own).write_text('{"image": "mine"}\n')
    code, out, _ = export(kgpu_env, "devcontainer")
    folder = Path(".devcontainer/kgpu-env")
    assert (code, out.splitlines()[0]) == (0, str(folder / "devcontainer.json"))
    assert Path(own).read_text() == '{"image": "mine"}\n'
    found = json.loads((folder / "devcontainer.json").read_text())
    assert found["postCreateCommand"]["check"][1] == f"{folder}/quick_check.py"
    assert (folder / found["build"]["dockerfile"]).is_file()


def test_an_export_that_was_changed_is_kept(kgpu_env: Call) -> None:
    assert export(kgpu_env, "compose").code == 0
    file = Path("compose.yaml")
    file.write_text(file.read_text() + "# mine\n")
    code, out, err = export(kgpu_env, "compose")
    assert (code, out) == (3, "")
    assert "KGE-634" in err
    assert "-# mine" in err
    assert export(kgpu_env, "compose", "--force").code == 0
    assert "mine" not in file.read_text()


def test_a_dockerfile_of_the_project_is_kept_and_nothing_else_written(kgpu_env: Call) -> None:
    Path("Dockerfile").write_text("FROM mine\n")
    Path("kgpu-env.yaml").write_text("network: {index_url: 'https://packages.example/simple'}\n")
    code, _, err = kgpu_env("render", "--vendor", "cpu", "-o", ".")
    assert (code, "KGE-634" in err, "-FROM mine" in err) == (3, True, True)
    assert {path.name for path in Path().iterdir()} == {"Dockerfile", "kgpu-env.yaml"}


@pytest.mark.usefixtures("engine")
def test_a_report_does_not_replace_a_file_of_the_project(kgpu_env: Call) -> None:
    Path("proof.json").write_text("mine")
    code, _, err = kgpu_env("verify", "site/x:1", "--vendor", "cpu", "--report", "proof.json")
    assert (code, "KGE-634" in err) == (3, True)
    assert Path("proof.json").read_text() == "mine"
    for _ in range(2):
        kgpu_env("verify", "site/x:1", "--vendor", "cpu", "--report", "new.json")
        assert "kgpu-env/proof" in Path("new.json").read_text()


def test_a_matrix_keeps_files_as_well(kgpu_env: Call) -> None:
    Path("matrix.csv").write_text("mine")
    assert kgpu_env("catalogue", "matrix", "--format", "csv", "-o", "matrix.csv").code == 3
    assert kgpu_env("catalogue", "matrix", "--format", "csv", "-o", "matrix.csv", "--force").code == 0

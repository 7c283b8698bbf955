"""The GitHub action and the GitLab template: by their schemas, and their lines really run."""

import os
import re
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "kgpu-env" / "action.yml"
TEMPLATE = ROOT / ".gitlab" / "kgpu-env.yml"
TUTORIAL = ROOT / "docs" / "tutorials" / "ci.md"
# It ships the schemas of both, as SchemaStore and GitLab publish them; like the devcontainer client it is no part of
# the tests' own environment.
LINTER = (find_uv_bin(), "tool", "run", "--quiet", "check-jsonschema==0.35.0")
pytestmark = pytest.mark.timeout(600)
IMAGE = "keras-tutorial:action"


def lint(schema: str, *paths: Path) -> None:
    words = [*LINTER, "--builtin-schema", f"vendor.{schema}", *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def example(number: int) -> str:
    """Return a yaml block of the tutorial."""
    return str(re.findall(r"^```yaml\n(.*?)^```$", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)[number])


def test_each_file_and_each_example_is_of_its_schema(tmp_path: Path) -> None:
    github, gitlab = tmp_path / "environment.yml", tmp_path / ".gitlab-ci.yml"
    github.write_text(example(0))
    gitlab.write_text(example(1))
    lint("github-actions", ACTION)
    lint("github-workflows", github, *(ROOT / ".github" / "workflows").glob("*.yml"))
    lint("gitlab-ci", gitlab, TEMPLATE)


def test_no_input_is_a_part_of_a_script() -> None:
    steps = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
    assert [step["name"] for step in steps if "${{" in step["run"]] == []
    assert all(step["shell"] == "bash" for step in steps)


def test_the_examples_give_what_there_is() -> None:
    action, template = yaml.safe_load(ACTION.read_text()), yaml.safe_load(TEMPLATE.read_text())[".kgpu-env"]
    (job,) = yaml.safe_load(example(0))["jobs"].values()
    (given,) = (step["with"] for step in job["steps"] if "kgpu-env" in step.get("uses", ""))
    assert set(given) <= set(action["inputs"])
    assert set(re.findall(r"outputs\.([\w-]+)", example(0))) <= set(action["outputs"])
    assert set(yaml.safe_load(example(1))["environment"]["variables"]) <= set(template["variables"])
    inputs = {
        word for line in re.findall(r"^\| (`.+?) \|", TUTORIAL.read_text(), re.MULTILINE) for word in line.split(", ")
    }
    assert {f"`{name}`" for name in action["inputs"]} == inputs


def words_of(lines: str, folder: Path, program: str, **variables: str) -> tuple[int, list[str], str]:
    """Run the lines of a template with a program in kgpu-env's place; return the code, its words and what was said."""
    own = folder / "kgpu-env"
    own.write_text("""#!/bin/sh\nprintf '[%s]\\n' "$@" >&2\necho '{"image_id": "1"}'\n""")
    own.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "RUNNER_TEMP": str(folder), "GITHUB_OUTPUT": "/dev/null"}
    start = {"bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"], "sh": ["sh", "-e"]}[program]
    done = subprocess.run(
        [*start, "-c", lines], cwd=folder, env=environment | variables, capture_output=True, text=True, check=False
    )
    return done.returncode, re.findall(r"^\[(.*)\]$", done.stderr, re.MULTILINE), done.stderr


OPTIONS = """--vendor cpu --package 'numpy >= 2'
 --env A="two words" *.txt "$(touch made)" it\\'s"""
WORDS = ["--vendor", "cpu", "--package", "numpy >= 2", "--env", "A=two words", "*.txt", "$(touch made)", "it's"]


def action_lines(name: str) -> str:
    return str(next(one["run"] for one in yaml.safe_load(ACTION.read_text())["runs"]["steps"] if one["name"] == name))


def template_lines() -> str:
    job = yaml.safe_load(TEMPLATE.read_text())[".kgpu-env"]
    (words,) = (line for line in job["before_script"] if line.startswith("words()"))
    return "\n".join([words, *job["script"]])


@pytest.mark.parametrize("step", ["Build", "Verify"])
def test_the_action_splits_options_as_a_shell_would_and_expands_nothing(step: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    known = {"IMAGE": "i:1", "PUSH": "false", "REPORTS": "reports"}
    code, words, _ = words_of(action_lines(step), tmp_path, "bash", OPTIONS=OPTIONS, **known)
    assert (code, words[-len(WORDS) :], (tmp_path / "made").exists()) == (0, WORDS, False)
    code, words, _ = words_of(action_lines(step), tmp_path, "bash", OPTIONS="", **known)
    assert (code, words[0], words[-1]) == (0, *(("build", "--json") if step == "Build" else ("verify", "--force")))
    code, words, said = words_of(action_lines(step), tmp_path, "bash", OPTIONS="--tag 'a", **known)
    assert (code, words) == (2, [])
    assert said.strip().endswith("a quote is not closed")
    assert "Traceback" not in said


@pytest.mark.parametrize("program", ["sh", "bash"])
def test_the_template_splits_options_alike(program: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    given = {"KERAS_IMAGE": "i:1", "KERAS_OPTIONS": OPTIONS, "KERAS_VERIFY": "--level 'quick'"}
    code, words, said = words_of(template_lines(), tmp_path, program, **given)
    end = words.index("verify")
    assert (code, words[end - len(WORDS) : end], words[-2:]) == (0, WORDS, ["--level", "quick"]), said
    assert not (tmp_path / "made").exists()
    code, words, said = words_of(template_lines(), tmp_path, program, **given | {"KERAS_OPTIONS": '"a'})
    assert (code, words, said) == (2, [], "KERAS_OPTIONS: a quote is not closed\n")
    code, words, _ = words_of(template_lines(), tmp_path, program, **given | {"KERAS_VERIFY": "no"})
    assert (code, "verify" in words) == (0, False)


def installing(environment: dict[str, str]) -> dict[str, str]:
    """The environment in which pip installs the package alone: what it needs is that of the tests."""
    site = sysconfig.get_path("purelib")
    return {
        **environment,
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONPATH": site,
    }


def shell(lines: str, folder: Path, environment: dict[str, str], program: str = "bash") -> str:
    words = {"bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"], "sh": ["sh", "-e"]}[program]
    done = subprocess.run(
        [*words, "-c", lines], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, f"{lines}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.engine
@pytest.mark.usefixtures("tensorflow_image")  # whose layers these builds take
def test_the_action_s_steps(
    tutorial_environment: dict[str, str],
    locked: Callable[[Path, str], list[str]],
    tmp_path: Path,
) -> None:
    project, runner = tmp_path / "project", tmp_path / "runner"
    project.mkdir()
    runner.mkdir()
    inputs: dict[str, Any] = {
        name: one.get("default") for name, one in yaml.safe_load(ACTION.read_text())["inputs"].items()
    }
    inputs |= {"image": IMAGE, "options": " ".join(locked(project, "tensorflow")), "verify": "--level quick"}
    known = {"github.action_path": str(ACTION.parent), **{f"inputs.{name}": text for name, text in inputs.items()}}
    files = {name: runner / name for name in ("GITHUB_PATH", "GITHUB_OUTPUT")}
    for file in files.values():
        file.touch()
    environment = installing(tutorial_environment) | {"RUNNER_TEMP": str(runner)}
    environment |= {name: str(file) for name, file in files.items()}
    for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"]:
        own = {
            name: re.sub(r"\$\{\{ (.+?) \}\}", lambda found: known[found[1]], text)
            for name, text in step["env"].items()
        }
        added = files["GITHUB_PATH"].read_text().split()
        path = {"PATH": ":".join([*reversed(added), os.environ["PATH"]])}
        shell(step["run"], project, environment | own | path)
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
    assert outputs["verdict"] == "cpu"
    assert outputs["image-id"].startswith("sha256:")
    assert {path.name for path in (project / "kgpu-env-reports").iterdir()} == {"proof.html", "proof.json", "proof.xml"}


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow_image")
def test_the_template_s_lines(
    tutorial_environment: dict[str, str],
    locked: Callable[[Path, str], list[str]],
    registry: str,
    api: Any,  # noqa: ANN401 - the SDK's
    tmp_path: Path,
) -> None:
    job = yaml.safe_load(TEMPLATE.read_text())[".kgpu-env"]
    variables = job["variables"] | {
        "CI_REGISTRY": registry,
        "CI_REGISTRY_IMAGE": f"{registry}/team/project",
        "CI_COMMIT_REF_SLUG": "main",
        "CI_REGISTRY_USER": "me",
        "CI_REGISTRY_PASSWORD": "registry-s3cret",
        "KERAS_SOURCE": str(ROOT),
        "KERAS_IMAGE": f"{registry}/team/project/keras:main",
        "KERAS_OPTIONS": " ".join(locked(tmp_path, "tensorflow")),
        "KERAS_VERIFY": "--level quick",
    }
    lines = "\n".join([*job["before_script"], *job["script"]])
    try:
        printed = shell(lines, tmp_path, installing(tutorial_environment) | variables, "sh")
    finally:
        api.remove_image(variables["KERAS_IMAGE"], force=True)
    assert "TRAINED ON CPU" in printed
    assert (tmp_path / "proof.xml").read_text().startswith("<?xml")
    config = tmp_path / ".kgpu-env/docker"
    assert (config.stat().st_mode & 0o777, (config / "config.json").exists()) == (0o700, True)
    shell("\n".join(job["after_script"]), tmp_path, tutorial_environment, "sh")
    assert not config.exists()

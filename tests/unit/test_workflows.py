"""Continuous integration: foreign code by its commit, and every Python that the package says it runs on."""

import re
from pathlib import Path
from typing import Any

import msgspec.toml
import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.stem: path for path in (ROOT / ".github" / "workflows").glob("*.yml")}
PROJECT: dict[str, Any] = msgspec.toml.decode((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", one)]


def test_there_are_the_three() -> None:
    assert set(WORKFLOWS) == {"test", "newest", "release"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_an_action_is_pinned_by_its_commit(name: str) -> None:
    used = re.findall(r"uses: (\S+)(.*)", WORKFLOWS[name].read_text())
    foreign = [(action, comment) for action, comment in used if not action.startswith("./")]
    assert foreign
    for action, comment in foreign:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r"  # v\d+\.\d+\.\d+", comment), f"{action} has no version beside it"


def test_the_same_pythons_everywhere() -> None:
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    jobs = yaml.safe_load(WORKFLOWS["test"].read_text())["jobs"]
    assert jobs["quick"]["strategy"]["matrix"]["python"] == PYTHONS
    nox = re.search(r"^PYTHONS = \((.*)\)$", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
    assert nox
    assert re.findall(r"3\.\d+", nox[1]) == PYTHONS


def test_only_the_job_that_publishes_may_ask_for_an_identity() -> None:
    jobs = yaml.safe_load(WORKFLOWS["release"].read_text())["jobs"]
    assert {name: job.get("permissions") for name, job in jobs.items()} == {
        "test": None,
        "build": None,
        "publish": {"id-token": "write"},
    }

"""What tests are installed from: locked for every Python, by hash, from no index in particular."""

import re
from pathlib import Path
from typing import Any

import msgspec.toml
import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "tests" / "locks"
PROJECT: dict[str, Any] = msgspec.toml.decode((ROOT / "pyproject.toml").read_text())
GROUPS: dict[str, list[str | dict[str, str]]] = PROJECT["dependency-groups"]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
RENEW = "renew with: ./run relock tests"


def wanted(group: str) -> list[Requirement]:
    found: list[Requirement] = []
    for one in GROUPS[group]:
        found += wanted(one["include-group"]) if isinstance(one, dict) else [Requirement(one)]
    return found


def held(group: str, python: str) -> dict[str, str]:
    """What a lock installs on Linux with a Python, by name."""
    machine = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "os_name": "posix",
    }
    lines = re.findall(r"^([a-z0-9-]+)==(\S+)(?: ; (.+?))? \\$", (LOCKS / f"{group}.txt").read_text(), re.MULTILINE)
    return {name: version for name, version, marker in lines if not marker or Marker(marker).evaluate(machine)}


def test_every_group_has_a_lock() -> None:
    assert {path.stem for path in LOCKS.iterdir()} == set(GROUPS)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("group", GROUPS)
def test_a_lock_holds_what_is_wanted(group: str, python: str) -> None:
    package = [] if group == "torch" else [Requirement(one) for one in PROJECT["project"]["dependencies"]]
    found = held(group, python)
    for one in (*package, *wanted(group)):
        if not one.marker or one.marker.evaluate({"python_version": python}):
            version = found.get(one.name.lower(), "none")
            assert version != "none", f"{one.name}: {RENEW}"
            assert one.specifier.contains(version), f"{one} and not {version}: {RENEW}"


@pytest.mark.parametrize("python", PYTHONS)
def test_the_locks_have_the_same_versions(python: str) -> None:
    largest = held("test", python)
    for group in ("dev", "use"):
        assert held(group, python).items() <= largest.items(), RENEW


@pytest.mark.parametrize("group", GROUPS)
def test_a_lock_names_no_index_and_a_hash_for_everything(group: str) -> None:
    text = (LOCKS / f"{group}.txt").read_text()
    assert not re.search(r"://|--(extra-)?index|--find-links", text)
    blocks = re.split(r"^(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    assert [one for one in blocks if one.strip() and "--hash=sha256:" not in one] == []


def test_what_builds_the_package_is_in_each_lock_that_installs_it() -> None:
    assert GROUPS["use"] == PROJECT["build-system"]["requires"]

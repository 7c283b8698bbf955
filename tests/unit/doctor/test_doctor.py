"""Every code can be looked up, and the gravest finding comes first."""

import re
from pathlib import Path

import pytest

from provision.catalogue import load
from provision.doctor import examine, explain
from provision.doctor.codes import MEANINGS
from provision.doctor.pages import OWN, pages
from provision.model import Engine, Finding, Host, Severity
from provision.prove.checks.table import meanings

PACKAGE = Path(__file__).parents[3] / "provision"
USED = {
    code
    for path in PACKAGE.rglob("*.py")
    if path.name != "codes.py"
    for code in re.findall(r'"(KGE-\d{3})"', path.read_text())
}
CATALOGUED = {row.id for row in load().errors}


@pytest.mark.parametrize("code", sorted(USED | CATALOGUED))
def test_every_code_of_the_program_is_explained(code: str) -> None:
    assert explain(code, load()).startswith(code)


@pytest.mark.parametrize("code", sorted({*MEANINGS, *meanings()} | CATALOGUED))
def test_every_code_tells_cause_looks_fix_and_source(code: str) -> None:
    lines = explain(code, load()).splitlines()
    told = {word: line for line in lines[1:] if (word := line[2:11].strip())}
    assert {"cause", "looks", "fix", "source"} <= set(told)
    assert all(told[word][12:].strip() for word in ("cause", "looks", "fix", "source"))


def test_every_page_is_of_a_code() -> None:
    assert set(pages()) == {*MEANINGS, *meanings()}
    on_disk = {code: page for code, page in pages().items() if "KGE-120" <= code <= "KGE-153"}
    assert [code for code, page in on_disk.items() if page.source == OWN] == ["KGE-151"]
    assert "  rung      driver" in explain("KGE-120", load())


def test_no_meaning_is_left_over() -> None:
    assert {*MEANINGS, *meanings()} <= USED


def test_one_code_has_one_meaning() -> None:
    assert not {*MEANINGS, *meanings()} & CATALOGUED
    assert not set(MEANINGS) & set(meanings())


@pytest.mark.parametrize("code", ["KGE-408", "KGE-411"])
def test_what_several_commands_say_is_worded_once(code: str) -> None:
    assert [path.name for path in PACKAGE.rglob("*.py") if f'"{code}", ' in " ".join(path.read_text().split())] == [
        {"KGE-408": "images.py", "KGE-411": "reference.py"}[code]
    ]


def test_case_does_not_matter_and_nonsense_is_told_apart() -> None:
    assert explain("kge-301", load()).startswith("KGE-301")
    assert explain("KGE-000", load()) == ""
    assert explain("KGE-515", load()).endswith("documents at 52dcb7b (github.com/NVIDIA/cloud-native-docs)")


def test_the_gravest_comes_first_and_a_missing_engine_is_one() -> None:
    note = Finding(code="KGE-109", severity=Severity.INFO, text="note")
    found = examine(Host(findings=(note,)))
    assert [finding.code for finding in found] == ["KGE-301", "KGE-109"]


def test_an_engine_that_cannot_build_is_told() -> None:
    podman = Engine(name="podman", version="4.3.1", buildkit=False)
    assert [finding.code for finding in examine(Host(engine=podman))] == ["KGE-303"]


def test_a_healthy_host_has_nothing() -> None:
    assert examine(Host(engine=Engine(name="docker", version="28.5.2"))) == ()

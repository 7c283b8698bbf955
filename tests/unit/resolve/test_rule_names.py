"""What each rule speaks of, held against what really changes it; and that no rule is asked twice."""

import ast
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import get_args

import pytest

from provision.catalogue import Catalogue, load
from provision.model import Backend, Driver, Gpu, Host, Stack, Vendor
from provision.resolve import rule_names, search
from provision.resolve.candidate import Candidate, Wishes
from provision.resolve.facts import Failure
from provision.resolve.matrix import hosts
from provision.resolve.rule_names import Broken, Of, RuleName
from provision.resolve.rules import OF_PART, Asked, Check
from provision.resolve.search import broken_by, find
from provision.resolve.vendors import ALTERNATIVES, BACKENDS

MODULES = sorted(Path(rule_names.__file__).parent.glob("*.py"))


def broken(vendor: Vendor, host: Host) -> list[frozenset[RuleName]]:
    found = find(load(), host, Wishes(backend="tensorflow"), vendor)
    return broken_by(found) if isinstance(found, Failure) else []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_rule_goes_by_another_name(path: Path) -> None:
    made = [
        node.args[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Broken"
    ]
    assert [ast.unparse(one) for one in made if isinstance(one, ast.Constant | ast.JoinedStr)] == []


def test_a_name_without_what_it_speaks_of_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="of"):
        RuleName.__new_member__(RuleName, "new-rule")  # type: ignore[attr-defined] # what the class calls for a member
    assert all(name.words for name in RuleName)


@pytest.mark.parametrize("vendor", [Vendor.CUDA, Vendor.ROCM])
def test_without_a_wish_no_rule_about_wishes_or_bases_is_broken(vendor: Vendor) -> None:
    machines = [host for _, _, host in hosts(load(), vendor)]
    found = {rule.of for host in machines[::5] for rules in broken(vendor, host) for rule in rules}
    assert found
    assert found <= {Of.BUILD, Of.DRIVER, Of.GPU}


@pytest.mark.parametrize("vendor", [Vendor.CUDA, Vendor.ROCM])
def test_the_driver_changes_nothing_about_the_other_rules(vendor: Vendor) -> None:
    machines = sorted((host for _, _, host in hosts(load(), vendor)), key=lambda host: str(host.gpus))
    compared = 0
    for _, same in groupby(machines, key=lambda host: host.gpus):
        tables = [table for host in same if (table := broken(vendor, host))]
        # The one rule that speaks of both: a driver can be too old for a GPU and too new.
        kept = [[{rule for rule in rules if not about_driver(rule)} for rules in table] for table in tables]
        assert all(one == kept[0] for one in kept)
        compared += len(kept)
    assert compared > len(load().nvidia.capabilities)


def about_driver(rule: RuleName) -> bool:
    return rule.of is Of.DRIVER or rule is RuleName.DRIVER_DRIVES_GPU


def counting(rule: Check, asked: Counter[tuple[object, ...]]) -> Check:
    def ask(candidate: Candidate) -> Broken | None:
        asked[rule.__name__, candidate.label, candidate.runtime.cudnn, str(candidate.image)] += 1
        return rule(candidate)

    return ask


def test_what_stands_in_asks_no_rule_of_tensorflow_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[tuple[object, ...]] = Counter()
    counted = {part: tuple(counting(rule, asked) for rule in rules) for part, rules in OF_PART.items()}
    monkeypatch.setattr(search, "OF_PART", counted)
    monkeypatch.setattr(search, "_on_image", lambda _: None)  # asks about other bases
    gpu = Gpu(vendor="nvidia", architecture="sm_80")
    host = Host(gpus=(gpu,), drivers=(Driver(vendor="nvidia", version="450.80.02"),))
    found = find(Catalogue(load().directory), host, Wishes(), Vendor.CUDA)
    assert isinstance(found, Stack)
    assert found.backend == "torch"
    assert len(asked) > 100
    assert {key: count for key, count in asked.items() if count > 1} == {}


def test_rules_are_asked_up_to_the_first_and_on_from_there() -> None:
    asked: list[int] = []

    def rule(number: int) -> Check:
        def ask(_: Candidate) -> Broken | None:
            asked.append(number)
            return Broken(list(RuleName)[number], "", "") if number % 2 else None

        return ask

    candidate = Candidate(*(None,) * 3)  # type: ignore[arg-type] # these rules do not look at it
    found = Asked([rule(number) for number in range(5)], candidate)
    assert (asked, found.place) == ([0, 1], 1)
    assert found.broken == {list(RuleName)[1], list(RuleName)[3]}
    assert found.broken
    assert asked == [0, 1, 2, 3, 4]
    assert Asked([rule(0), rule(2)], candidate).place == 2


def test_the_backends_are_tensorflow_and_what_stands_in() -> None:
    assert {"tensorflow", *ALTERNATIVES} == set(get_args(Backend))
    assert ("tensorflow", *ALTERNATIVES) == BACKENDS

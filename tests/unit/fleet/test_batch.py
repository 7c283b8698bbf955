"""Batches of nodes, with Ansible's events made of words: what is done, what is not known, and when it stops."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from provision import api
from provision.catalogue import load
from provision.errors import InputError
from provision.fleet.apply import Application, _batches
from provision.fleet.batch import Batch
from provision.fleet.playbook import Hear, Play
from provision.fleet.probing import make
from provision.model import Base, Framework, Route, Stack, Vendor
from provision.model.fleet import FleetImage, FleetPlan
from provision.model.fleet_apply import Applied, AppliedNode, ApplyWishes

STACK = Stack(
    vendor=Vendor.CPU,
    route=Route.WHEELS,
    framework=Framework(name="tensorflow", version="2.18.1"),
    runtime=Framework(name="cpu", version=""),
    python="3.11",
    base=Base(image="debian"),
)
WISHES = ApplyWishes()
NAMES = tuple(f"n{number}" for number in range(6))
IMAGE = FleetImage(id="cpu-1", tag="kgpu-env/cpu:1", platform="x86_64", stack=STACK, nodes=NAMES)
CPU = {"kgpu_env": 1, "installed": True, "shipped": False, "gate": {"state": "never"}, "verified": {"verdict": "cpu"}}


def event(kind: str, name: str, **result: object) -> dict[str, Any]:
    return {"event": f"runner_on_{kind}", "event_data": {"host": name, "task": "x", "res": result}}


def done(name: str) -> list[dict[str, Any]]:
    return [event("ok", name, changed=False), event("ok", name, msg=CPU)]


def half(name: str) -> list[dict[str, Any]]:
    return [event("ok", name, changed=True), event("skipped", name)]


def gone(name: str) -> list[dict[str, Any]]:
    return [event("ok", name, changed=True), event("unreachable", name, msg="Connection refused")]


Outcome = tuple[dict[str, AppliedNode], str, list[str]]
Scripts = Mapping[str, Callable[[str], list[dict[str, Any]]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    def made(scripts: Scripts, wishes: ApplyWishes) -> Outcome:
        asked: list[str] = []

        def play(wanted: Play, hear: Hear) -> None:
            asked.extend(wanted.nodes)
            for name in wanted.nodes:
                for one in scripts.get(name, done)(name):
                    assert hear(one) is False  # no event is kept in a file

        monkeypatch.setattr("provision.fleet.batch.play", play)
        order = Application(
            plan=FleetPlan(images=(IMAGE,)),
            place=tmp_path / "plan.json",
            inventory=tmp_path,
            records=tmp_path,
            signer=api.Records(folder=tmp_path),
            trusted=(),
            catalogue=load(),
        )
        batch = Batch(dict.fromkeys(NAMES, IMAGE), lambda _: None, wishes, order)
        stopped = _batches(batch, NAMES, {}, wishes)
        return batch.found, stopped, asked

    return made


def test_a_node_whose_last_step_did_not_end_is_not_known(run: Any) -> None:  # noqa: ANN401 - of the fixture
    found, stopped, _ = run({"n1": half, "n2": gone, "n3": lambda _: []}, ApplyWishes())
    assert (found["n0"].outcome, found["n1"].outcome) == (Applied.CPU, Applied.UNKNOWN)
    assert (found["n2"].outcome, found["n2"].cause) == (Applied.UNREACHABLE, "Connection refused")
    assert found["n3"].outcome is Applied.UNKNOWN
    assert stopped == ""


def test_after_a_failed_batch_no_other_begins(run: Any) -> None:  # noqa: ANN401 - as above
    found, stopped, asked = run({"n2": gone}, ApplyWishes(serial="2"))
    assert asked == ["n0", "n1", "n2", "n3"]
    assert {found[name].outcome for name in ("n4", "n5")} == {Applied.SKIPPED}
    assert "1 of 2 nodes of the last batch were not proved (n2); 2 further nodes were not begun" in stopped
    found, stopped, asked = run({"n2": gone}, ApplyWishes(serial="2", stop_share=50))
    assert (len(asked), stopped) == (6, "")


def test_a_stop_share_alone_stops_the_run_too(run: Any) -> None:  # noqa: ANN401 - as above
    found, stopped, asked = run({"n1": gone}, ApplyWishes(stop_share=10))
    assert asked == ["n0", "n1"]
    assert {found[name].outcome for name in NAMES[2:]} == {Applied.SKIPPED}
    assert "4 further nodes were not begun" in stopped


@pytest.mark.parametrize(
    ("serial", "share", "nodes", "size"),
    [
        ("0", None, 40, 40),  # one batch, which nothing stops
        ("0", 5.0, 40, 4),
        ("0", 5.0, 1000, 100),
        ("0", 5.0, 3, 1),
        ("20", 5.0, 40, 20),
        ("20", None, 3, 20),
        ("25%", None, 41, 10),
        ("1%", None, 40, 1),
        ("100%", 5.0, 40, 40),
    ],
)
def test_a_batch_has_as_many_nodes_as_were_asked_for(serial: str, share: float | None, nodes: int, size: int) -> None:
    assert ApplyWishes(serial=serial, stop_share=share).batch_size(nodes) == size


def test_with_check_what_is_due_stops_nothing(run: Any) -> None:  # noqa: ANN401 - as above
    def due(name: str) -> list[dict[str, Any]]:
        return [event("ok", name, msg={**CPU, "verified": ""})]

    found, stopped, _ = run(dict.fromkeys(NAMES, due), ApplyWishes(serial="1", check=True))
    assert {one.outcome for one in found.values()} == {Applied.DUE}
    assert stopped == ""


def test_a_record_that_cannot_be_kept_is_told_of_its_node_and_costs_no_other(
    run: Any,  # noqa: ANN401 - as above
    tmp_path: Path,
) -> None:
    (tmp_path / "n1.json").mkdir()  # no file can be put there
    content = base64.b64encode(b"{}").decode()
    found, _, _ = run(dict.fromkeys(NAMES, lambda name: [event("ok", name, msg={**CPU, "record": content})]), WISHES)
    assert (found["n1"].outcome, found["n1"].code) == (Applied.BROKEN, "KGE-605")
    assert "cannot be kept" in found["n1"].cause
    assert {found[name].outcome for name in NAMES if name != "n1"} == {Applied.CPU}
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_cannot_be_written_is_told_before_any_node_is_asked() -> None:
    with pytest.raises(InputError) as caught:
        make(Path("/proc/self"), "name another")  # it is there, and takes no file, even of root
    assert (caught.value.code, caught.value.fix) == ("KGE-605", "name another")


def test_the_first_answer_of_a_node_counts(run: Any) -> None:  # noqa: ANN401 - as above
    found, _, _ = run({"n0": lambda name: [*gone(name), *done(name)]}, ApplyWishes())
    assert found["n0"].outcome is Applied.UNREACHABLE

"""The scenarios and the document that lists them."""

import importlib
import json
from pathlib import Path

V = importlib.import_module("tests.sabotage.conftest")  # as pytest names it with import-mode importlib
HERE = Path(__file__).parent


def test_there_are_enough() -> None:
    assert len(V.scenarios()) >= 24


def test_every_scenario_outside_of_the_records_has_a_test() -> None:
    text = "".join((HERE / name).read_text() for name in ("test_processes.py", "test_containers.py"))
    for name, row in V.scenarios().items():
        assert row.where in {"recorded", "process", "container", "hardware"}
        assert row.where in {"recorded", "hardware"} or f'"{name}"' in text, f"{name} is not played"


def test_what_was_done_to_hardware_ended_as_it_must() -> None:
    runs = [json.loads(path.read_text()) for path in V.VALUES.HARDWARE.glob("*.json")]
    seen = [one for run in runs for one in run.get("sabotage", ())]
    assert all(one["right"] for one in seen if "skipped" not in one)
    rows = {(name, row.code) for name, row in V.scenarios().items() if row.where == "hardware"}
    assert rows <= {(one["name"], one.get("code")) for one in seen}
    assert {name for name, _ in rows} == {one["name"] for one in seen}


def test_the_document_has_the_table() -> None:
    table = V.module("kgpu_sabotage_table", HERE / "table.py")
    text = table.DOCUMENT.read_text()
    assert text == table.document(text), "write it anew: .venv/bin/python tests/sabotage/table.py"

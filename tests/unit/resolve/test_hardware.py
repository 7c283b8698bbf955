"""What the catalogue says of the machines that were seen, against what was proved on them."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from provision.catalogue import load
from provision.model import Host, Request
from provision.resolve import resolve

RUNS = [
    run
    for path in sorted((Path(__file__).parents[3] / "docs" / "hardware").glob("*.json"))
    if (run := json.loads(path.read_text())).get("schema") == "kgpu-env/hardware/1"
]


@pytest.mark.parametrize("run", RUNS, ids=[f"{run['gpu']}, {run['backend']}" for run in RUNS])
def test_a_host_that_was_seen_gets_a_stack_that_was_proved(run: dict[str, Any]) -> None:
    """The probe's own document of a real machine, not one that was made up."""
    stack = resolve(load(), msgspec.convert(run["host"], Host), Request(backend=run["backend"]))
    assert (stack.vendor, stack.backend, stack.gpus) == ("cuda", run["backend"], ("sm_90",))
    proof = run["first"]["proof"]
    if run["backend"] == "tensorflow" and proof["verdict"] == "proved":
        assert stack.framework.version == proof["versions"]["tensorflow"]

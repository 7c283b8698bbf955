"""What the catalogue says of the machines that were seen, against what was proved on them."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from provision.catalogue import load
from provision.model import Host, Request, version_key
from provision.resolve import resolve

RUNS = [
    run
    for path in sorted((Path(__file__).parents[3] / "docs" / "hardware").glob("*.json"))
    if (run := json.loads(path.read_text())).get("schema") == "kgpu-env/hardware/1"
]


@pytest.mark.parametrize("run", RUNS, ids=[f"{run['gpu']}, {run['backend']}" for run in RUNS])
def test_what_was_proved_on_a_host_is_never_refused_to_it(run: dict[str, Any]) -> None:
    """The probe's own document of a real machine, not one made up; tests/data/hardware.txt has what it gets."""
    host = msgspec.convert(run["host"], Host)
    stack = resolve(load(), host, Request(backend=run["backend"]))
    assert (stack.vendor, stack.backend, stack.gpus) == ("cuda", run["backend"], ("sm_90",))
    proof = run["first"]["proof"]
    if run["backend"] == "tensorflow" and proof["verdict"] == "proved":
        proved = proof["versions"]["tensorflow"]
        assert resolve(load(), host, Request(tensorflow=proved)).framework.version == proved
        assert version_key(stack.framework.version) >= version_key(proved)

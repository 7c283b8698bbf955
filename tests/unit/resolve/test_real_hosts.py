"""Hosts of people, from their files to the answer: the stack for the usable GPUs, or the finding as cause and mend."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from trees import TREES, build

from provision import api
from provision.errors import NoStackError
from provision.resolve.vendors import BACKENDS

RIGHT: list[dict[str, Any]] = yaml.safe_load((TREES / "resolved.yaml").read_text())


@pytest.mark.parametrize("right", [row for row in RIGHT if "code" not in row], ids=lambda row: row["name"])
def test_a_stack_is_for_the_usable_gpus_and_tells_what_was_found(tmp_path: Path, right: dict[str, Any]) -> None:
    stack = api.resolve(api.probe_host(build(tmp_path, right["name"])))
    # A new row may bring a preferred backend, never another; what each host gets today is in tests/data/real_hosts.txt.
    assert BACKENDS.index(stack.backend) <= BACKENDS.index(right["backend"])
    assert list(stack.gpus) == right["gpus"]
    told = [one for one in stack.warnings if one.code.startswith("KGE-") or one.code == "gpu-unusable"]
    assert [one.code for one in told] == right["warns"]
    assert all(one.text for one in told)


@pytest.mark.parametrize("right", [row for row in RIGHT if "code" in row], ids=lambda row: row["name"])
def test_a_refusal_repeats_cause_and_mend_of_the_finding(tmp_path: Path, right: dict[str, Any]) -> None:
    with pytest.raises(NoStackError) as caught:
        api.resolve(api.probe_host(build(tmp_path, right["name"])))
    error = caught.value
    # KGE-212 names the newest candidate's rule, and a new row may be the newest.
    assert (error.code, right["says"] in error.cause or error.code == "KGE-212") == (right["code"], True), error.cause
    assert error.fix.startswith(right["fix"])
    assert "modprobe amdgpu" not in error.fix or "has no driver" in error.cause
    assert not error.fix.endswith("an environment without the GPU")

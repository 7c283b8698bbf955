"""Hosts of people, from their files to the answer: the stack for the usable GPUs, or the finding as cause and mend."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from trees import TREES, build

from provision import api
from provision.errors import NoStackError
from provision.model import Request, version_key
from provision.resolve.vendors import BACKENDS

RIGHT: list[dict[str, Any]] = yaml.load((TREES / "resolved.yaml").read_text(), yaml.CSafeLoader)


def asked(right: dict[str, Any]) -> Request:
    return Request(backend=right.get("asks"), rocm=right.get("rocm"))


@pytest.mark.parametrize("right", [row for row in RIGHT if "code" not in row], ids=lambda row: row["name"])
def test_a_stack_is_for_the_usable_gpus_and_tells_what_was_found(tmp_path: Path, right: dict[str, Any]) -> None:
    stack = api.resolve(api.probe_host(build(tmp_path, right["name"])), asked(right))
    # A new row may bring a preferred backend, never another; what each host gets today is in tests/data/real_hosts.txt.
    assert BACKENDS.index(stack.backend) <= BACKENDS.index(right["backend"])
    assert list(stack.gpus) == right["gpus"]
    told = [one for one in stack.warnings if one.code.startswith("KGE-") or one.code == "gpu-unusable"]
    assert [one.code for one in told] == right["warns"]
    assert all(one.text for one in told)
    assert version_key(stack.framework.version) >= version_key(right.get("at_least", "0"))
    assert set(right.get("also", ())) <= {one.code for one in stack.warnings}
    assert right.get("env", {}).items() <= stack.settings.env.items()


@pytest.mark.parametrize("right", [row for row in RIGHT if "code" in row], ids=lambda row: row["name"])
def test_a_refusal_repeats_cause_and_mend_of_the_finding(tmp_path: Path, right: dict[str, Any]) -> None:
    with pytest.raises(NoStackError) as caught:
        api.resolve(api.probe_host(build(tmp_path, right["name"])), asked(right))
    error = caught.value
    # KGE-212 names the newest candidate's rule, and a new row may be the newest.
    assert (error.code, right["says"] in error.cause or error.code == "KGE-212") == (right["code"], True), error.cause
    assert error.fix.startswith(right["fix"])
    assert "modprobe amdgpu" not in error.fix or "has no driver" in error.cause
    assert not error.fix.endswith("an environment without the GPU")

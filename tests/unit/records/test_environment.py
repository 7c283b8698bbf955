"""A Python environment as the subject of a record: read in an instant, and each change of it named."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provision.errors import InputError
from provision.model import Host
from provision.prove.workload import container
from provision.records import Environment, Kept, Record, State, answer, environment, host_key, seal, title
from provision.records.environment import VARIABLES

PYTHON = Path(sys.executable)
SIGNER = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
KEYS = (SIGNER.public_key(),)
THERE = Environment(
    path="/opt/venv/bin/python",
    python="3.11.2",
    packages={"numpy 2.4.6": "aa", "keras 3.15.1": "bb"},
    variables={"CUDA_VISIBLE_DEVICES": "0"},
    nodes=("/dev/nvidia0",),
)
NAME = title(Path(THERE.path))
HOST = host_key(Host(kernel="6.1.0"), "pod-7")


def kept(**more: Any) -> Kept:  # noqa: ANN401 - fields of several types
    record = Record(
        tool="1.0",
        host=HOST,
        image=NAME,
        image_id="",
        environment=THERE,
        plan="",
        backend="jax",
        level="standard",
        requested="cuda GPU 0",
        verdict="proved",
        code="",
        reason="the model trained and learned on cuda GPU 0",
        at="2026-11-22T10:00:00Z",
        controlled="2026-11-22T10:00:00Z",
        proof="sha256:3",
    )
    return seal(msgspec.structs.replace(record, **more), SIGNER)


def gate(record: Kept | None, **changed: Any) -> Any:  # noqa: ANN401 - fields of several types
    return answer(record, NAME, HOST, msgspec.structs.replace(THERE, **changed), "1.0", keys=KEYS)


def test_an_environment_that_is_as_it_was() -> None:
    found = gate(kept())
    assert (found.state, found.image, found.backend) == (State.PROVED, NAME, "jax")


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "upgraded": (
        {"packages": {"numpy 2.5.0": "cc", "keras 3.15.1": "bb"}},
        "packages: numpy 2.4.6 -> numpy 2.5.0",
    ),
    "added": ({"packages": {**THERE.packages, "jax 0.9": "dd"}}, "packages: none -> jax 0.9"),
    "removed": ({"packages": {"numpy 2.4.6": "aa"}}, "packages: keras 3.15.1 -> none"),
    "rebuilt": (
        {"packages": {"numpy 2.4.6": "ee", "keras 3.15.1": "bb"}},
        "packages: numpy 2.4.6 -> numpy 2.4.6 with other files",
    ),
    "python": ({"python": "3.12.1"}, "Python: 3.11.2 -> 3.12.1"),
    "hidden": ({"variables": {"CUDA_VISIBLE_DEVICES": "-1"}}, "CUDA_VISIBLE_DEVICES: 0 -> -1"),
    "empty": ({"variables": {"CUDA_VISIBLE_DEVICES": ""}}, "CUDA_VISIBLE_DEVICES: 0 -> empty"),
    "not set": ({"variables": {}}, "CUDA_VISIBLE_DEVICES: 0 -> not set"),
    "node gone": ({"nodes": ()}, "device nodes: /dev/nvidia0 -> none"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_makes_it_stale_and_is_named(name: str) -> None:
    arguments, words = CHANGES[name]
    found = gate(kept(), **arguments)
    assert (found.state, found.changed, found.code) == (State.STALE, (words,), "KGE-587")
    assert found.fix == "kgpu-env verify --here --python /opt/venv/bin/python"


def test_many_changed_packages_are_counted() -> None:
    found = gate(kept(), packages={**THERE.packages, **{f"p{i} 1": "" for i in range(9)}})
    assert found.changed == ("packages: none -> p0 1, p1 1, p2 1, p3 1 and 5 more",)


def test_without_a_record_it_was_never_proved() -> None:
    found = gate(None)
    assert (found.state, found.code) == (State.NEVER, "KGE-586")
    assert found.fix == "kgpu-env verify --here --python /opt/venv/bin/python"


def test_the_record_of_an_image_is_none_of_an_environment() -> None:
    assert gate(kept(environment=None, image_id="sha256:1")).state is State.STALE
    assert answer(kept(), NAME, HOST, "sha256:1", "1.0", keys=KEYS).state is State.STALE


@pytest.mark.process
def test_this_python_tells_its_packages(tmp_path: Path) -> None:
    (tmp_path / "kfd").write_text("")
    found = environment(PYTHON, {"XLA_FLAGS": "--x", "SECRET": "s", "TF_VAR_x": "s"}, tmp_path)
    assert found.packages[f"msgspec {msgspec.__version__}"]
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert (found.variables, found.nodes) == ({"XLA_FLAGS": "--x"}, (str(tmp_path / "kfd"),))


@pytest.mark.process
def test_a_package_that_is_installed_over_another_is_noticed(tmp_path: Path) -> None:
    made = tmp_path / "thing-1.0.dist-info"
    made.mkdir()
    variables = {"PYTHONPATH": str(tmp_path)}
    marks = []
    for text in ("a.py,sha256=1,1\n", "a.py,sha256=2,1\n"):
        (made / "RECORD").write_text(text)
        marks.append(environment(PYTHON, variables).packages["thing 1.0"])
    assert len(set(marks)) == 2


@pytest.mark.process
@pytest.mark.parametrize("program", ["/no/such/python", "/bin/true", "/bin/false"])
def test_what_does_not_tell_is_an_input_error(program: str) -> None:
    with pytest.raises(InputError) as caught:
        environment(Path(program), {})
    assert caught.value.code == "KGE-594"
    assert caught.value.cause
    assert "import" not in caught.value.cause  # the program that was to be run is no reason


def test_the_variables_are_those_that_the_workload_records() -> None:
    assert VARIABLES == container.VARIABLES

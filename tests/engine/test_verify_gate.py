"""The record of a real verification, and the gate with a real engine: quick, exact, and closed when it must be."""

import json
import platform
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from provision import __version__
from provision.api.records import host_now
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Context
from provision.records import Kept, Record, load, save, seal, state_folder
from provision.records.keys import own_key, read_or_make

KgpuEnv = Any  # the class of conftest.py
pytestmark = pytest.mark.engine
SECONDS = 0.5  # what the gate may take, as a whole process


@pytest.fixture
def state(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "records")}


def proved(engine: DockerEngine, image: str, state: dict[str, str], key: Path | None = None) -> Record:
    """Write the record that a proof would leave; there is no GPU here to make a real one."""
    found = engine.image(image)
    assert found is not None
    record = Record(
        tool=__version__,
        host=host_now(),
        image=image,
        image_id=found.image_id,
        plan="",
        backend="tensorflow",
        level="standard",
        requested="cuda GPU 0",
        verdict="proved",
        code="",
        reason="the model trained and learned on cuda GPU 0",
        at="2026-11-22T10:00:00Z",
        controlled="2026-11-22T10:00:00Z",
        proof="sha256:0",
    )
    signer = read_or_make(key or own_key(state_folder(state), platform.node()))
    save(state_folder(state), seal(record, signer))
    return record


def test_a_verification_leaves_a_record_that_opens_nothing(
    kgpu_env: KgpuEnv, tensorflow_image: str, state: dict[str, str]
) -> None:
    assert kgpu_env("gate", tensorflow_image, env=state).returncode == 7
    assert kgpu_env("verify", tensorflow_image, "--vendor", "cpu", env=state).returncode == 0
    kept = load(state_folder(state), platform.node(), tensorflow_image)
    assert isinstance(kept, Kept)
    record = kept.record
    assert (record.verdict, record.image_id[:7]) == ("cpu", "sha256:")
    assert record.plan
    assert record.host == host_now()
    ended = kgpu_env("gate", "--json", env=state)  # the image verified last
    answer = json.loads(ended.stdout)
    assert (ended.returncode, answer["state"], answer["image"]) == (7, "never", tensorflow_image)
    assert "ended cpu" in answer["reason"]


def test_the_gate_opens_in_time(kgpu_env: KgpuEnv, engine: DockerEngine, base: str, state: dict[str, str]) -> None:
    proved(engine, base, state)
    took = []
    for _ in range(3):
        begun = time.monotonic()
        ended = kgpu_env("gate", base, env=state)
        took.append(time.monotonic() - begun)
        assert (ended.returncode, ended.stdout.split()[0]) == (0, "PROVED"), ended.stdout + ended.stderr
    assert min(took) < SECONDS, took


def test_another_image_of_that_name_is_stale(
    kgpu_env: KgpuEnv, engine: DockerEngine, base: str, tag: str, state: dict[str, str]
) -> None:
    labelled(engine, base, tag, "first")
    proved(engine, tag, state)
    assert kgpu_env("gate", tag, env=state).returncode == 0
    labelled(engine, base, tag, "second")
    ended = kgpu_env("gate", tag, "--json", env=state)
    answer = json.loads(ended.stdout)
    assert (ended.returncode, answer["state"]) == (7, "stale")
    assert [part.split(":")[0] for part in answer["changed"]] == ["image"]


def labelled(engine: DockerEngine, base: str, tag: str, label: str) -> None:
    context = Context(files={"Dockerfile": f"FROM {base}\nLABEL kgpu.test={label}\n".encode()})
    engine.build(context, tag, lambda _: None, {})


def test_tampering_is_refused(
    kgpu_env: KgpuEnv, engine: DockerEngine, base: str, state: dict[str, str], tmp_path: Path
) -> None:
    key, other = tmp_path / "key.pem", tmp_path / "other.pem"
    for path in (key, other):
        path.with_suffix(".pub").write_text(kgpu_env("key", "--out", path, env=state).stdout)
    record = proved(engine, base, state, key)
    trusting = ("--trusted-key", other.with_suffix(".pub"))
    assert kgpu_env("gate", base, "--key", key, env=state).returncode == 0
    assert kgpu_env("gate", base, *trusting, "--trusted-key", key.with_suffix(".pub"), env=state).returncode == 0
    for refused in (kgpu_env("gate", base, *trusting, env=state), kgpu_env("gate", base, env=state)):
        assert (refused.returncode, refused.stdout.split()[0]) == (7, "REFUSED")
    # An editor can sign it with a key of his own, and not with this one.
    forged = msgspec.structs.replace(record, at="2027-11-22T10:00:00Z")
    save(state_folder(state), seal(forged, read_or_make(other)))
    assert kgpu_env("gate", base, "--key", key, env=state).stdout.startswith("REFUSED")


def test_no_engine_is_no_answer(kgpu_env: KgpuEnv, engine: DockerEngine, base: str, state: dict[str, str]) -> None:
    proved(engine, base, state)
    ended = kgpu_env("gate", base, env={**state, "DOCKER_HOST": "unix:///no/such.sock"})
    assert (ended.returncode, ended.stdout) == (5, "")
    assert "KGE-590" in ended.stderr


def test_a_key_that_is_none(kgpu_env: KgpuEnv, tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        ended = kgpu_env("gate", "x", "--key", path)
        assert (ended.returncode, "KGE-591" in ended.stderr) == (3, True)
    (tmp_path / "short").write_bytes(b"1234")
    (tmp_path / "short").chmod(0o600)
    assert kgpu_env("gate", "x", "--key", tmp_path / "short").returncode == 3

"""`gate --here`: the record of a proof without a container, held against the environment as it is."""

import os
import sys
from pathlib import Path

import pytest

from provision.api import gate_here
from provision.api.records import Records, host_now, keep, key_pair, known_control
from provision.model import Check, Proof, Status, Verdict
from provision.records import State, environment, title

PYTHON = Path(sys.executable)
CONTROL = Check(name="control", status=Status.PASS, detail="not proved without it")
PROOF = Proof(verdict=Verdict.PROVED, reason="a reason", image=title(PYTHON), checks=(CONTROL,))
pytestmark = pytest.mark.process


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(folder=tmp_path / "records")


def kept(records: Records) -> None:
    keep(PROOF, records, host_now(), environment=environment(PYTHON, os.environ))


def test_never_then_proved(records: Records, tmp_path: Path) -> None:
    assert gate_here(PYTHON, records).state is State.NEVER
    kept(records)
    assert gate_here(PYTHON, records).state is State.PROVED
    (tmp_path / "site.pub").write_text(key_pair(tmp_path / "site.pem").public)
    trusting = Records(folder=records.folder, trusted=(tmp_path / "site.pub",))
    assert gate_here(PYTHON, trusting).state is State.REFUSED
    keep(
        PROOF,
        Records(folder=records.folder, key=tmp_path / "site.pem"),
        host_now(),
        environment=environment(PYTHON, os.environ),
    )
    assert gate_here(PYTHON, trusting).state is State.PROVED
    assert gate_here(PYTHON, records).state is State.REFUSED  # its own key did not sign it


def test_a_gpu_that_is_hidden_afterwards_closes_it(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    kept(records)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    found = gate_here(PYTHON, records)
    assert (found.state, found.changed) == (State.STALE, ("CUDA_VISIBLE_DEVICES: not set -> -1",))


def test_another_package_closes_it(records: Records, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept(records)
    (tmp_path / "jax-9.9.dist-info").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = gate_here(PYTHON, records)
    assert (found.state, found.changed) == (State.STALE, ("packages: none -> jax 9.9",))


def test_the_control_is_known_for_the_same_environment_only(records: Records) -> None:
    kept(records)
    now = environment(PYTHON, os.environ)
    assert known_control(records, title(PYTHON), now, host_now(), "tensorflow")
    hidden = environment(PYTHON, {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"})
    assert known_control(records, title(PYTHON), hidden, host_now(), "tensorflow") == ""

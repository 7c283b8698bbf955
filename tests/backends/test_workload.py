"""The workload itself, run for real on the CPU by TensorFlow and JAX."""

import json
import signal
import subprocess
import sys
import time

import pytest
from workload import SOURCE, run

from provision.engine.protocol import Ran
from provision.model import Vendor, Verdict
from provision.prove import Evidence, Expectation, Problem, parse_result
from provision.prove.checks.placement import target
from provision.prove.evidence import MARKER
from provision.prove.judge import judge
from provision.prove.workload.tell import EVENT


def test_the_cpu_asked_for() -> None:
    ran = run({"nonce": "n1", "device": "CPU", "indices": [0]})
    *events, result = ran.stdout.splitlines()
    assert result.startswith(f"{MARKER} n1 ")
    assert all(line.startswith(f"{EVENT} n1 ") for line in events)
    phases = [json.loads(line.split(" ", 2)[2])["phase"] for line in events]
    assert list(dict.fromkeys(phases)) == ["import", "training", "product"]
    evidence = parse_result(ran.stdout, "n1")
    assert isinstance(evidence, Evidence)
    proof = judge(Expectation(vendor=Vendor.CPU, indices=(0,)), ran, evidence)
    assert (proof.verdict, proof.code) == (Verdict.CPU, "")
    assert evidence.trainings[0].ops
    assert proof.versions["tensorflow"].startswith("2.")


def test_a_gpu_asked_for_where_there_is_none() -> None:
    ran = run({"nonce": "n2", "device": "GPU", "indices": [0]})
    reason = "no NVIDIA device on this host"
    expectation = Expectation(vendor=Vendor.CUDA, indices=(0,), host_has_gpu=False, host_reason=reason)
    proof = judge(expectation, ran, parse_result(ran.stdout, "n2"))
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-501")
    assert proof.reason == f"{reason}; the model trained on the CPU"


def test_sigterm_leaves_a_line_that_proves_nothing() -> None:
    # It ends by itself where this test is ended before it.
    spec = {"nonce": "n4", "device": "CPU", "epochs": 10_000, "limit": 120}
    command = [sys.executable, "-c", SOURCE, json.dumps(spec)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            # TensorFlow's first words come when it is being imported, long before the training ends.
            process.stderr.readline()
            time.sleep(6)
            process.send_signal(signal.SIGTERM)
            stdout, stderr = process.communicate(timeout=60)
        finally:
            process.kill()  # nothing where it has ended
    ran = Ran(exit_code=process.returncode, stdout=stdout, stderr=stderr, seconds=1.0)
    evidence = parse_result(stdout, "n4")
    assert not isinstance(evidence, Problem)
    assert evidence.stopped
    proof = judge(Expectation(vendor=Vendor.CPU, indices=(0,)), ran, evidence)
    assert (proof.verdict, proof.code) == (Verdict.NOT_PROVED, "KGE-503")


# Every library of the table has a row on every backend; what a backend cannot be asked for says so.
ROWS = {
    *("matmul", "conv2d", "conv2d network", "lstm", "fft", "solver", "sparse", "xla", "mixed precision"),
    "collective",
}
PARTS = ["reference", "product", "profile", "speed", "libraries"]


def test_every_part_on_the_cpu() -> None:
    """What only GPUs are asked for works: on a CPU it must find the CPU."""
    ran = run({"nonce": "n5", "device": "CPU", "indices": [0], "parts": PARTS, "minutes": 0.02, "epochs": 2})
    evidence = parse_result(ran.stdout, "n5")
    assert isinstance(evidence, Evidence)
    assert_rows(evidence, {"collective"})
    [product], [speed], [soak] = evidence.products, evidence.speeds, evidence.soaks
    assert product.difference is not None
    assert product.difference < 1e-5
    assert speed.flops is not None
    assert speed.flops > 1e8
    assert (soak.rounds > 0, soak.wrong, soak.error) == (True, 0, None)
    assert evidence.planes is not None
    assert evidence.planes["/host:CPU"] > 0


def assert_rows(evidence: Evidence, not_asked: set[str]) -> None:
    assert {row.name for row in evidence.libraries} == ROWS
    assert {row.name for row in evidence.libraries if row.not_asked} == not_asked
    done = [row for row in evidence.libraries if not row.not_asked]
    assert [(row.name, row.error) for row in done if row.error] == []
    assert all((row.difference, target(row.place)) == (0.0, "CPU:0") for row in done)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="JAX 0.7 and newer need Python 3.11")
def test_every_part_on_jax() -> None:
    """The same on JAX, on two devices: JAX makes as many of a CPU as it is told to, so they have a sum together."""
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    spec = {"nonce": "n6", "device": "CPU", "indices": [0, 1], "backend": "jax", "parts": PARTS, "minutes": 0.01}
    ran = run(spec, **environment)
    evidence = parse_result(ran.stdout, "n6")
    assert isinstance(evidence, Evidence), ran.stderr
    proof = judge(Expectation(vendor=Vendor.CPU, indices=(0,), backend="jax"), ran, evidence)
    assert (proof.verdict, proof.backend, proof.reason.split(",")[0]) == (
        Verdict.CPU,
        "jax",
        "the model trained and learned on the CPU",
    )
    explicit = [one for one in evidence.trainings if one.kind == "explicit"]
    assert [{target(place.device) for place in one.weights} for one in explicit] == [{"CPU:0"}, {"CPU:1"}]
    assert [target(op.device) for one in explicit for op in one.ops or () if op.op == "dot_general"] == [
        "CPU:0",
        "CPU:1",
    ]
    *rows, together = evidence.libraries
    assert (together.name, together.error, together.difference, target(together.place)) == (
        *("collective", None, 0.0),
        "CPU:1",
    )
    assert {row.name for row in rows} == ROWS - {"collective"}
    assert [(row.name, row.error, row.not_asked) for row in rows if row.error or row.not_asked] == []
    assert {target(row.place) for row in rows} == {"CPU:0", "CPU:1"}

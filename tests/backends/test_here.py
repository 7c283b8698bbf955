"""The proof in a plain environment, this one: what `verify --here` gives."""

import secrets
import sys
import time
from pathlib import Path

from provision.model import Driver, Gpu, Host, Vendor, Verdict
from provision.prove import VerifyRequest
from provision.prove.runner import verify_here

PYTHON = Path(sys.executable)


def proof_of(vendor: Vendor, host: Host) -> tuple[Verdict, str]:
    request = VerifyRequest(vendor=vendor, level="quick", seconds=120)
    proof = verify_here(PYTHON, request, host, (), new_nonce=lambda: secrets.token_hex(16), clock=time.monotonic)
    assert proof.image == f"this environment ({PYTHON})"
    return proof.verdict, proof.code


def test_the_cpu_here() -> None:
    assert proof_of(Vendor.CPU, Host()) == (Verdict.CPU, "")


def test_a_gpu_that_only_the_host_file_has_is_not_proved() -> None:
    gpu = Gpu(vendor="nvidia", uuid="GPU-1", pci="0000:17:00.0")
    host = Host(gpus=(gpu,), drivers=(Driver(vendor="nvidia", version="580.95.05"),))
    verdict, code = proof_of(Vendor.CUDA, host)
    assert (verdict, code) == (Verdict.NOT_PROVED, "KGE-506")

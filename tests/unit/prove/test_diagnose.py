"""Known messages lead to the reason of a proof, with what this host and this run tell."""

import msgspec

from provision.catalogue import load
from provision.doctor.facts import Facts
from provision.engine.protocol import Ran
from provision.model import Engine, Gpu, Host, Toolkit, Vendor
from provision.prove import Evidence, Expectation, Problem
from provision.prove.diagnose import diagnose
from provision.prove.evidence import Node
from provision.prove.judge import judge

ROWS = load().errors


def test_the_other_vendors_messages_are_not_taken() -> None:
    assert diagnose("Could not find cuda drivers on your machine", Vendor.ROCM, ROWS) is None


def test_harmless_lines_are_no_reason() -> None:
    line = "Unable to register cuDNN factory: Attempting to register factory for plugin cuDNN"
    assert diagnose(f"x\n{line}\nx", Vendor.CUDA, ROWS) is None


def test_the_cause_follows_from_the_host() -> None:
    words = 'could not select device driver "" with capabilities: [[gpu]]'
    gpu = Gpu(vendor="nvidia", name="NVIDIA L4")
    without = Host(gpus=(gpu,), engine=Engine(name="docker", version="28.5.2"))
    toolkit = (Toolkit(name="nvidia-container-toolkit", path="/usr/bin/nvidia-ctk"),)
    found = [
        diagnose(words, Vendor.CUDA, ROWS, Facts(host))
        for host in (without, msgspec.structs.replace(without, toolkits=toolkit))
    ]
    assert [one.text for one in found if one] == [
        "nvidia-container-toolkit is not installed",
        "the toolkit was installed after dockerd started",
    ]


def test_a_refusal_is_reported_with_its_cause(cuda: Expectation, done: Ran) -> None:
    words = 'could not select device driver "" with capabilities: [[gpu]]'
    proof = judge(cuda, msgspec.structs.replace(done, refused=words), Problem(what="nothing"), ROWS)
    assert (proof.code, proof.seen) == ("KGE-510", words)
    assert "dockerd found no tool of NVIDIA" in proof.reason
    assert proof.reason.endswith("(said by docker)")


def test_a_log_line_explains_the_cpu(cuda: Expectation, done: Ran, cpu_evidence: Evidence) -> None:
    cuda_build = msgspec.structs.replace(cpu_evidence, build={"is_cuda_build": "True"})
    said = msgspec.structs.replace(
        done, stderr="W: Could not find cuda drivers on your machine, GPU will not be used.\n"
    )
    proof = judge(cuda, said, cuda_build, ROWS)
    assert proof.code == "KGE-814"
    assert "the model trained on the CPU" in proof.reason
    assert "libcudart" in proof.reason


# JAX 0.12 for CUDA 13 in a container that got no device, and no library of the driver.
WITHOUT_DEVICE = """\
RuntimeError: jaxlib/cuda/versions_helpers.cc:52: operation cuptiGetVersion(&version) failed: Unknown CUPTI error 999. \
This probably means that JAX was unable to load cupti.
RuntimeError: Unable to load cuPTI. Is it installed?
jax: Unknown backend: 'gpu' requested, but no platforms that are instances of gpu are present. \
Platforms present are: cpu
"""


def test_what_follows_from_a_missing_device_is_not_its_cause(
    cuda: Expectation, done: Ran, cpu_evidence: Evidence
) -> None:
    """JAX says so of CUPTI and of its plug-in, which are as they should be."""
    built = msgspec.structs.replace(cpu_evidence, build={"is_cuda_build": "True"})
    proof = judge(cuda, msgspec.structs.replace(done, stderr=WITHOUT_DEVICE), built, ROWS)
    assert proof.code == "KGE-507", f"{proof.reason}: {proof.seen}"
    assert "no NVIDIA device node is inside the container" in proof.seen
    nodes = (Node(path="/dev/nvidia0", error=None),)
    there = msgspec.structs.replace(built, environment=msgspec.structs.replace(built.environment, nodes=nodes))
    assert judge(cuda, msgspec.structs.replace(done, stderr=WITHOUT_DEVICE), there, ROWS).code == "KGE-831"


def test_a_refusal_that_no_row_knows_says_so(cuda: Expectation, done: Ran) -> None:
    refused = msgspec.structs.replace(done, refused="something that nobody has met")
    proof = judge(cuda, refused, Problem(what="nothing"), ROWS)
    assert (proof.code, proof.seen) == ("KGE-502", "something that nobody has met")
    assert "in words that no row of the catalogue knows" in proof.reason
    assert proof.fix.startswith("What is wrong is not known")


def test_the_toolkits_unknown_words_are_told_as_unknown(cuda: Expectation, done: Ran) -> None:
    refused = msgspec.structs.replace(done, refused="nvidia-container-cli: container error: a new failure")
    proof = judge(cuda, refused, Problem(what="nothing"), ROWS)
    assert proof.code == "KGE-519"
    assert "not known" in proof.reason
    assert "debug" in proof.fix


def test_an_illegal_instruction_without_a_word_is_known(cuda: Expectation, done: Ran) -> None:
    proof = judge(cuda, msgspec.structs.replace(done, exit_code=132), Problem(what="no output at all"), ROWS)
    assert proof.code == "KGE-815"
    assert "AVX" in proof.reason

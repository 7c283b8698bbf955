"""Each device that was asked for is named, and counted as seen or missing. The evidence is an H100's, with changes."""

from typing import Any

import msgspec
import pytest

from provision.engine.protocol import Ran
from provision.model import Gpu, Vendor, Verdict
from provision.prove import Evidence, Expectation, Problem
from provision.prove.checks.devices import counted, expected
from provision.prove.judge import judge
from provision.prove.report.page import page
from provision.prove.report.summary import summary

SECOND = Gpu(vendor="nvidia", name="NVIDIA H100", uuid="GPU-2", pci="0000:65:00.0")


@pytest.fixture
def two(cuda: Expectation) -> Expectation:
    return msgspec.structs.replace(cuda, indices=(0, 1), gpus=(*cuda.gpus, SECOND))


def test_one_of_two_is_named(two: Expectation, done: Ran, gpu_evidence: Evidence) -> None:
    proof = judge(two, done, gpu_evidence)
    assert proof.verdict is Verdict.NOT_PROVED
    assert [device.seen for device in proof.expected] == [True, False]
    assert proof.reason.startswith("expected 2, seen 1: missing GPU-2; ")


def test_all_of_an_environment_are_those_that_it_shows(two: Expectation, done: Ran, gpu_evidence: Evidence) -> None:
    proof = judge(msgspec.structs.replace(two, indices=()), done, gpu_evidence)
    assert proof.verdict is Verdict.PROVED
    assert proof.reason == "the model trained and learned on cuda GPUs, every one that is shown inside"
    assert [device.seen for device in proof.expected] == [True]


def test_the_missing_one_is_told_on_screen_and_page(two: Expectation, done: Ran, gpu_evidence: Evidence) -> None:
    proof = judge(two, done, gpu_evidence)
    words = "expected 2, seen 1: missing GPU-2"
    text = page(proof)
    assert f"{words[1:]}; " in summary(proof)[0]
    assert f"{words[1:]}; " in text.partition("</header>")[0]
    other = msgspec.structs.replace(proof, reason="another")
    assert f"      devices   {words}" in summary(other)
    assert f"Devices: {words}." in page(other).partition("</header>")[0]
    row = '<tr><th scope="row">NVIDIA H100</th><td><strong class="fail">missing</strong> <span>0000:65:00.0</span>'
    assert row in text


def test_nothing_is_counted_where_one_was_asked_for_and_seen(
    cuda: Expectation, done: Ran, gpu_evidence: Evidence
) -> None:
    proof = judge(cuda, done, gpu_evidence)
    assert counted(proof.expected) == "expected 1, seen 1"
    assert "expected 1" not in page(proof) + " ".join(summary(proof))


def test_all_that_were_asked_for(cuda: Expectation, done: Ran, gpu_evidence: Evidence) -> None:
    proof = judge(cuda, done, gpu_evidence)
    assert [(device.uuid, device.seen) for device in proof.expected] == [(cuda.gpus[0].uuid, True)]
    assert not proof.reason.startswith("expected")


def test_nothing_was_recorded(two: Expectation, done: Ran) -> None:
    proof = judge(two, done, Problem(what="no result line"))
    assert [device.seen for device in proof.expected] == [False, False]
    assert not proof.reason.startswith("expected"), "when nothing ran, no GPU is more missing than another"


def test_without_addresses_it_cannot_be_told(two: Expectation, gpu_record: dict[str, Any]) -> None:
    evidence = msgspec.convert(gpu_record | {"driver": [], "devices": []}, Evidence)
    assert [device.seen for device in expected(two, evidence)] == [None, None]
    assert counted(expected(two, evidence)) == "expected 2, seen 0, 2 without an address to tell by"


def test_a_number_that_the_host_does_not_have_is_missing(cuda: Expectation, gpu_evidence: Evidence) -> None:
    beyond = msgspec.structs.replace(cuda, indices=(0, 1))
    assert [(device.name, device.seen) for device in expected(beyond, gpu_evidence)][1] == ("GPU 1", False)
    nothing_known = msgspec.structs.replace(cuda, gpus=())
    assert [(device.name, device.seen) for device in expected(nothing_known, gpu_evidence)] == [("GPU 0", True)]


def test_the_cpu_expects_no_device(cpu_evidence: Evidence) -> None:
    assert expected(Expectation(vendor=Vendor.CPU, indices=(0,)), cpu_evidence) == ()

"""A report says by itself who made it, where and when, in every form."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from provision.engine.protocol import Ran
from provision.model import (
    Check,
    Driver,
    Engine,
    ExpectedDevice,
    Gpu,
    Host,
    Proof,
    Speed,
    Status,
    Vendor,
    Verdict,
    encode,
)
from provision.prove import Evidence, Expectation, VerifyRequest
from provision.prove.judge import judge
from provision.prove.origin import alias, with_origin
from provision.prove.report.formats import ctrf, junit
from provision.prove.report.headline import headline, short
from provision.prove.report.page import page
from provision.prove.report.summary import summary

NODE, AT = "node7", "2026-11-23T07:42:31Z"
HOST = Host(
    gpus=(Gpu(vendor="nvidia", name="NVIDIA H100 80GB HBM3", architecture="sm_90", pci="0000:17:00.0", uuid="GPU-1"),),
    drivers=(Driver(vendor="nvidia", version="580.95.05", flavour="open"),),
    engine=Engine(name="docker", version="28.5.2", machine=NODE),
    kernel="6.1.0-50",
    distribution="debian 12",
)
REQUEST = VerifyRequest(vendor=Vendor.CUDA, backend="tensorflow")


def said(proof: Proof, *, anonymous: bool = False, contained: bool = True) -> Proof:
    request = replace(REQUEST, anonymous=anonymous)
    return with_origin(proof, HOST, request, node=NODE, at=AT, secret=b"s", contained=contained)


@pytest.fixture
def proof(cuda: Expectation, done: Ran, gpu_evidence: Evidence) -> Proof:
    named = replace(cuda, gpus=(replace(cuda.gpus[0], name="NVIDIA H100 80GB HBM3"),), lanes={"sm_90": 128})
    return replace(judge(named, done, gpu_evidence), image="site/x:1", image_id="sha256:12", seconds=12.5)


def test_the_first_line_for_people(proof: Proof) -> None:
    """The line of docs/proof.md, from what an H100 recorded."""
    [speed] = proof.speeds
    assert (speed.device, round(speed.flops / speed.cpu_flops)) == ("GPU:0", 53)
    expected = "PROVED  node7, 2026-11-23 07:42 UTC: 1 of 1 GPU (H100 80GB), 53 times its CPU, 76 % of its peak"
    assert headline(said(proof)) == summary(said(proof))[0] == expected


def test_only_figures_that_were_measured(proof: Proof) -> None:
    unknown = replace(proof, speeds=(replace(proof.speeds[0], peak_flops=None),))
    assert headline(unknown) == "PROVED  1 of 1 GPU (H100 80GB), 53 times its CPU"
    assert headline(replace(proof, speeds=())) == "PROVED  1 of 1 GPU (H100 80GB)"
    assert headline(replace(proof, speeds=(), expected=())) == f"PROVED  {proof.reason}"


def test_of_several_gpus_the_slowest_is_told(proof: Proof) -> None:
    speeds = tuple(
        Speed(device=f"GPU:{i}", flops=flops, cpu_flops=1.0, peak_flops=80.0) for i, flops in enumerate((40.0, 6.0))
    )
    names = ("NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-40GB")
    expected = tuple(ExpectedDevice(name=name, seen=True) for name in names)
    told = headline(replace(proof, speeds=speeds, expected=expected))
    figures = "at least 6.0 times the CPU, at least 8 % of the peak"
    assert told == f"PROVED  2 of 2 GPUs (1 x H100 80GB, 1 x A100-SXM4-40GB), {figures}"
    alike = tuple(ExpectedDevice(name=names[0], partition="1g.10gb", seen=True) for _ in range(2))
    assert "2 of 2 GPUs (2 x H100 80GB 1g.10gb)" in headline(replace(proof, expected=alike))


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        (Verdict.NOT_PROVED, "NOT PROVED  node7, 2026-11-23 07:42 UTC: KGE-507: No node."),
        (Verdict.INVALID, "INVALID  node7, 2026-11-23 07:42 UTC: KGE-507: No node."),
        (Verdict.CPU, "TRAINED ON CPU  node7, 2026-11-23 07:42 UTC: loss 2.02 -> 0.05"),
    ],
)
def test_the_other_verdicts(proof: Proof, verdict: Verdict, line: str) -> None:
    found = headline(said(replace(proof, verdict=verdict, code="KGE-507", reason="no node")))
    assert found.startswith(line)
    assert ("No pass-through was proved." in found) == (verdict is Verdict.CPU)
    assert "times" not in found


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("NVIDIA H100 80GB HBM3", "H100 80GB"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("AMD Instinct MI300X", "MI300X"),
        ("NVIDIA GeForce RTX 4090", "GeForce RTX 4090"),
        ("Tesla T4", "Tesla T4"),
        ("", ""),
    ],
)
def test_a_products_name_in_short(name: str, told: str) -> None:
    assert short(name) == told


def test_every_form_says_it(proof: Proof) -> None:
    told = said(proof)
    assert told.origin
    words = (
        NODE,
        "6.1.0-50",
        "580.95.05",
        "H100 80GB HBM3",
        "sha256:12",
        "docker 28.5.2",
        told.origin.tool,
        "standard",
    )
    for text in (encode(told), page(told), junit(told), ctrf(told, 10**12)):
        assert [word for word in (*words, "2026-11-23") if word not in text] == []
    for text in (page(told), junit(told), ctrf(told, 10**12)):
        assert "53 times its CPU, 76 % of its peak" in text
    suite = ET.fromstring(junit(told)).find("testsuite")
    assert suite is not None
    assert (suite.attrib["hostname"], suite.attrib["timestamp"]) == (NODE, "2026-11-23T07:42:31")
    extra = json.loads(ctrf(told, 10**12))["results"]["environment"]["extra"]
    assert (extra["host"], extra["summary"]) == (NODE, headline(told))


def test_without_a_container_there_is_no_engine(proof: Proof) -> None:
    assert "none: a process of this host" in junit(said(proof, contained=False))


def test_an_anonymous_host(proof: Proof) -> None:
    words = f"docker at tcp://x, which is {NODE}; {NODE}-2 is another, my{NODE} too"
    check = Check(name="machine", status=Status.PASS, detail=words)
    talking = replace(
        proof,
        reason=words,
        seen=NODE,
        fix=f"ssh {NODE}",
        log=(words,),
        checks=(check,),
    )
    told, name = said(talking, anonymous=True), alias(NODE, b"s")
    assert told.origin
    assert told.origin.node == name
    assert (told.seen, told.fix) == (name, f"ssh {name}")
    for text in (told.reason, told.log[0], told.checks[0].detail):
        assert text == words.replace(f"which is {NODE};", f"which is {name};")
    for text in (page(told), junit(told), ctrf(told, 10**12), "\n".join(summary(told))):
        assert f"is {NODE};" not in text
    assert told.verdict is talking.verdict


def test_an_anonymous_name_is_stable_and_not_to_be_guessed() -> None:
    assert alias(NODE, b"s") == alias(NODE, b"s") != alias("node8", b"s")
    assert alias(NODE, b"s") != alias(NODE, b"t")
    assert NODE not in alias(NODE, b"s")


@pytest.mark.parametrize("field", ["kernel", "gpus", "drivers", "engine", "distribution"])
def test_what_is_not_known_of_a_host_is_left_out(proof: Proof, field: str) -> None:
    nothing: Any = () if field in {"gpus", "drivers"} else None
    told = with_origin(proof, replace(HOST, **{field: nothing}), REQUEST, node=NODE, at=AT, contained=True)
    assert "None" not in junit(told)

"""The proof for CI systems, and what must not break them."""

import json
from xml.etree import ElementTree as ET

import msgspec
import pytest

from provision.engine.protocol import Ran
from provision.model import Check, Proof, Status, Verdict
from provision.prove import Evidence, Expectation
from provision.prove.judge import judge
from provision.prove.report.formats import ctrf, junit


@pytest.fixture
def proof(cuda: Expectation, done: Ran, gpu_evidence: Evidence) -> Proof:
    return msgspec.structs.replace(judge(cuda, done, gpu_evidence), image="site/x:1", seconds=12.5)


def test_junit_counts_what_it_lists(proof: Proof) -> None:
    suite = ET.fromstring(junit(proof)).find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases) == len(proof.checks) + 1
    assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped")) == 4
    assert int(suite.attrib["failures"]) == 0
    assert (cases[-1].attrib["name"], cases[-1].attrib["time"]) == ("verdict", "12.500")


def test_a_verdict_fails_where_no_check_does(proof: Proof) -> None:
    invalid = msgspec.structs.replace(proof, verdict=Verdict.INVALID, reason="the control passed", code="KGE-584")
    failure = ET.fromstring(junit(invalid)).find("testsuite/testcase[@name='verdict']/failure")
    assert failure is not None
    assert failure.attrib["message"] == "fail: KGE-584 the control passed"
    tests = json.loads(ctrf(invalid, 10**12))["results"]["tests"]
    assert (tests[-1]["name"], tests[-1]["status"]) == ("verdict", "failed")


def test_what_xml_cannot_hold_is_shown(proof: Proof) -> None:
    odd = Check(name="build", status=Status.FAIL, detail="\x1b[2J \x00 \ud800 <&> \U0001f600")
    text = junit(msgspec.structs.replace(proof, checks=(odd,), log=("]]>\x02",)))
    failure = ET.fromstring(text).find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.attrib["message"] == "fail: \\x1b[2J \\x00 \\xd800 <&> \U0001f600"


def test_ctrf_adds_up(proof: Proof) -> None:
    report = json.loads(ctrf(proof, 1_700_000_012_500))
    results, summary = report["results"], report["results"]["summary"]
    assert (report["reportFormat"], results["tool"]["name"]) == ("CTRF", "kgpu-env")
    assert summary["tests"] == len(results["tests"]) == sum(summary[name] for name in ("passed", "skipped", "other"))
    assert (summary["start"], summary["stop"]) == (1_700_000_000_000, 1_700_000_012_500)
    assert {test["status"] for test in results["tests"]} == {"passed", "skipped", "other"}

"""A proof for CI systems: JUnit XML and CTRF (Common Test Report Format) JSON."""

import json
import re
from xml.etree import ElementTree as ET  # only written here, never parsed

from provision import __version__
from provision.model import Check, Proof, Status, Verdict
from provision.prove.report.headline import headline, origin

# XML 1.0 has no way to write these, not even escaped.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
CTRF = {
    Status.PASS: "passed",
    Status.FAIL: "failed",
    Status.WARN: "passed",
    Status.SKIP: "skipped",
    Status.UNKNOWN: "other",
}


def cases(proof: Proof) -> tuple[Check, ...]:
    """Return the checks with the verdict as the last of them: it can fail where no single check does."""
    good = proof.verdict in {Verdict.PROVED, Verdict.CPU}
    detail = " ".join(filter(None, (proof.code, proof.reason)))
    return (*proof.checks, Check(name="verdict", status=Status.PASS if good else Status.FAIL, detail=detail))


def junit(proof: Proof) -> str:
    """Return the proof as a JUnit test suite: a test case for each check, and one for the verdict."""
    rows = cases(proof)
    counts = {
        "tests": str(len(rows)),
        "failures": str(sum(row.status is Status.FAIL for row in rows)),
        "errors": "0",
        "skipped": str(sum(row.status in {Status.SKIP, Status.UNKNOWN} for row in rows)),
        "time": f"{proof.seconds or 0:.3f}",
    }
    suites = ET.Element("testsuites", {"name": "kgpu-env verify", **counts})
    suite = ET.SubElement(suites, "testsuite", {"name": _text(proof.image or "proof"), **counts, **_where(proof)})
    properties = ET.SubElement(suite, "properties")
    for name, value in facts(proof).items():
        ET.SubElement(properties, "property", {"name": name, "value": _text(value)})
    for row in rows:
        _case(suite, row, proof)
    ET.SubElement(suite, "system-err").text = _text("\n".join(proof.log))
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def facts(proof: Proof) -> dict[str, str]:
    """Return the answer and what it is about, and who made the proof, where, when and how."""
    about = {"summary": headline(proof), "image": proof.image, "image digest": proof.image_id}
    return {**{name: value for name, value in about.items() if value}, **origin(proof)}


def _where(proof: Proof) -> dict[str, str]:
    """Return host and time as JUnit has them: without a zone, which is UTC."""
    origin = proof.origin
    return {"hostname": _text(origin.node), "timestamp": origin.at.removesuffix("Z")} if origin else {}


def _case(suite: ET.Element, row: Check, proof: Proof) -> None:
    seconds = proof.seconds or 0.0 if row.name == "verdict" else 0.0
    names = {"classname": f"kgpu-env.{proof.backend}", "name": row.name, "time": f"{seconds:.3f}"}
    case = ET.SubElement(suite, "testcase", names)
    kinds = {Status.FAIL: "failure", Status.SKIP: "skipped", Status.UNKNOWN: "skipped"}
    if row.status in kinds:
        ET.SubElement(case, kinds[row.status], {"message": _text(f"{row.status}: {row.detail}")})
    else:
        ET.SubElement(case, "system-out").text = _text(f"{row.status}: {row.detail}")


def _text(text: str) -> str:
    return FORBIDDEN.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def ctrf(proof: Proof, ended_ms: int) -> str:
    """Return the proof as a CTRF report.

    Args:
        proof: the proof.
        ended_ms: when it ended, in milliseconds since 1970, as the format wants it.
    """
    took = int(1000 * (proof.seconds or 0.0))
    tests = [
        {
            "name": row.name,
            "status": CTRF[row.status],
            "duration": took if row.name == "verdict" else 0,
            "message": f"{row.status}: {row.detail}",
            "suite": proof.image or "proof",
        }
        for row in cases(proof)
    ]
    states = [test["status"] for test in tests]
    names = ("passed", "failed", "pending", "skipped", "other")
    summary = {"tests": len(tests), **{name: states.count(name) for name in names}}
    results = {
        "tool": {"name": "kgpu-env", "version": __version__},
        "summary": {**summary, "start": ended_ms - took, "stop": ended_ms},
        "tests": tests,
        "environment": {
            "extra": {**proof.versions, "backend": proof.backend, "requested": proof.requested, **facts(proof)}
        },
    }
    return json.dumps({"reportFormat": "CTRF", "specVersion": "0.0.0", "results": results}, indent=2) + "\n"

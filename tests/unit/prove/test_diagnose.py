"""Known messages lead to their cause. The messages are those of the facts, as their sources quote them."""

import re
from pathlib import Path

import msgspec
import pytest
import yaml

from provision.catalogue import load
from provision.catalogue.rows import KnownError
from provision.engine.protocol import Ran
from provision.model import Vendor
from provision.prove import Evidence, Expectation, Problem
from provision.prove.diagnose import HARMLESS, diagnose
from provision.prove.judge import judge

ROWS = load().errors
RAW = yaml.safe_load((Path(__file__).parents[3] / "images" / "errors.yaml").read_text())["errors"]
EXAMPLES = [(row, line) for row in ROWS for line in row.examples]


def vendors(row: KnownError) -> list[Vendor]:
    return [Vendor.CUDA, Vendor.ROCM] if row.vendor == "any" else [Vendor(row.vendor)]


@pytest.mark.parametrize(("row", "line"), EXAMPLES, ids=[f"{row.id} {line[:40]}" for row, line in EXAMPLES])
def test_a_message_leads_to_its_row_and_no_earlier_one(row: KnownError, line: str) -> None:
    for vendor in vendors(row):
        found = diagnose(f"noise\n  {line}\nnoise", vendor, ROWS)
        if row.note == HARMLESS:  # known, and no cause
            assert re.search(row.match, line)
            assert found is None
        else:
            assert found is not None
            assert (found.code, found.seen) == (row.id, line)


def test_the_other_vendors_messages_are_not_taken() -> None:
    assert diagnose("Could not find cuda drivers on your machine", Vendor.ROCM, ROWS) is None


def test_every_row_that_is_a_cause_has_a_message() -> None:
    # KGE-519 is the general form of those before it.
    assert {row.id for row in ROWS if not row.examples and row.note != HARMLESS} == {"KGE-519"}


def test_rows_are_complete_and_unique() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert all(row.source and row.checked and row.fix and row.cause for row in ROWS)
    assert all("vendor" in row for row in RAW)


def test_a_refusal_is_reported_with_its_cause(cuda: Expectation, done: Ran) -> None:
    words = 'could not select device driver "" with capabilities: [[gpu]]'
    proof = judge(cuda, msgspec.structs.replace(done, refused=words), Problem(what="nothing"), ROWS)
    assert (proof.code, proof.seen) == ("KGE-510", words)
    assert "NVIDIA Container Toolkit is not installed" in proof.reason


def test_a_log_line_explains_the_cpu(cuda: Expectation, done: Ran, cpu_evidence: Evidence) -> None:
    cuda_build = msgspec.structs.replace(cpu_evidence, build={"is_cuda_build": "True"})
    said = msgspec.structs.replace(
        done, stderr="W: Could not find cuda drivers on your machine, GPU will not be used.\n"
    )
    proof = judge(cuda, said, cuda_build, ROWS)
    assert proof.code == "KGE-530"
    assert "the model trained on the CPU" in proof.reason

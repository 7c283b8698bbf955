"""Known messages lead to their cause on this host: row by row, and in logs with noise before and after the fault."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from provision.catalogue import load
from provision.catalogue.messages import KnownError
from provision.doctor.facts import Facts
from provision.doctor.messages import LINES, recognise
from provision.model import Host, Vendor

DATA = Path(__file__).parents[2] / "data"
ROWS = load().errors
EXAMPLES = [(row, line) for row in ROWS for line in row.examples]
MESSAGES: list[dict[str, Any]] = yaml.safe_load((DATA / "messages.yaml").read_text())["messages"]
FILES = sorted((load().directory / "errors").glob("*.yaml"))
HEALTHY = (DATA / "healthy.txt").read_text().splitlines()
LOGS: list[dict[str, Any]] = yaml.safe_load((DATA / "logs.yaml").read_text())["logs"]


def vendors(row: KnownError) -> list[Vendor]:
    return [Vendor.CUDA, Vendor.ROCM] if row.vendor == "any" else [Vendor(row.vendor)]


def facts(given: dict[str, Any]) -> Facts:
    vendor = Vendor(given["vendor"]) if "vendor" in given else None
    return Facts(msgspec.convert(given.get("host", {}), Host), vendor, given.get("variables"))


@pytest.mark.parametrize(("row", "line"), EXAMPLES, ids=[f"{row.id} {line[:40]}" for row, line in EXAMPLES])
def test_an_example_leads_to_its_row_before_every_other(row: KnownError, line: str) -> None:
    for vendor in vendors(row):
        found = recognise(f"x\n  {line}\nx", ROWS, Facts(vendor=vendor))
        assert [found[0].code, found[0].line] == [row.id, line.strip()]
        assert len(found) == 1


def test_the_order_of_the_files_decides_nothing() -> None:
    files = {row["id"]: path.name for path in FILES for row in yaml.safe_load(path.read_text())["errors"]}
    for row, line in EXAMPLES:
        like = [one for one in ROWS if (one.severity, one.general) == (row.severity, row.general)]
        hits = [one for one in like if {one.vendor, row.vendor, "any"} != {"cuda", "rocm", "any"}]
        twice = [one.id for one in hits if files[one.id] != files[row.id] and re.search(one.match, line)]
        assert not twice, f"{row.id}: {line}"


def test_there_are_150_distinct_causes_and_every_row_is_complete() -> None:
    faults = [row for row in ROWS if row.severity != "harmless"]
    assert len({row.cause for row in faults}) >= 150
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert all(row.speaker and row.examples and row.fix and row.check and row.source for row in ROWS)
    assert all(row.note for row in ROWS if row.confidence == "unconfirmed")


def test_both_vendors_and_every_speaker_of_the_field_are_there() -> None:
    assert {"cuda", "rocm", "any"} == {row.vendor for row in ROWS}
    speakers = {"docker", "podman", "toolkit", "cdi", "tensorflow", "jax", "torch", "nccl", "rccl", "miopen", "kubelet"}
    assert speakers <= {row.speaker for row in ROWS}


@pytest.mark.parametrize("line", HEALTHY)
@pytest.mark.parametrize("vendor", [Vendor.CUDA, Vendor.ROCM])
def test_a_line_of_a_healthy_run_is_no_fault(line: str, vendor: Vendor) -> None:
    assert all(one.is_harmless for one in recognise(line, ROWS, Facts(vendor=vendor)))


@pytest.mark.parametrize("given", MESSAGES, ids=[f"{row['code']} {row['source']}" for row in MESSAGES])
def test_a_real_message_has_its_cause_on_its_host(given: dict[str, Any]) -> None:
    first = recognise(given["message"], ROWS, facts(given))[0]
    assert first.code == given["code"]
    assert given.get("cause", "") in first.text


@pytest.mark.parametrize("given", LOGS, ids=[row["name"] for row in LOGS])
def test_the_last_real_fault_of_a_log_is_its_cause(given: dict[str, Any]) -> None:
    before = "".join(f"{line}\n" for line in given.get("log_before", ())) + "work\n" * 200
    found = recognise(before + given["log"], ROWS, facts(given))
    assert [one.code for one in found if not one.is_harmless][:1] == ([given["code"]] if given["code"] else [])
    assert {one.code for one in found if one.is_harmless} >= set(given.get("harmless", []))


def test_another_vendors_rows_are_left_out() -> None:
    assert recognise("Unable to open /dev/kfd read-write: Bad address", ROWS, Facts(vendor=Vendor.CUDA)) == ()
    assert recognise("Unable to open /dev/kfd read-write: Bad address", ROWS)[0].code == "KGE-877"


def test_what_is_not_known_is_told_as_possible_and_what_is_known_to_be_wrong_is_not() -> None:
    line = "CUDA error 46: all CUDA-capable devices are busy or unavailable"
    unknown = recognise(line, ROWS)[0]
    assert "perhaps the vGPU has no licence" in unknown.text
    card = msgspec.convert({"gpus": [{"vendor": "nvidia", "name": "NVIDIA L4"}]}, Host)
    known = recognise(line, ROWS, Facts(card))[0]
    assert "licence" not in known.text
    assert "exclusive mode" in known.text


def test_only_the_end_of_a_long_log_is_read() -> None:
    fault = "Failed to initialize NVML: Unknown Error\n"
    assert recognise(fault + "x\n" * LINES, ROWS) == ()
    assert recognise("x\n" * LINES + fault, ROWS)[0].code == "KGE-514"


def test_every_pattern_is_found_by_a_search_in_one_line() -> None:
    assert all(not re.compile(row.match).flags & re.MULTILINE for row in ROWS)

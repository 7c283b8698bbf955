"""Known messages lead to their cause on this host: row by row, and in logs with noise before and after the fault."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from provision.catalogue import load
from provision.catalogue.messages import KnownError
from provision.doctor.facts import Facts
from provision.doctor.messages import LINES, of_host, recognise
from provision.model import Host, Vendor

DATA = Path(__file__).parents[2] / "data"
HARDWARE = Path(__file__).parents[3] / "docs" / "hardware"
ROWS = load().errors
EXAMPLES = [(row, line) for row in ROWS for line in row.examples]
MESSAGES: list[dict[str, Any]] = yaml.load((DATA / "messages.yaml").read_text(), yaml.CSafeLoader)["messages"]
FILES = sorted((load().directory / "errors").glob("*.yaml"))
HEALTHY = (DATA / "healthy.txt").read_text().splitlines()
LOGS: list[dict[str, Any]] = yaml.load((DATA / "logs.yaml").read_text(), yaml.CSafeLoader)["logs"]
PASTED: list[dict[str, Any]] = yaml.load((DATA / "pasted.yaml").read_text(), yaml.CSafeLoader)["pasted"]


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
    files = {row["id"]: path.name for path in FILES for row in yaml.load(path.read_text(), yaml.CSafeLoader)["errors"]}
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


@pytest.mark.parametrize("given", PASTED, ids=[row["name"] for row in PASTED])
def test_what_people_paste_leads_to_its_cause(given: dict[str, Any]) -> None:
    found = recognise(given["log"], ROWS, facts(given))
    assert [one.code for one in found if not one.is_harmless][:1] == ([given["code"]] if given["code"] else [])


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        ("modprobe: ERROR: could not insert 'nvidia': Key was rejected by service", ["KGE-120"]),
        ("modprobe: FATAL: Module nvidia not found in directory /lib/modules/6.8.0-139-generic", ["KGE-125"]),
        ("modprobe: FATAL: Module nvidia not found.", ["KGE-126"]),
        ("Failed to initialize NVML: Driver/library version mismatch", ["KGE-127"]),
        ("NVRM: API mismatch: the client has the version 367.44, but", ["KGE-106"]),
        ("Failed to initialize NVML: Unknown Error", ["KGE-130"]),
        ("Failed to initialize NVML: Unknown Error", ["KGE-144"]),
        ("RuntimeError: CUDA error 802: system not yet initialized", ["KGE-131"]),
        ("Cuda failure 802 'system not yet initialized'", ["KGE-132"]),
        ("all CUDA-capable devices are busy or unavailable", ["KGE-149"]),
        ("all CUDA-capable devices are busy or unavailable", ["KGE-139"]),
        ("load library failed: libnvidia-ml.so.1: cannot open shared object file", ["KGE-143"]),
        ("load library failed: libnvidia-ml.so.1: cannot open shared object file", ["KGE-142"]),
        ("libnvidia-ml.so.1: cannot open shared object file", ["KGE-142"]),
        ("bpf_prog_query(BPF_CGROUP_DEVICE) failed: operation not permitted", ["KGE-130"]),
        ("crun: error stat'ing file /lib/libEGL_nvidia.so.535.161.07", ["KGE-140"]),
        ("unresolvable CDI devices nvidia.com/gpu=all", ["KGE-140"]),
        ('could not select device driver "" with capabilities: [[gpu]]', ["KGE-141"]),
        ("docker: Error response from daemon: Unknown runtime specified nvidia.", ["KGE-141"]),
        ("Unable to open /dev/kfd read-write: Operation not permitted", ["KGE-143"]),
        ("Unable to open /dev/kfd read-write: Operation not permitted", ["KGE-129"]),
        ("ls: cannot access '/dev/kfd': Permission denied", ["KGE-145"]),
        ("Unable to open /dev/kfd read-write: Cannot allocate memory", ["KGE-147"]),
        ("Unable to open /dev/kfd read-write: Cannot allocate memory", ["KGE-136"]),
        ("Memory access fault by GPU node-1 on address 0x7f", ["KGE-146"]),
        ("HW Exception by GPU node-1 (Agent handle: 0x1) reason :GPU Hang", ["KGE-134"]),
        ("RuntimeError: CUDA error: uncorrectable ECC error encountered", ["KGE-134"]),
        ("Unable to determine the device handle for GPU 0000:81:00.0: GPU is lost.", ["KGE-133"]),
        ("Illegal instruction (core dumped)", ["KGE-148"]),
        ('NCCL WARN Missing "iommu=pt" from kernel command line', ["KGE-150"]),
        ("CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected", ["KGE-139"]),
        ("no ROCm-capable device is detected", ["KGE-129"]),
    ],
)
def test_a_finding_of_the_host_is_the_cause_and_is_named(line: str, codes: list[str]) -> None:
    text = "Docker is installed as a snap; Docker Desktop"
    host = msgspec.convert({"findings": [{"code": codes[0], "severity": "warning", "text": text}]}, Host)
    found = recognise(line, ROWS, Facts(host))[0]
    assert list(found.findings) == codes


def test_the_logs_of_real_runs_give_the_code_that_was_recorded() -> None:
    known = {row.id for row in ROWS}
    proofs = [proof for path in sorted(HARDWARE.glob("*.json")) for proof in _proofs(json.loads(path.read_text()))]
    failed = [proof for proof in proofs if proof.get("code") in known]
    assert len(failed) >= 4
    for proof in proofs:
        found = recognise("\n".join(proof["log"]), ROWS, Facts(vendor=Vendor.CUDA))
        faults = [one.code for one in found if not one.is_harmless]
        assert faults[:1] == ([proof["code"]] if proof in failed else []), proof["log"]


def _proofs(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Yield every record with a log."""
    if isinstance(value, dict) and value.get("log"):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _proofs(one)


def test_another_vendors_rows_are_left_out() -> None:
    assert recognise("Unable to open /dev/kfd read-write: Bad address", ROWS, Facts(vendor=Vendor.CUDA)) == ()
    assert recognise("Unable to open /dev/kfd read-write: Bad address", ROWS)[0].code == "KGE-877"


def test_a_log_is_read_with_the_rows_of_its_host_and_else_with_all() -> None:
    amd = msgspec.convert({"gpus": [{"vendor": "amd", "architecture": "gfx1100"}]}, Host)
    words = 'could not select device driver "" with capabilities: [[gpu]]'
    assert of_host(words, ROWS, amd)[0].code == "KGE-725"
    assert of_host(words, ROWS, Host())[0].code == "KGE-510"
    assert of_host("NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.", ROWS, amd)[0].code == "KGE-757"


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

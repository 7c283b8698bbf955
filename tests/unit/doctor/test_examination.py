"""A host's ladder, the one cause to mend first, and what mends it."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from trees import ROWS

from provision import api
from provision.catalogue import load
from provision.doctor import Silence, examination, examine, explain, is_broken
from provision.doctor.commands import commands, marked, script
from provision.doctor.start import try_start
from provision.doctor.telling import told
from provision.engine.protocol import Image, Ran, Run
from provision.errors import EngineError
from provision.model import DeviceNode, Driver, Engine, Finding, Gpu, Host, Severity, Toolkit
from provision.model.examination import Examination, Start
from provision.model.ladder import LADDER, RUNGS, primary, without_explained

TREES = Path(__file__).parents[2] / "data" / "trees"
MODPROBE = "/etc/modprobe.d"
WELL = Host(
    gpus=(Gpu(vendor="nvidia", pci="0000:01:00.0", kernel_driver="nvidia", nodes=(DeviceNode(path="/dev/nvidia0"),)),),
    drivers=(Driver(vendor="nvidia", version="570.133.07", flavour="open"),),
    toolkits=(Toolkit(name="nvidia-container-toolkit", path="/usr/bin/nvidia-ctk"),),
    nodes=(DeviceNode(path="/dev/nvidiactl"),),
    distribution="ubuntu 24.04",
)


BROKEN = [row for row in ROWS if "primary" in row]


Found = Callable[..., tuple[Host, Examination]]


@pytest.fixture
def found(probed: Callable[[str], Host]) -> Found:
    """Return the host of a row of the causes, and what is found to be wrong with it, of a log too."""

    def examined(row: dict[str, Any], log: str = "") -> tuple[Host, Examination]:
        host = probed(row["name"])
        return host, api.examine_host(host, captured=True, log=log)

    return examined


def note(code: str, severity: Severity = Severity.ERROR, text: str = "text", fix: str = "") -> Finding:
    return Finding(code=code, severity=severity, text=text, fix=fix)


def row_of(name: str) -> dict[str, Any]:
    return next(row for row in ROWS if row["name"] == name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_ladder_has_one_primary_cause_or_none(found: Found, row: dict[str, Any]) -> None:
    _, result = found(row)
    assert (result.primary.code if result.primary else None) == row.get("primary")
    assert [step.rung for step in result.steps] == list(RUNGS)
    broken = [step.rung for step in result.steps if step.state == "broken"]
    assert broken[:1] == ([LADDER[row["primary"]].rung] if "primary" in row else [])
    words = told((), result)
    assert sum(line.startswith("PRIMARY") for line in words) == ("primary" in row)


@pytest.mark.parametrize("row", BROKEN, ids=lambda row: row["name"])
def test_commands_are_commands(found: Found, row: dict[str, Any]) -> None:
    """Each can be split as a shell does, begins with a program and has no sentence behind it."""
    host, result = found(row)
    assert result.primary
    for command in result.commands:
        words = shlex.split(command)
        assert words[0] in {"sudo", "printf", "docker", "echo"}
        assert not {"and", "then", "or", "it", "the", "in"} & set(words), command
        assert command.count("(") == command.count(")")
    text = script(result.primary, host)
    assert text.startswith(f"#!/bin/sh\n# {row['primary']}: ")
    assert all(f"\n{command}\n" in text for command in result.commands)


FIXES = sorted({fix for row in load().errors for fix in (row.fix, *(case.fix for case in row.conditions))})
UNMARKED = re.compile(r"(?<!likes: )sudo \S+")
ANOTHER_WAY = re.compile(r"[,;)] (?:or|else)\b|-[ig] N\b|PROFILE|the DKMS key|slurmd -C")


def test_every_command_of_a_message_is_marked_and_can_be_run() -> None:
    """What stays unmarked are other ways, and commands of which something has to be filled in."""
    for fix in FIXES:
        for command in marked(fix):
            words = shlex.split(command)
            assert words[0] in {"sudo", "docker", "echo", "podman"}, fix
            assert not {"and", "then", "or", "it", "the", "in", "too", "tells"} & set(words), fix
            assert not re.search(r" (N|FILE|PROFILE|DIR)\b", command), fix
        rest = re.sub("`[^`]+`", "", fix)
        assert not UNMARKED.search(rest) or ANOTHER_WAY.search(rest), fix
    assert sum(bool(marked(fix)) for fix in FIXES) > 60


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nvidia-secure-boot-dkms", ("sudo mokutil --import /var/lib/shim-signed/mok/MOK.der",)),
        ("amd-nomodeset", ("sudo sed -i 's/ *nomodeset//' /etc/default/grub && sudo update-grub",)),
        ("amd-azure-hpc-image-blacklist", ("sudo modprobe amdgpu", "sudo update-initramfs -u")),
        (
            "nv-ubuntu2604-novacore-holds-gpu",
            (
                rf"printf 'blacklist nova_core\nblacklist nova_drm\n' | sudo tee {MODPROBE}/blacklist-nova_core.conf",
                "sudo update-initramfs -u",
            ),
        ),
        (
            "amd-almalinux-9.1-rocm-blacklists",
            ("sudo dnf install kernel-devel-$(uname -r)", "sudo dkms autoinstall"),
        ),
        ("nvidia-cdi-spec-stale", ("sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",)),
        ("nv-a100-row-remap-pending", ("sudo nvidia-smi -r -i 0000:c1:00.0",)),
        ("nvidia-lxc-guest-no-uvm", ()),  # on the outer host, not here
        ("nv-docker-desktop-linux", ("docker context use default",)),
    ],
)
def test_what_fixes_it_on_this_distribution(found: Found, name: str, expected: tuple[str, ...]) -> None:
    assert found(row_of(name))[1].commands == expected


def test_words_without_a_command_get_the_distributions_own() -> None:
    toolkit = note("KGE-115", Severity.WARNING, fix="Install nvidia-container-toolkit and restart the engine.")
    assert commands(toolkit, WELL) == ("sudo apt-get install nvidia-container-toolkit", "sudo systemctl restart docker")
    assert commands(toolkit, Host(gpus=WELL.gpus, distribution="void")) == ()
    assert "No command fixes this" in script(note("KGE-133", fix="Switch it off and on."), WELL)
    assert "Nothing has to be fixed" in script(None, WELL)


LOGS = [
    ("nv-rootful-broken-by-no-cgroups", "Failed to initialize NVML: Unknown Error", "KGE-130"),
    ("nv-systemd-reload", "Failed to initialize NVML: Unknown Error", "KGE-144"),
    ("nv-aws-p4-no-fabricmanager", "RuntimeError: CUDA error 802: system not yet initialized", "KGE-131"),
    ("nv-b200-fabricmanager-other-version", "Cuda failure 802 'system not yet initialized'", "KGE-132"),
    ("nvidia-grid-p40-24q", "all CUDA-capable devices are busy or unavailable", "KGE-149"),
    ("nv-docker-snap-ubuntu24", "load library failed: libnvidia-ml.so.1: cannot open shared object file", "KGE-143"),
    ("nv-toolkit-config-points-at-operator-root", "libnvidia-ml.so.1: cannot open shared object file", "KGE-142"),
    ("nv-frigate-lxc-two-gpus", "bpf_prog_query(BPF_CGROUP_DEVICE) failed: operation not permitted", "KGE-130"),
    ("nv-podman-cdi-stale-535", "crun: error stat'ing file /lib/libEGL_nvidia.so.535.161.07", "KGE-140"),
    ("amd-docker-desktop-kfd-eperm", "Unable to open /dev/kfd read-write: Operation not permitted", "KGE-143"),
    ("amd-buildah-fedora39-selinux", "ls: cannot access '/dev/kfd': Permission denied", "KGE-145"),
    ("amd-rx580-x58-no-atomics", "Unable to open /dev/kfd read-write: Cannot allocate memory", "KGE-147"),
    ("amd-strix-halo-fedora-6.17.9", "Memory access fault by GPU node-1 on address 0x7f", "KGE-146"),
    ("cpu-qemu64-no-avx", "Illegal instruction (core dumped)", "KGE-148"),
    ("nv-debian12-libraries-525-module-520", "Failed to initialize NVML: Driver/library version mismatch", "KGE-127"),
    ("nv-cachyos-dkms-missing-for-kernel", "modprobe: FATAL: Module nvidia not found.", "KGE-125"),
]


@pytest.mark.parametrize(("name", "log", "code"), LOGS, ids=[f"{name}-{code}" for name, _, code in LOGS])
def test_the_same_words_have_their_cause_in_the_host(found: Found, name: str, log: str, code: str) -> None:
    result = found(row_of(name), log)[1]
    assert result.primary
    assert result.primary.code == code


def test_a_log_that_the_host_does_not_explain_is_the_cause_itself() -> None:
    result = api.examine_host(WELL, captured=True, log="x\nFailed to initialize NVML: Unknown Error\n")
    assert result.primary
    assert (result.primary.code, [one.code for one in result.messages]) == ("KGE-514", ["KGE-514"])
    assert is_broken(result)
    assert result.steps[-1].state == "broken"


def test_harmless_lines_of_a_log_break_nothing_and_are_told() -> None:
    noise = "Unable to register cuDNN factory: Attempting to register factory for plugin cuDNN"
    result = api.examine_host(WELL, captured=True, log=noise)
    assert (result.primary, is_broken(result)) == (None, False)
    assert [(one.code, one.severity, one.speaker) for one in result.messages] == [("KGE-532", "harmless", "tensorflow")]
    assert told((), result)[-1].startswith(f"harmless  {noise} (")


def test_an_unknown_log_breaks_nothing() -> None:
    result = api.examine_host(WELL, captured=True, log="all is well")
    assert (result.primary, result.messages, is_broken(result)) == (None, (), False)


def test_an_error_of_the_host_comes_before_words_that_it_does_not_explain(found: Found) -> None:
    result = found(row_of("nvidia-secure-boot-dkms"), "Failed to initialize NVML: Unknown Error")[1]
    assert result.primary
    assert result.primary.code == "KGE-120"


def test_a_healthy_host_has_no_primary_cause() -> None:
    result = examination(WELL, examine(WELL, captured=True))
    assert (result.primary, result.commands, result.check) == (None, (), "")
    assert [step.state for step in result.steps] == ["ok", "ok", "ok", "ok", "not known", "not known"]
    assert told((), result)[0] == "Nothing is wrong with this host."


def test_notes_alone_are_no_cause_and_warnings_break_only_when_strict() -> None:
    notes = examination(WELL, [note("KGE-144", Severity.INFO)])
    assert (notes.primary, is_broken(notes, strict=True)) == (None, False)
    warned = examination(WELL, [note("KGE-138", Severity.WARNING)])
    assert warned.primary
    assert (is_broken(warned), is_broken(warned, strict=True)) == (False, True)


def test_an_error_comes_before_a_warning_and_the_lower_rung_first() -> None:
    many = [note("KGE-150", Severity.WARNING), note("KGE-140"), note("KGE-129"), note("KGE-105", Severity.WARNING)]
    first = primary(many)
    assert first
    assert first.code == "KGE-129"
    assert primary([note("KGE-105", Severity.WARNING)]) is None  # a tool that failed is no place on the ladder


def test_a_special_cause_explains_a_general_one_of_the_same_gpus() -> None:
    secure = note("KGE-120", text="The NVIDIA GPU at 0000:01:00.0 has no driver: Secure Boot")
    same = note("KGE-102", text="The NVIDIA GPU at 0000:01:00.0 has no driver")
    other = note("KGE-103", text="The AMD GPU at 0000:03:00.0 has no driver")
    assert without_explained([same, secure, other]) == (secure, other)


class OneImage:
    """An engine with one image, which answers a start as it is told."""

    def __init__(self, answer: Ran | Exception) -> None:
        self.answer = answer
        self.asked: list[Run] = []

    def image(self, reference: str) -> Image | None:
        return Image(image_id="sha256:1", architecture="amd64", size_bytes=1) if reference == "here" else None

    def run(self, run: Run) -> Ran:
        self.asked.append(run)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def ran(code: int | None = 0, **more: Any) -> Ran:  # noqa: ANN401 - fields of Ran, of several types
    return Ran(exit_code=code, stdout="", stderr="", seconds=0.1, **more)


def test_a_container_is_really_started_and_nothing_is_pulled() -> None:
    engine = OneImage(ran())
    absent = try_start(engine, "elsewhere", WELL)
    assert (absent.started, absent.is_absent, engine.asked) == (None, True, [])
    assert "not a local image" in absent.text
    assert try_start(engine, "here", WELL) == Start(image="here", started=True)
    (run,) = engine.asked
    assert (run.access.runtime_ids, run.seconds, run.network) == (("all",), 20.0, False)
    assert try_start(engine, "here", Host()).started
    assert engine.asked[-1].access.method == "none"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ran(127), True),
        (ran(None, refused="could not select device driver"), False),
        (EngineError("KGE-302", "gone"), False),
        (ran(None, timed_out=True), None),
        (ran(1), False),
        (Ran(exit_code=126, stdout="", stderr="exec /bin/sh: exec format error", seconds=0.1), False),
    ],
)
def test_how_a_start_ends(answer: Ran | Exception, *, expected: bool | None) -> None:
    start = try_start(OneImage(answer), "here", WELL)
    assert start.started is expected
    assert bool(start.text) is (expected is not True)


def test_a_refused_start_breaks_the_engines_rung() -> None:
    start = Start(image="here", started=False, text="no such device")
    result = examination(WELL, [note("KGE-308")], start=start)
    assert result.primary
    assert (result.primary.code, result.steps[4].state) == ("KGE-308", "broken")


@pytest.mark.parametrize(
    ("start", "state", "detail"),
    [
        (Start(image="x", started=True), "ok", "docker 28.5.2, started x with the GPU"),
        (Start(image="x", text="it is not a local image"), "not known", "docker 28.5.2; x: it is not a local image"),
        (None, "ok", "docker 28.5.2"),
    ],
)
def test_a_start_is_told_on_the_engines_rung(start: Start | None, state: str, detail: str) -> None:
    host = replace(WELL, engine=Engine(name="docker", version="28.5.2"))
    result = examination(host, (), start=start)
    assert (result.steps[4].state, result.steps[4].detail, result.primary) == (state, detail, None)


SILENT = EngineError("KGE-301", "no container engine answers", cause="looked at unix:///x (Connection refused)")
DENIED = EngineError("KGE-302", "the engine's socket may not be opened", cause="permission denied")


@pytest.mark.parametrize(
    ("silence", "code", "command"),
    [
        (Silence(SILENT), "KGE-301", "sudo apt-get install docker.io"),
        (Silence(SILENT, "/usr/sbin/dockerd"), "KGE-301", "sudo systemctl restart docker"),
        (Silence(SILENT, "/usr/sbin/dockerd", systemd=False), "KGE-301", "sudo service docker restart"),
        (Silence(DENIED, "/usr/sbin/dockerd"), "KGE-302", "sudo usermod -aG docker $USER"),
    ],
)
def test_why_no_engine_answers_decides_what_mends_it(silence: Silence, code: str, command: str) -> None:
    host = replace(WELL, findings=(note(code, Severity.WARNING, "of the probe"),))
    result = examination(host, examine(host, silence=silence))
    assert result.primary
    assert [finding.code for finding in result.findings] == [code]
    assert (result.primary.code, result.commands) == (code, (command,))
    assert result.check in {"docker info", ""}


def test_each_code_of_the_ladder_is_explained() -> None:
    assert [code for code in LADDER if not explain(code, load())] == []

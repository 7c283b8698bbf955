"""`kgpu-env doctor` answers also where the settings stop every other command."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("engine")
KgpuEnv = Callable[..., tuple[int, str, str]]


@pytest.fixture(params=["a misspelt variable", "a catalogue that is not there", "a catalogue that is not YAML"])
def refused(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Settings that stop a command, as the code that it is stopped with."""
    if request.param == "a misspelt variable":
        monkeypatch.setenv("KGPU_ENV_TENSORFLW", "2.21")
        return "KGE-612"
    site = tmp_path / "site"
    monkeypatch.setenv("KGPU_ENV_CATALOGUE", str(site))
    if request.param == "a catalogue that is not there":
        return "KGE-205"
    site.mkdir()
    for name in ("errors.yaml", "nvidia.yaml"):
        (site / name).write_text("{")
    return "KGE-201"


def test_the_code_that_a_command_is_refused_with_is_explained(kgpu_env: KgpuEnv, refused: str) -> None:
    code, _, err = kgpu_env("resolve", "--vendor", "cuda")
    assert (code, err.partition(":")[0]) == (3, refused)
    for word in (refused, refused.lower(), "KGE-515"):  # KGE-515 is a row of the catalogue
        code, out, err = kgpu_env("doctor", word)
        assert (code, out.startswith(f"{word.upper()}\n"), err) == (0, True, "")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("KGPU_ENV_TENSORFLW", "2.21", "KGE-612"), ("KGPU_ENV_CATALOGUE", "/none", "KGE-205")],
)
def test_what_refuses_the_other_commands_is_found_wrong(
    kgpu_env: KgpuEnv, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    code, out, err = kgpu_env("doctor")
    assert (code, out.startswith(f"{told}   error: "), err) == (3, True, "")
    assert "\n          fix: " in out


def test_a_sites_own_words_for_a_message_are_told(
    kgpu_env: KgpuEnv, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "errors.yaml").write_text(
        'errors:\n  - {id: "KGE-515", match: "ours", cause: "c", fix: "call us", source: "s", checked: "2026-11-01"}\n'
    )
    monkeypatch.setenv("KGPU_ENV_CATALOGUE", str(tmp_path))
    assert "call us" in kgpu_env("doctor", "KGE-515")[1]


TREE = {
    "sys/bus/pci/devices/0000:03:00.0/vendor": "0x1002",
    "sys/bus/pci/devices/0000:03:00.0/device": "0x744c",
    "sys/bus/pci/devices/0000:03:00.0/class": "0x030000",
    "proc/cmdline": "ro nomodeset",
    "etc/os-release": "ID=fedora\nVERSION_ID=43\n",
}


@pytest.fixture
def captured(tmp_path: Path) -> Path:
    """A captured host whose kernel was started with nomodeset."""
    for name, text in TREE.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(text)
    return tmp_path / "tree"


def test_a_captured_host_has_one_primary_cause(kgpu_env: KgpuEnv, captured: Path) -> None:
    code, out, err = kgpu_env("doctor", "--root", captured)
    assert (code, err) == (3, "")
    assert out.startswith("PRIMARY   KGE-121 error: ")
    assert out.count("PRIMARY") == 1
    assert "\n          run: sudo grubby --update-kernel=ALL --remove-args=nomodeset\n" in out
    assert "\ndriver    broken    KGE-121\n" in out
    assert "KGE-301" not in out  # a tree does not tell whether an engine answers there


def test_a_host_file_is_examined_as_its_tree(kgpu_env: KgpuEnv, captured: Path, tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(kgpu_env("probe", "--root", captured, "--json")[1])
    assert kgpu_env("doctor", "--host", "host.json") == kgpu_env("doctor", "--root", captured)


def test_fix_prints_a_script(kgpu_env: KgpuEnv, captured: Path) -> None:
    code, out, _ = kgpu_env("doctor", "--root", captured, "--fix")
    assert code == 3
    assert out.startswith("#!/bin/sh\n# KGE-121: ")
    assert "\nsudo grubby --update-kernel=ALL --remove-args=nomodeset\n" in out


def test_warnings_count_when_strict(kgpu_env: KgpuEnv, captured: Path) -> None:
    (captured / "proc/cmdline").write_text("ro")
    (captured / "sys/bus/pci/drivers/amdgpu").mkdir(parents=True)
    (captured / "sys/bus/pci/devices/0000:03:00.0/driver").symlink_to("../../drivers/amdgpu")
    (captured / "sys/module/amdgpu").mkdir(parents=True)
    (captured / "sys/module/amdgpu/initstate").write_text("live")
    node = captured / "sys/class/kfd/kfd/topology/nodes/1"
    node.mkdir(parents=True)
    lines = ("simd_count 192", "vendor_id 4098", "device_id 29772", "gfx_target_version 110000", "location_id 768")
    (node / "properties").write_text("\n".join(lines))
    assert "KGE-113" in kgpu_env("doctor", "--root", captured)[1]  # a warning
    for command in ("doctor", "probe"):
        assert [kgpu_env(command, "--root", captured, *more)[0] for more in ((), ("--strict",))] == [0, 3]


def test_a_log_is_read_and_a_missing_one_refused(kgpu_env: KgpuEnv, captured: Path, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\xff\nFailed to initialize NVML: Unknown Error\n")
    code, out, _ = kgpu_env("doctor", "--root", captured, "--log", "log", "--json")
    assert code == 3
    assert '"schema": "kgpu-env/doctor/1"' in out
    assert kgpu_env("doctor", "--root", captured, "--log", "none")[2].startswith(
        "KGE-614: The log none cannot be read."
    )

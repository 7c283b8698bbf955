"""What a vendor costs: its row, its probe, its facts, its template; really added, in a copy of the repository."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
VENDOR = ROOT / "tests" / "data" / "vendor"
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "node_modules")
COMMAND = ("-c", "from provision.cli import main; main()")
TABLE = Path("provision/model/vendor.py")
# Where each file of tests/data/vendor goes; the row has its place in the table.
ADDED = {
    "probe.py": "provision/probe/acme.py",
    "facts.yaml": "images/acme.yaml",
    "devices.yaml": "images/acme_devices.yaml",
    "template.j2": "templates/dockerfile/warp.j2",
}
OUTPUTS = ("apptainer", "compose", "devcontainer", "kubernetes", "quadlet", "shell")


def grown(text: str) -> str:
    """Return the table with the row, and the three names that a type checker has to see."""
    for pattern, more in (
        (r'(?<=^Maker = Literal\["nvidia", "amd")', ', "acme"'),
        (r'(?<=^RuntimeName = Literal\["cuda", "rocm")', ', "warp"'),
        (r'(?<=^    ROCM = "rocm"\n)', '    WARP = "warp"\n'),
        (r'(?<=^    \),\n)(?=\}\ncomplete\("GPU_VENDORS")', (VENDOR / "row.txt").read_text()),
    ):
        text, count = re.subn(pattern, more.replace("\\", r"\\"), text, flags=re.MULTILINE)
        assert count == 1, pattern
    return text


def run(copy: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(copy), "XDG_CACHE_HOME": str(copy / ".cache")}
    command = [sys.executable, *words]
    ended = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for room in ("provision", "images", "templates", "docs", "tests"):
        for path in (folder / room).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(folder).as_posix(), path.read_bytes()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with the vendor."""
    made = tmp_path_factory.mktemp("vendor") / "copy"
    shutil.copytree(ROOT, made, ignore=LEFT_OUT)
    (made / TABLE).write_text(grown((made / TABLE).read_text()))
    for name, place in ADDED.items():
        shutil.copy(VENDOR / name, made / place)
    return made


@pytest.fixture(scope="module")
def host(copy: Path) -> Path:
    """The tree of a host with the vendor's GPU, synthetic."""
    root = copy / "host"
    bus = root / "sys" / "bus" / "pci"
    for path, text in {
        "sys/bus/pci/devices/0000:01:00.0/vendor": "0xacde\n",
        "sys/bus/pci/devices/0000:01:00.0/device": "0x0020\n",
        "sys/bus/pci/devices/0000:01:00.0/class": "0x030200\n",
        "sys/module/acmegpu/version": "5.1.7\n",
        "proc/sys/kernel/osrelease": "6.8.0-87-generic\n",
        "proc/version": "Linux version 6.8.0-87-generic\n",
        "etc/os-release": 'ID=ubuntu\nVERSION_ID="24.04"\n',
        "dev/.nodes": "/dev/acme0 660 109\n/dev/acmectl 660 109\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (bus / "drivers" / "acmegpu").mkdir(parents=True)
    (bus / "devices" / "0000:01:00.0" / "driver").symlink_to("../../drivers/acmegpu")
    return root


def told(copy: Path, *words: str) -> Any:  # noqa: ANN401 - any document
    return json.loads(run(copy, *COMMAND, *words, "--json"))


def test_what_follows_is_written_by_regenerate_alone(copy: Path) -> None:
    """The places that are written by hand are five; what derives from them names the vendor, too."""
    run(copy, "tests/regenerate.py")
    before, after = dict(files(ROOT)), dict(files(copy))
    by_hand = {TABLE.as_posix(), *ADDED.values()}
    changed = {name for name, content in after.items() if before.get(name) != content}
    derived = {"provision/prove/workload/makers.py", "provision/probe/collector.py", "tests/data/matrix/warp.csv"}
    assert by_hand | derived <= changed
    generated = ("docs/commands/", "provision/schemas/", "images/locks/", "tests/engine/locks/")
    others = [name for name in changed - by_hand - derived if not name.startswith(generated)]
    assert others == []
    assert not set(before) - set(after)
    assert '"warp"' in (copy / "provision/schemas/stack-1.schema.json").read_text()


def test_from_the_probe_to_every_output(copy: Path, host: Path, tmp_path: Path) -> None:
    found = told(copy, "probe", "--root", str(host))
    assert [(gpu["vendor"], gpu["architecture"]) for gpu in found["gpus"]] == [("acme", "wx20")]
    assert [(one["vendor"], one["release"]) for one in found["drivers"]] == [("acme", "5.1")]
    (tmp_path / "host.json").write_text(json.dumps(found))
    here = ("--host", str(tmp_path / "host.json"))
    stack = told(copy, "resolve", *here)
    assert stack["summary"] == "Warp 2.1.3, TensorFlow 2.21, Python 3.12 (acme/tensorflow:2.21-warp2.1)"
    assert (stack["vendor"], stack["backend"], stack["gpus"]) == ("warp", "tensorflow", ["wx20"])
    assert "FROM acme/tensorflow:2.21-warp2.1" in run(copy, *COMMAND, "render", *here)
    for kind in OUTPUTS:
        run(copy, *COMMAND, "export", kind, *here, "--by-tag", "-o", str(tmp_path / kind))
        assert list((tmp_path / kind).iterdir()), kind


def test_its_options_and_its_rules(copy: Path, host: Path) -> None:
    assert "This Warp only." in " ".join(run(copy, *COMMAND, "resolve", "--help").split())
    found = told(copy, "probe", "--root", str(host))
    (copy / "host.json").write_text(json.dumps(found))
    asked = [sys.executable, *COMMAND, "resolve", "--host", "host.json", "--warp", "2.0", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    refused = subprocess.run(asked, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    error = json.loads(refused.stdout)
    assert (refused.returncode, error["code"]) == (4, "KGE-212")
    assert "requested-warp (the Warp asked for)" in error["cause"]
    assert "wx20 is not among the GPUs of Warp 2.0" in {one["reason"] for one in error["rejected"]}


def test_its_matrix_and_its_rows(copy: Path) -> None:
    cells = told(copy, "catalogue", "matrix", "--vendor", "acme")["cells"]
    assert [(cell["driver"], cell["gpu"], cell["framework"]) for cell in cells] == [
        ("5.0", "wx10", "2.20"),
        ("5.0", "wx20", ""),
        ("5.1", "wx10", "2.21"),
        ("5.1", "wx20", "2.21"),
    ]
    shown = told(copy, "catalogue", "show", "warp2.1-tf2.21")
    assert shown["rows"][0]["warp"] == "2.1"
    run(copy, *COMMAND, "catalogue", "check", "--max-age", "99999")


def test_the_evidence_of_its_gpu_is_judged(copy: Path) -> None:
    """The tests of each vendor pass with it: from a row that agrees with itself to a proof on synthetic evidence."""
    tests = ("tests/unit/test_vendor_literals.py", "tests/unit/test_vendors.py", "tests/unit/prove/test_table.py")
    which = "no_vendor_is_named or (warp and (agrees or judged or matrix or known_everywhere))"
    ended = run(copy, "-m", "pytest", *tests, "-v", "-p", "no:cacheprovider", "-k", which)
    assert ended.count("[warp] PASSED") == 4, ended

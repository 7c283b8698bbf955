"""What is added must not own the framework's files: the build itself looks, by the lists of what was installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from provision import api
from provision.catalogue import load
from provision.model import Host, Pin, Request, Vendor
from provision.render.layers import layers_of

HASH = f"sha256:{'0' * 64}"


def check() -> str:
    request = Request(vendor=Vendor.CPU)
    pins = [Pin(name="tf-keras", version="2.21.0", hashes=(HASH,), use="added")]
    return layers_of(load(), api.resolve(Host(), request), request, pins)[-1].check


def installed(site: Path, name: str, file: str) -> None:
    info = site / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "RECORD").write_text(f"{file},,\n")
    (site / file).parent.mkdir(parents=True, exist_ok=True)
    (site / file).touch()  # from Python 3.12 on only what is really there is listed


@pytest.mark.process
@pytest.mark.parametrize(("file", "code"), [("tensorflow/__init__.py", 1), ("tensorflow/extra/__init__.py", 0)])
def test_two_owners_of_a_framework_end_the_build(tmp_path: Path, file: str, code: int) -> None:
    installed(tmp_path, "tensorflow_cpu", "tensorflow/__init__.py")
    installed(tmp_path, "other", file)
    script = (
        f"import sys; sys.path[:] = [{str(tmp_path)!r}, *(p for p in sys.path if 'site-packages' not in p)]; {check()}"
    )
    ended = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    assert ("two distributions own ['tensorflow']" in ended.stderr) is bool(code)

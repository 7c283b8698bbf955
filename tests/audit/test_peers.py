"""The tables of uv and cog are made by a script, which takes them whole or not at all."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

HERE = Path(__file__).parent


def _peers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("peers", HERE / "peers.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["peers"] = module
    spec.loader.exec_module(module)
    return module


peers = _peers()
RUST = """\
static LINUX_CUDA_DRIVERS: LazyLock<[(TorchBackend, Version); 2]> = LazyLock::new(|| {
    [
        // a comment
        (TorchBackend::Cu132, Version::new([580])),
        (TorchBackend::Cu118, Version::new([450, 80, 2])),
    ]
});
static WINDOWS_CUDA_VERSIONS: LazyLock<[(TorchBackend, Version); 1]> = LazyLock::new(|| {
    [
        (TorchBackend::Cu100, Version::new([411, 31])),
    ]
});
"""


def test_uvs_rows_are_read_from_its_source() -> None:
    assert peers.of_uv(RUST) == {"linux": {"13.2": "580", "11.8": "450.80.2"}, "windows": {"10.0": "411.31"}}


@pytest.mark.parametrize("text", ["", RUST.replace("; 2]", "; 3]"), RUST.replace("WINDOWS_CUDA", "WINDOWS_DRIVER")])
def test_a_table_that_is_written_otherwise_is_not_read_in_part(text: str) -> None:
    with pytest.raises(SystemExit, match="is written otherwise now"):
        peers.of_uv(text)


def test_cogs_rows_are_the_newest_first() -> None:
    row = {"TFCPUPackage": "x", "CUDA": "11.2", "CuDNN": "8.1", "Pythons": ["3.10", "3.9"]}
    found = peers.of_cog(json.dumps([{**row, "TF": "2.9.0"}, {**row, "TF": "2.10.0"}]))
    assert [one["tensorflow"] for one in found] == ["2.10.0", "2.9.0"]
    assert found[0]["pythons"] == ["3.9", "3.10"]


@pytest.mark.parametrize(("name", "write"), [("uv", peers.yaml_of_uv), ("cog", peers.yaml_of_cog)])
def test_the_committed_tables_are_as_the_script_writes_them(name: str, write: object) -> None:
    text = (HERE / f"{name}.yaml").read_text()
    body = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    assert callable(write)
    assert write(yaml.safe_load(body)) == body

"""Spoils what programs read from outside; each reader gives a value or an error of its own, and nothing else.

python tests/unit/readers/fuzz.py 2000 prints the table of docs/robustness.md.
"""

import http.client
import io
import json
import random
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import yaml
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from outside import (  # type: ignore[import-not-found] # as below
    DATA,
    DIGEST,
    SIGNER,
    from_apt,
    from_build,
    from_bundle,
    from_capture,
    from_cdi,
    from_certificates,
    from_challenge,
    from_cluster,
    from_conda,
    from_engine,
    from_evidence,
    from_host,
    from_image,
    from_index,
    from_inspected,
    from_key,
    from_lock,
    from_locked,
    from_login,
    from_names,
    from_output,
    from_overlay,
    from_pip,
    from_probe,
    from_project,
    from_pylock,
    from_pyproject,
    from_record,
    from_registry,
    from_requirements,
    from_smi,
    from_statement,
    from_trusted_key,
    from_uv_toml,
    from_variables,
    from_wheel,
    from_wsl,
    some_rows,
)
from spoilt import spoil  # type: ignore[import-not-found] # it lies beside this file, and no package holds them

from provision.catalogue import load
from provision.cli.sanitize import plain_json
from provision.errors import KgpuError, NoStackError
from provision.model import Host, Request, Vendor, encode
from provision.records import HostKey, Record, seal, statement
from provision.records.keys import public_text

UNIT: Final = Path(__file__).parents[1]


class Reader(NamedTuple):
    """One reader of outside data."""

    good: bytes  # what it takes
    read: Callable[[bytes, Path], object]  # gives a value, or raises one of `clean`
    clean: tuple[type[Exception], ...] = (KgpuError,)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


_INDEX: Final = {"manifests": [{"digest": DIGEST, "platform": {"os": "linux", "architecture": "amd64"}}]}
_CONFIG: Final = {
    "architecture": "amd64",
    "config": {"Env": ["A=b"], "Labels": {"a": "b"}},
    "Config": {"Env": ["A=b"], "Labels": {"a": "b"}, "User": "x"},
}
_INFO: Final = {
    "version": {"ApiVersion": "1.50", "Version": "28.5.2", "Components": [{"Name": "Podman Engine", "Version": "5"}]},
    "info": {
        "Driver": "overlay2",
        "Runtimes": {"runc": {}},
        "SecurityOptions": ["name=rootless"],
        "DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}],
        "CDISpecDirs": ["/etc/cdi"],
        "OSType": "linux",
    },
}
_KEPT: Final = Record(
    tool="1.0",
    host=HostKey(node="node1", kernel="6.1", drivers=("nvidia 580.1",), gpus=("nvidia H100",), layout=()),
    image="site/x:1",
    image_id="sha256:1",
    plan="",
    backend="tensorflow",
    level="standard",
    requested="all",
    verdict="proved",
    code="",
    reason="it trained",
    at="2026-11-22T10:00:00Z",
    controlled="",
    proof="sha256:3",
)
_PRIVATE: Final = SIGNER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
_NO_IMAGE: Final = (ValueError, http.client.HTTPException)  # which `probe_image` turns into an OSError
_PROJECT: Final = b"""\
vendor: cuda
tensorflow: "2.21"
packages: [pandas>=2.2]
labels: {a: b}
env: {TZ: UTC}
user: {name: keras, uid: 1000, gid: 1000}
network: {index_url: "https://packages.example/simple", registries: {docker.io: mirror.example}}
profile: a
profiles:
  a: {python: "3.12", apt: [git]}
"""
_PYLOCK: Final = b"""\
lock-version = "1.0"
created-by = "x"
[[packages]]
name = "a"
version = "1.0"
wheels = [{ url = "https://host/a-1.0-py3-none-any.whl", hashes = { sha256 = "%s" }, size = 5 }]
""" % (b"0" * 64)
_LISTED: Final = _json({"files": [{"filename": "a-1.0-py3-none-any.whl", "url": "a-1.0-py3-none-any.whl"}]})
_LISTED_HTML: Final = b'<a href="https://host/a-1.0-py3-none-any.whl#sha256=0" data-yanked="bad">a</a>'
_REQUIREMENTS: Final = b"""\
--prefer-binary
pandas >= 2.2 ; python_version >= "3.8"
six==1.16.0 \\
    --hash=sha256:%s
b @ git+https://host.example/b.git@v1
""" % (b"0" * 64)
_CONDA: Final = b"""\
dependencies:
  - python=3.10
  - conda-forge::numpy=1.26.4=py310_0
  - cudnn
  - pip:
    - six==1.16.0
"""
_PYPROJECT: Final = b"""\
[project]
name = "demo"
requires-python = ">=3.10"
dependencies = ["numpy<2", "helper"]
[project.optional-dependencies]
train = ["pandas", "demo[train]"]
[dependency-groups]
dev = ["pytest", {include-group = "lint"}]
lint = ["ruff"]
[tool.uv.sources]
helper = {git = "https://host.example/helper.git", rev = "v1"}
"""
_PEM: Final = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
_APT: Final = b"deb http://deb.example/debian bookworm main\nTypes: deb\nSuites: bookworm\nComponents: main\n"
_CDI: Final = {"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": [{"name": "all"}, {"name": "0"}]}
_WSL: Final = (
    b"Agent 2\n  Name:  gfx1201\n  Marketing Name:  AMD Radeon RX 9070 XT\n  Chip ID:  30032(0x7550)\n\0"
    b"PCI\\VEN_1002&DEV_744C&REV_C8\\6&36F2|32.0.31035.1003|AMD Radeon RX 7900 XTX\r\n"
)
_SMI: Final = b"""\
GPU-1, H100, 00000000:17:00.0, 580.95.05, 81559, 9.0
GPU 0: H100 (UUID: GPU-1)
  MIG 1g.10gb Device 0: (UUID: MIG-1)
"""


@cache
def readers() -> dict[str, Reader]:
    """Return every reader of outside data with something that it takes."""
    host = (DATA / "hosts" / "h100-580.json").read_bytes()
    evidence = json.loads((UNIT / "prove" / "data" / "cpu-tensorflow-2.21.json").read_bytes())
    return {
        "host file": Reader(host, from_host),
        "nodes of a cluster": Reader((DATA / "nodes.json").read_bytes(), from_cluster),
        "host file of AMD": Reader((DATA / "hosts" / "mi300x-30.10.json").read_bytes(), from_host),
        "files of /sys and /proc": Reader(b"6.16.6-custom\n", from_probe),
        "CDI specification": Reader(_json(_CDI), from_cdi),
        "nvidia-smi": Reader(_SMI, from_smi),
        "rocminfo and Windows, below WSL2": Reader(_WSL, from_wsl),
        "engine: /version, /info": Reader(_json(_INFO), from_engine),
        "engine: an image": Reader(_json({"Id": "sha256:1", "RepoDigests": ["a@sha256:2"]}), from_image, _NO_IMAGE),
        "engine: names of images": Reader(_json([{"RepoTags": ["a:1", "b:2"]}, {}]), from_names, _NO_IMAGE),
        "engine: an image, by the SDK": Reader(_json({"Id": "sha256:1", "Size": 5, **_CONFIG}), from_inspected),
        "engine: a build's progress": Reader((UNIT / "engine" / "data" / "failed.jsonl").read_bytes(), from_build),
        "engine: a container's output": Reader(b"\1\0\0\0\0\0\0\5hello\2\0\0\0\0\0\0\2no", from_output),
        "registry: manifest, configuration": Reader(
            _json({"index": _INDEX, "manifest": {"config": {"digest": DIGEST}}, "config": _CONFIG}), from_registry
        ),
        "registry: challenge": Reader(b'Bearer realm="https://auth.example/token",service="x"', from_challenge),
        "docker's logins": Reader(_json({"auths": {"registry.example": {"auth": "dTpw"}}}), from_login),
        "record": Reader(encode(seal(_KEPT, SIGNER).envelope).encode(), from_record),
        "statement in a record": Reader(statement.statement(_KEPT), from_statement, (ValueError,)),
        "key": Reader(_PRIVATE, from_key),
        "trusted key": Reader(public_text(SIGNER.public_key()).encode(), from_trusted_key),
        "lock": Reader(_a_lock(), from_lock),
        "project file": Reader(_json(yaml.safe_load(_PROJECT)), from_project),
        "project file, its text": Reader(_PROJECT, from_project),
        "variables": Reader(b"1234567", from_variables),
        "a site's catalogue": Reader(_json(some_rows()), from_overlay),
        "evidence": Reader(_json({**evidence, "nonce": "00"}), from_evidence),
        "package index: JSON": Reader(_LISTED, from_index),
        "package index: HTML": Reader(_LISTED_HTML, from_index),
        "wheel's metadata": Reader(b"Metadata-Version: 2.4\nName: a\nVersion: 1\nRequires-Dist: b>=1\n", from_wheel),
        "uv.toml": Reader(b'[[index]]\nurl = "https://packages.example/simple"\ndefault = true\n', from_uv_toml),
        "uv's answer": Reader(_PYLOCK, from_pylock),
        "requirements file": Reader(_REQUIREMENTS, from_requirements),
        "pyproject.toml of a project": Reader(_PYPROJECT, from_pyproject),
        "environment.yml of a project": Reader(_CONDA, from_conda),
        "pylock.toml of a project": Reader(_PYLOCK, from_locked),
        "pip.conf": Reader(b"[global]\nindex-url = https://packages.example/simple\n", from_pip),
        "apt's sources": Reader(_APT, from_apt),
        "CA bundle": Reader(_PEM, from_certificates),
        "bundle": Reader(_a_bundle(), from_bundle),
        "capture of a host": Reader(_a_capture(), from_capture),
    }


def _a_lock() -> bytes:
    from provision.lock import Pinned, make_lock  # noqa: PLC0415 - here alone
    from provision.resolve import resolve  # noqa: PLC0415 - as above

    catalogue, wish = load(DATA / "catalogue"), Request(vendor=Vendor.CPU)
    stack = resolve(catalogue, Host(), wish)
    return encode(make_lock(catalogue, stack, wish, Pinned((), (), "x86_64-manylinux_2_36", DIGEST))).encode()


def _a_bundle() -> bytes:
    from provision.bundle import Bundle, pack  # noqa: PLC0415 - here alone

    head = Bundle(version="1", platform="x86_64-manylinux_2_36", tag="i:1", base="b:1", base_id=DIGEST, parts=())
    with tempfile.TemporaryDirectory() as name:
        pack(Path(name) / "b.tar", head, {"kgpu.lock": b"{}", "wheels/a-1-py3-none-any.whl": b"wheel"})
        return (Path(name) / "b.tar").read_bytes()


def _a_capture() -> bytes:
    """A host with a processor, a kernel and no GPU."""
    files = {"proc/version": b"Linux version 6.1.0\n", "proc/cpuinfo": b"processor : 0\n", "etc/os-release": b"ID=x\n"}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def tried(reader: Reader, body: bytes, folder: Path) -> str:
    """Read something spoilt; return "value" or the code of the error. Any other exception is let through."""
    try:
        reader.read(body, folder)
    except NoStackError as error:
        return error.code
    except KgpuError as error:
        json.loads(plain_json(encode([error.text, error.cause, error.fix])))
        return error.code
    except reader.clean as error:
        return type(error).__name__
    return "value"


def main(number: int) -> None:
    """Print how each reader took `number` spoilt inputs, always the same ones."""
    rows = [f"| reader | inputs | read | refused | other |\n|{'---|' * 5}"]
    with tempfile.TemporaryDirectory() as name:
        for title, reader in readers().items():
            chance = random.Random(title)
            ends: Counter[str] = Counter()
            for _ in range(number):
                body = spoil(chance, reader.good)
                try:
                    ends[tried(reader, body, Path(name))] += 1
                except Exception as error:  # noqa: BLE001 - they are counted
                    ends[f"! {type(error).__name__}"] += 1
                    sys.stderr.write(f"{title}: {type(error).__name__}: {str(error)[:150]} {body[:150]!r}\n")
            other = sum(count for end, count in ends.items() if end.startswith("!"))
            codes = ", ".join(f"{end} {count}" for end, count in sorted(ends.items()) if end != "value")
            rows.append(f"| {title} | {number} | {ends['value']} | {codes or '-'} | {other} |")
    sys.stdout.write("\n".join([*rows, ""]))


if __name__ == "__main__":
    main(int(sys.argv[1]))

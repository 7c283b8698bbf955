"""Spoils what programs read from outside; each reader gives a value or an error of its own, and nothing else.

python tests/unit/readers/fuzz.py 2000 prints the table of docs/robustness.md.
"""

import hashlib
import http.client
import importlib.util
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

import yaml

from provision.api import read_host
from provision.api.records import read_key
from provision.catalogue import load
from provision.cli.sanitize import plain_json
from provision.compat import Self
from provision.config import read_project, settle
from provision.engine.apt_sources import machine_sources
from provision.engine.buildkit_build import _follow
from provision.engine.buildkit_progress import Progress
from provision.engine.describe import describe
from provision.engine.image_probe import described
from provision.engine.images import described as inspected
from provision.engine.network import build_network, certificates
from provision.engine.stream_demux import StreamDemux
from provision.errors import KgpuError, NoStackError
from provision.lock import read_lock
from provision.lock.wheels import parse as parse_pylock
from provision.model import Host, Network, Request, Vendor, encode
from provision.model.reference import parse_reference
from provision.probe import Lookups, probe_files
from provision.probe.cdi import parse_spec
from provision.probe.nvidia_parsers import parse_smi_list, parse_smi_table
from provision.prove.evidence import Problem, parse_result
from provision.records import HostKey, Record, State, answer, problem, seal
from provision.records.store import _read
from provision.registry import read_image
from provision.registry.client import Response
from provision.registry.token import stored_login, token_request

DATA: Final = Path(__file__).parents[2] / "data"
UNIT: Final = Path(__file__).parents[1]
SPOILT: Final[tuple[Any, ...]] = (
    *(None, True, 0, -1, 10**30, 1.5, float("inf"), "", "foo", "6.16.6-custom", "9" * 5000, "12.10\n", "\u0667"),
    *("\u202ex", "\x1b[2J", "\x00", "https://u:p@host/", "../../x", [], {}, [[]], [None], {"a": None}, {"": {}}, ["x"]),
)
BYTES: Final = (
    b"[" * 200_000,
    b'{"a":' * 50_000,
    b"\xff\xfe",
    b"",
    b"\0",
    b"9" * 5000,
    b'"\\ud800"',
    b"- - - - -",
    b"&a [*a]",
    b"a: !!int ''",
)


class Reader(NamedTuple):
    """One reader of outside data."""

    good: bytes  # what it takes
    read: Callable[[bytes, Path], object]  # gives a value, or raises one of `clean`
    clean: tuple[type[Exception], ...] = (KgpuError,)


def spoil(chance: random.Random, good: bytes) -> bytes:
    """Return `good` with something wrong: in its values where it is JSON or YAML, else in its bytes."""
    kind = chance.randrange(10)
    if kind == 0:
        return chance.choice(BYTES)
    if kind == 1:
        return good[: chance.randrange(len(good) + 1)]
    if kind in {2, 3}:
        return _in_bytes(chance, good)
    try:
        found = json.loads(good)
    except ValueError:
        return _in_text(chance, good)
    for _ in range(chance.randrange(1, 4)):
        found = _in_value(chance, found)
    return json.dumps(found).encode()


def _in_bytes(chance: random.Random, good: bytes) -> bytes:
    body = bytearray(good)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(body) + 1)
        body[at : at + chance.randrange(3)] = bytes(chance.randrange(256) for _ in range(chance.randrange(3)))
    return bytes(body)


def _in_text(chance: random.Random, good: bytes) -> bytes:
    """Replace a word or a line."""
    lines = good.split(b"\n")
    at = chance.randrange(len(lines))
    words = lines[at].split(b" ")
    value = json.dumps(chance.choice(SPOILT)).encode()
    words[chance.randrange(len(words))] = value
    lines[at] = b" ".join(words)
    if chance.random() < 0.2:
        del lines[chance.randrange(len(lines))]
    return b"\n".join(lines)


def _in_value(chance: random.Random, value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """Replace, drop or double one part of a document, the deeper ones too."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return chance.choice(SPOILT)
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = chance.choice(list(keys))
    if chance.random() < 0.15:
        if isinstance(value, dict):
            return {one: value[one] for one in value if one != key}
        return [*value, *value[key : key + 1]]
    new = _in_value(chance, value[key])
    if isinstance(value, dict):
        return {**value, key: new}
    return [*value[:key], new, *value[key + 1 :]]


def _file(folder: Path, body: bytes, name: str = "outside") -> Path:
    path = folder / name
    path.write_bytes(body)
    path.chmod(0o600)
    return path


def _shown(value: object) -> object:
    """What is read must also be printable."""
    return json.loads(plain_json(encode(value)))


def _host(body: bytes, folder: Path) -> object:
    return _shown(read_host(_file(folder, body)))


def _key(body: bytes, folder: Path) -> object:
    return read_key(_file(folder, body))


def _lock(body: bytes, folder: Path) -> object:
    return _shown(read_lock(_file(folder, body)))


def _record(body: bytes, folder: Path) -> object:
    found = _read(_file(folder, body))
    now = HostKey(node="node1", kernel="", drivers=(), gpus=(), layout=())
    if isinstance(found, Record):
        problem(found, b"k" * 32)
        _shown(answer(seal(found), "site/x:1", now, "sha256:1", "1.0"))  # as a careful editor leaves it
    told = answer(found, "site/x:1", now, "sha256:1", "1.0")
    if told.state is State.REFUSED:
        raise KgpuError(told.code, told.reason)
    return _shown(told)


def _project(body: bytes, folder: Path) -> object:
    found = settle({}, {}, read_project(_file(folder, body, "kgpu-env.yaml")))
    return build_network(found.network, {}, folder)


def _variables(body: bytes, folder: Path) -> object:
    text = body.decode("latin-1").replace("\0", "")
    names = ("NETWORK_PROXY", "PACKAGES", "LABELS", "USER_UID", "NETWORK_EXTRA_INDEX_URLS", "CUDA", "VENDOR")
    found = settle({}, {f"KGPU_ENV_{name}": text for name in names[: 1 + len(body) % len(names)]}, None)
    return build_network(found.network, {"HTTP_PROXY": text, "PIP_INDEX_URL": text}, folder)


@cache
def _tables() -> dict[str, Any]:
    """Return some rows of each of the catalogue's files, the id of each its own."""
    found: dict[str, Any] = {}
    for path in sorted((DATA / "catalogue").glob("*.yaml")):
        if path.name == "sources.yaml":
            continue
        tables = yaml.safe_load(path.read_text())
        found[path.name] = {name: rows[:2] for name, rows in tables.items() if rows}
    return found


def _overlay(body: bytes, folder: Path) -> object:
    """Read a site's folder; the document holds its files by name."""
    try:
        files = json.loads(body)
    except (ValueError, RecursionError):
        files = None
    own = folder / "own"
    own.mkdir(exist_ok=True)
    for path in own.iterdir():
        path.unlink()
    if isinstance(files, dict) and files and all(name in _tables() for name in files):
        for name, tables in files.items():
            (own / name).write_text(yaml.safe_dump(tables))
    else:
        (own / "nvidia.yaml").write_bytes(body)
    load.cache_clear()
    found = load(DATA / "catalogue", None, own)
    found.house  # noqa: B018 - read when it is asked for
    return sum(1 for _ in found.all_rows())


def _engine(body: bytes, _: Path) -> object:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None  # the SDK's to refuse
    parts = found if isinstance(found, dict) else {"version": found, "info": found}
    return _shown(describe(parts.get("version"), parts.get("info"), "unix:///x"))  # type: ignore[arg-type] # as it comes


def _registry(body: bytes, _: Path) -> object:
    """Ask a registry whose every answer is the body; or its parts, with the digests that they have."""
    try:
        parts = json.loads(body)
    except (ValueError, RecursionError):
        parts = None
    answers: list[bytes] = []
    for one in reversed(parts.values()) if isinstance(parts, dict) else ():
        digest = f"sha256:{hashlib.sha256(answers[-1] if answers else b'').hexdigest()}"
        answers.append(json.dumps(one).replace(_DIGEST, digest).encode())

    def get(url: str, headers: object, limit: int) -> Response:
        del url, headers, limit
        return Response(200, {}, answers.pop() if answers else body)

    return _shown(read_image(parse_reference("registry.example/x:1"), "x86_64", get))


def _challenge(body: bytes, _: Path) -> object:
    return token_request(body.decode("latin-1"), "scope")


def _login(body: bytes, folder: Path) -> object:
    _file(folder, body, "config.json")
    return stored_login("registry.example", folder)


def _image(body: bytes, _: Path) -> object:
    return described(body)


def _inspected(body: bytes, _: Path) -> object:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None  # the SDK's to refuse
    return _shown(inspected(found))


class _Stream:
    """A build's answer as requests gives it."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def iter_lines(self, chunk_size: int | None = None) -> Iterator[bytes]:
        del chunk_size
        yield from self.body.split(b"\n")


def _build(body: bytes, _: Path) -> object:
    return _follow(_Stream(body), Progress(), lambda _: None)  # type: ignore[arg-type] # what it uses of a response


def _evidence(body: bytes, _: Path) -> object:
    found = parse_result(f"hello\nKGPU-ENV-RESULT 00 {body.decode(errors='replace')}\n", "00")
    if isinstance(found, Problem):
        raise KgpuError("a problem", found.what)
    return found


def _output(body: bytes, _: Path) -> object:
    demux = StreamDemux()
    for at in range(0, min(len(body), 5000), 7):
        demux.feed(body[at : at + 7])
    return demux.text(1) + demux.text(2)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"fuzz_{path.parent.name}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _tree(folder: Path) -> list[Path]:
    """Make the trees of three hosts; return their files."""
    names = ("h100-580", "mi300x-30.10", "geforce-rtx4090")
    known = _module(DATA / "trees" / "make.py")
    chosen = [name for name in known.TREES if name in names] or list(known.TREES)[:3]
    known.make(folder / "trees", chosen)
    return sorted(path for path in (folder / "trees").rglob("*") if path.is_file() and not path.is_symlink())


def _probe(body: bytes, folder: Path) -> object:
    """Probe a tree with three of its files spoilt, by the body."""
    files = _tree(folder)
    chance = random.Random(body)
    chosen = [chance.choice(files) for _ in range(3)]
    kept = [path.read_bytes() for path in chosen]
    try:
        for path, content in zip(chosen, kept, strict=True):
            path.write_bytes(chance.choice((body, spoil(chance, content), b"\0" * 99, b"foo\n", b"9" * 5000)))
        top = folder / "trees" / chosen[0].relative_to(folder / "trees").parts[0]
        return _shown(probe_files(top, Lookups()))
    finally:
        for path, content in zip(chosen, kept, strict=True):
            path.write_bytes(content)


def _pip(body: bytes, folder: Path) -> object:
    path = _file(folder, body, "pip.conf")
    return build_network(Network(), {"PIP_CONFIG_FILE": str(path)}, folder)


def _apt(body: bytes, folder: Path) -> object:
    _file(folder, body, "sources.list")
    (folder / "sources.list.d").mkdir(exist_ok=True)
    _file(folder / "sources.list.d", body, "x.sources")
    return machine_sources("bookworm", folder)


def _pylock(body: bytes, _: Path) -> object:
    return parse_pylock(body.decode(errors="replace"))


def _bundle(body: bytes, folder: Path) -> object:
    return certificates(_file(folder, body))


def _cdi(body: bytes, _: Path) -> object:
    return parse_spec(body.decode(errors="replace"))


def _smi(body: bytes, _: Path) -> object:
    text = body.decode(errors="replace")
    return parse_smi_table(text), parse_smi_list(text)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


_DIGEST: Final = "sha256:" + "0" * 64
_INDEX: Final = {"manifests": [{"digest": _DIGEST, "platform": {"os": "linux", "architecture": "amd64"}}]}
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
[[packages]]
name = "a"
version = "1.0"
wheels = [{ url = "https://host/a-1.0-py3-none-any.whl", hashes = { sha256 = "%s" }, size = 5 }]
""" % (b"0" * 64)
_PEM: Final = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
_APT: Final = b"deb http://deb.example/debian bookworm main\nTypes: deb\nSuites: bookworm\nComponents: main\n"
_CDI: Final = {"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu", "devices": [{"name": "all"}, {"name": "0"}]}
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
        "host file": Reader(host, _host),
        "host file of AMD": Reader((DATA / "hosts" / "mi300x-30.10.json").read_bytes(), _host),
        "files of /sys and /proc": Reader(b"6.16.6-custom\n", _probe),
        "CDI specification": Reader(_json(_CDI), _cdi),
        "nvidia-smi": Reader(_SMI, _smi),
        "engine: /version, /info": Reader(_json(_INFO), _engine),
        "engine: an image": Reader(_json({"Id": "sha256:1", "RepoDigests": ["a@sha256:2"]}), _image, _NO_IMAGE),
        "engine: an image, by the SDK": Reader(_json({"Id": "sha256:1", "Size": 5, **_CONFIG}), _inspected),
        "engine: a build's progress": Reader((UNIT / "engine" / "data" / "failed.jsonl").read_bytes(), _build),
        "engine: a container's output": Reader(b"\1\0\0\0\0\0\0\5hello\2\0\0\0\0\0\0\2no", _output),
        "registry: manifest, configuration": Reader(
            _json({"index": _INDEX, "manifest": {"config": {"digest": _DIGEST}}, "config": _CONFIG}), _registry
        ),
        "registry: challenge": Reader(b'Bearer realm="https://auth.example/token",service="x"', _challenge),
        "docker's logins": Reader(_json({"auths": {"registry.example": {"auth": "dTpw"}}}), _login),
        "record": Reader(encode(seal(_KEPT, b"k" * 32)).encode(), _record),
        "key": Reader(b"0123456789abcdef0123456789abcdef", _key),
        "lock": Reader(_a_lock(), _lock),
        "project file": Reader(_json(yaml.safe_load(_PROJECT)), _project),
        "project file, its text": Reader(_PROJECT, _project),
        "variables": Reader(b"1234567", _variables),
        "a site's catalogue": Reader(_json(_tables()), _overlay),
        "evidence": Reader(_json({**evidence, "nonce": "00"}), _evidence),
        "uv's answer": Reader(_PYLOCK, _pylock),
        "pip.conf": Reader(b"[global]\nindex-url = https://packages.example/simple\n", _pip),
        "apt's sources": Reader(_APT, _apt),
        "CA bundle": Reader(_PEM, _bundle),
    }


def _a_lock() -> bytes:
    from provision.lock import Pinned, make_lock  # noqa: PLC0415 - here alone
    from provision.resolve import resolve  # noqa: PLC0415 - as above

    catalogue, wish = load(DATA / "catalogue"), Request(vendor=Vendor.CPU)
    stack = resolve(catalogue, Host(), wish)
    return encode(make_lock(catalogue, stack, wish, Pinned((), (), "x86_64-manylinux_2_36", _DIGEST))).encode()


def tried(reader: Reader, body: bytes, folder: Path) -> str:
    """Read something spoilt; return "value" or the code of the error. Any other exception is let through."""
    try:
        reader.read(body, folder)
    except NoStackError as error:
        return error.code
    except KgpuError as error:
        json.loads(plain_json(encode([error.what, error.why, error.fix])))
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

"""The readers of outside data, each as a function of bytes and of a folder to put them into."""

import gzip
import hashlib
import json
import random
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from spoilt import spoil  # type: ignore[import-not-found] # it lies beside this file, and no package holds them
from trees import make

from provision.api import probe_capture, read_host
from provision.bundle import unpack as unpack_bundle
from provision.catalogue import load
from provision.cli.sanitize import plain_json
from provision.compat import Self
from provision.config import read_project, settle
from provision.engine.apt_sources import machine_sources
from provision.engine.buildkit_build import _follow
from provision.engine.buildkit_progress import Progress
from provision.engine.certificates import certificates
from provision.engine.describe import describe
from provision.engine.image_probe import described, named
from provision.engine.images import described as inspected
from provision.engine.logins import stored_login
from provision.engine.network import Surroundings, build_network
from provision.engine.stream_demux import StreamDemux
from provision.errors import KgpuError
from provision.fleet.hosts import read_fleet
from provision.index import NoAnswer, indexes_of, listing, metadata
from provision.lock import parse as parse_pylock
from provision.lock import read_lock
from provision.model import DeviceNode, Driver, Gpu, Host, Network, decode, encode
from provision.model.reference import parse_reference
from provision.probe import Lookups, probe_files
from provision.probe.amd_wsl import merge
from provision.probe.cdi import parse_spec
from provision.probe.nvidia_parsers import parse_smi_list, parse_smi_table
from provision.prove.evidence import Problem, parse_result
from provision.records import HostKey, Kept, State, answer, seal, statement
from provision.records.keys import read_private, read_public
from provision.records.store import _read
from provision.registry import read_image
from provision.registry.client import Response
from provision.registry.token import token_request
from provision.requirements import read as read_wanted

SIGNER: Final = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
DATA: Final = Path(__file__).parents[2] / "data"
CATALOGUE: Final = load(DATA / "catalogue")
DIGEST: Final = "sha256:" + "0" * 64  # in an answer: of the answer that comes after it


def put(folder: Path, body: bytes, name: str = "outside") -> Path:
    path = folder / name
    path.write_bytes(body)
    path.chmod(0o600)
    return path


def shown(value: object) -> object:
    """What is read must also be printable."""
    return json.loads(plain_json(encode(value)))


def from_host(body: bytes, folder: Path) -> object:
    return shown(read_host(put(folder, body)))


def from_cluster(body: bytes, folder: Path) -> object:
    found = read_fleet(put(folder, body), CATALOGUE)
    return [shown(host) for host in found.hosts.values()], found.broken, found.warnings


def from_key(body: bytes, folder: Path) -> object:
    return read_private(put(folder, body))


def from_trusted_key(body: bytes, folder: Path) -> object:
    return read_public(put(folder, body))


def from_lock(body: bytes, folder: Path) -> object:
    return shown(read_lock(put(folder, body)))


def from_record(body: bytes, folder: Path) -> object:
    found = _read(put(folder, body))
    now = HostKey(node="node1", kernel="", drivers=(), gpus=(), layout=())
    keys = (SIGNER.public_key(),)
    if isinstance(found, Kept):  # and as one who has the key leaves it
        shown(answer(seal(found.record, SIGNER), "site/x:1", now, "sha256:1", "1.0", keys=keys))
    told = answer(found, "site/x:1", now, "sha256:1", "1.0", keys=keys)
    if told.state is State.REFUSED:
        raise KgpuError(told.code, told.reason)
    return shown(told)


def from_statement(body: bytes, _: Path) -> object:
    return shown(statement.read(body))


def from_project(body: bytes, folder: Path) -> object:
    found = settle({}, {}, read_project(put(folder, body, "kgpu-env.yaml")))
    return build_network(found.network, {}, Surroundings(root=folder))


def from_variables(body: bytes, folder: Path) -> object:
    text = body.decode("latin-1").replace("\0", "")
    names = ("NETWORK_PROXY", "PACKAGES", "LABELS", "USER_UID", "NETWORK_EXTRA_INDEX_URLS", "CUDA", "VENDOR")
    found = settle({}, {f"KGPU_ENV_{name}": text for name in names[: 1 + len(body) % len(names)]}, None)
    return build_network(found.network, {"HTTP_PROXY": text, "PIP_INDEX_URL": text}, Surroundings(root=folder))


@cache
def some_rows() -> dict[str, Any]:
    """Return some rows of each of the catalogue's files, the id of each its own."""
    found: dict[str, Any] = {}
    for path in sorted((DATA / "catalogue").glob("*.yaml")):
        if path.name == "sources.yaml":
            continue
        tables = yaml.load(path.read_text(), yaml.CSafeLoader)
        found[path.name] = {name: rows[:2] for name, rows in tables.items() if rows}
    return found


def from_overlay(body: bytes, folder: Path) -> object:
    """Read a site's folder; the document holds its files by name."""
    try:
        files = json.loads(body)
    except (ValueError, RecursionError):
        files = None
    own = folder / "own"
    own.mkdir(exist_ok=True)
    for path in own.iterdir():
        path.unlink()
    if isinstance(files, dict) and files and all(name in some_rows() for name in files):
        for name, tables in files.items():
            (own / name).write_text(yaml.safe_dump(tables))
    else:
        (own / "nvidia.yaml").write_bytes(body)
    found = load.__wrapped__(DATA / "catalogue", None, own)
    found.site_policy  # noqa: B018 - read when it is asked for
    return sum(1 for _ in found.all_rows())


def from_engine(body: bytes, _: Path) -> object:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None  # the SDK's to refuse
    parts = found if isinstance(found, dict) else {"version": found, "info": found}
    return shown(describe(parts.get("version"), parts.get("info"), "unix:///x"))  # type: ignore[arg-type] # as it comes


def from_registry(body: bytes, _: Path) -> object:
    """Ask a registry whose every answer is the body; or its parts, with the digests that they have."""
    try:
        parts = json.loads(body)
    except (ValueError, RecursionError):
        parts = None
    answers: list[bytes] = []
    for one in reversed(parts.values()) if isinstance(parts, dict) else ():
        digest = f"sha256:{hashlib.sha256(answers[-1] if answers else b'').hexdigest()}"
        answers.append(json.dumps(one).replace(DIGEST, digest).encode())

    def get(url: str, headers: object, limit: int) -> Response:
        del url, headers, limit
        return Response(200, {}, answers.pop() if answers else body)

    return shown(read_image(parse_reference("registry.example/x:1"), "x86_64", get))


def from_index(body: bytes, _: Path) -> object:
    kind = "text/html" if body.lstrip().startswith(b"<") else "application/vnd.pypi.simple.v1+json"

    def get(url: str, headers: object, limit: int) -> Response:
        del url, headers, limit
        return Response(200, {"content-type": kind}, body)

    try:
        return shown(listing("a", ("https://packages.example/simple",), get))
    except NoAnswer as error:
        return str(error)


def from_wheel(body: bytes, _: Path) -> object:
    """Read a file beside a wheel, and what an index gives as parts of the wheel."""

    def beside(url: str, headers: object, limit: int) -> Response:
        del url, headers, limit
        return Response(200, {}, body)

    def inside(url: str, headers: object, limit: int) -> Response:
        del headers, limit
        part = {"content-range": f"bytes 0-{max(len(body) - 1, 0)}/{len(body)}"}
        return Response(404, {}, b"") if url.endswith(".metadata") else Response(206, part, body)

    found = []
    for get in (beside, inside):
        try:
            found.append(metadata("https://packages.example/a-1.0-py3-none-any.whl", get))
        except NoAnswer as error:
            found.append({"description": str(error)})
    return found


def from_uv_toml(body: bytes, folder: Path) -> object:
    (folder / "etc" / "uv").mkdir(parents=True, exist_ok=True)
    put(folder / "etc" / "uv", body, "uv.toml")
    return shown(
        indexes_of(Network(), {}, lambda: "--default-index <URL> (by default: <https://uv.example/s>)", folder)
    )


def from_challenge(body: bytes, _: Path) -> object:
    return token_request(body.decode("latin-1"), "scope")


def from_login(body: bytes, folder: Path) -> object:
    put(folder, body, "config.json")
    return stored_login("registry.example", folder)


def from_image(body: bytes, _: Path) -> object:
    return described(body)


def from_names(body: bytes, _: Path) -> object:
    return named(body)


def from_inspected(body: bytes, _: Path) -> object:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None  # the SDK's to refuse
    return shown(inspected(found))


class Stream:
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


def from_build(body: bytes, _: Path) -> object:
    return _follow(Stream(body), Progress(), lambda _: None)  # type: ignore[arg-type] # what it uses of a response


def from_evidence(body: bytes, _: Path) -> object:
    found = parse_result(f"hello\nKGPU-ENV-RESULT 00 {body.decode(errors='replace')}\n", "00")
    if isinstance(found, Problem):
        raise KgpuError("a problem", found.what)
    return found


def from_output(body: bytes, _: Path) -> object:
    demux = StreamDemux()
    for at in range(0, min(len(body), 5000), 7):
        demux.feed(body[at : at + 7])
    return demux.text(1) + demux.text(2)


@cache
def tree(folder: Path) -> list[Path]:
    """Make the trees of three hosts; return their files."""
    names = ("h100-580", "mi300x-30.10", "geforce-rtx4090")
    chosen = [name for name in make.TREES if name in names] or list(make.TREES)[:3]
    make.make(folder / "trees", chosen)
    return sorted(path for path in (folder / "trees").rglob("*") if path.is_file() and not path.is_symlink())


def from_probe(body: bytes, folder: Path) -> object:
    """Probe a tree with three of its files spoilt, by the body."""
    files = tree(folder)
    chance = random.Random(body)
    chosen = [chance.choice(files) for _ in range(3)]
    kept = [path.read_bytes() for path in chosen]
    try:
        for path, content in zip(chosen, kept, strict=True):
            path.write_bytes(chance.choice((body, spoil(chance, content), b"\0" * 99, b"foo\n", b"9" * 5000)))
        top = folder / "trees" / chosen[0].relative_to(folder / "trees").parts[0]
        return shown(probe_files(top, Lookups()))
    finally:
        for path, content in zip(chosen, kept, strict=True):
            path.write_bytes(content)


def from_pip(body: bytes, folder: Path) -> object:
    path = put(folder, body, "pip.conf")
    return build_network(Network(), {"PIP_CONFIG_FILE": str(path)}, Surroundings(root=folder))


def from_apt(body: bytes, folder: Path) -> object:
    put(folder, body, "sources.list")
    (folder / "sources.list.d").mkdir(exist_ok=True)
    put(folder / "sources.list.d", body, "x.sources")
    return machine_sources("bookworm", folder)


def from_pylock(body: bytes, _: Path) -> object:
    return parse_pylock(body.decode(errors="replace"))


def from_certificates(body: bytes, folder: Path) -> object:
    return certificates(put(folder, body))


def from_bundle(body: bytes, folder: Path) -> object:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        return shown(unpack_bundle(put(folder, body), Path(place)))


def from_capture(body: bytes, folder: Path) -> object:
    """Probe a packed host; the body is its archive unpacked, or what is no archive at all."""
    packed = body if len(body) % 9 == 0 else gzip.compress(body, compresslevel=1, mtime=0)
    return shown(probe_capture(put(folder, packed)))


def from_cdi(body: bytes, _: Path) -> object:
    return parse_spec(body.decode(errors="replace"))


def from_smi(body: bytes, _: Path) -> object:
    text = body.decode(errors="replace")
    return parse_smi_table(text), parse_smi_list(text)


def from_wsl(body: bytes, _: Path) -> object:
    agents, listed = f"{body.decode(errors='replace')}\0".split("\0")[:2]
    node = DeviceNode(path="/dev/dxg")
    known = Driver(vendor="amd", flavour="wsl")
    host = Host(gpus=(Gpu(vendor="amd", nodes=(node,)),), drivers=(known,), nodes=(node,), wsl=True)
    return decode(encode(merge(host, Lookups(), agents, listed)), Host)


def from_requirements(body: bytes, folder: Path) -> object:
    return read_wanted(str(put(folder, body, "requirements.txt")), folder, lambda *_: "")


def from_pyproject(body: bytes, folder: Path) -> object:
    return read_wanted(f"{put(folder, body, 'pyproject.toml')}[train]", folder, lambda *_: "")


def from_conda(body: bytes, folder: Path) -> object:
    path = put(folder, body, "environment.yml")
    return read_wanted(str(path), folder, lambda *_: "", load().packages)


def from_locked(body: bytes, folder: Path) -> object:
    return read_wanted(str(put(folder, body, "pylock.toml")), folder, lambda *_: "")

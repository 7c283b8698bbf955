"""One build behind a proxy that opens TLS, from a registry and an index that want logins; then the search for these."""

import json
import os
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest
from loopback import Authority, intercepting_proxy, private_index, wheel
from registries import PASSWORD, registry_in

from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Context

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
REGISTRY, INDEX, PROXY = PASSWORD, "index-s3cret", "proxy-s3cret"
TAG = "3.11-slim-bookworm"  # with a Debian of its own in it
SECRETS = (REGISTRY, INDEX, PROXY)
HELPER = """#!{python}
import json, sys
known = sys.stdin.read().strip() == {host!r}
print(json.dumps({{"Username": "me", "Secret": {secret!r}}}) if known else "credentials not found in native keychain")
sys.exit(not known)
"""


class Command(Protocol):
    """The command as a user runs it, in a folder of its own."""

    folder: Path

    def __call__(self, *words: str, **options: object) -> "subprocess.CompletedProcess[str]":
        """Run it."""


class Company(NamedTuple):
    """A company's network on loopback, and the environment of who works there."""

    registry: str
    environment: dict[str, str]
    through_proxy: list[str]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """HOST:PORT of a registry that wants a login."""
    with registry_in(tmp_path / "registry", login=True) as place:
        yield place


@pytest.fixture
def company(tmp_path: Path, registry: str, api: "APIClient", base: str) -> Iterator[Company]:
    """A private registry with the base, a private index with the framework, and a proxy to everything else."""
    home = tmp_path / "home"
    helper = home / "bin/docker-credential-company"
    helper.parent.mkdir(parents=True)
    helper.write_text(HELPER.format(python=sys.executable, host=registry, secret=REGISTRY))
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text(json.dumps({"credHelpers": {registry: "company"}}))
    image = f"{registry}/library/python"
    api.tag(base, image, TAG)
    for line in api.push(image, TAG, stream=True, decode=True, auth_config={"username": "me", "password": REGISTRY}):
        assert "error" not in line, line
    api.remove_image(f"{image}:{TAG}")  # so that the build has to fetch it
    authority, seen = Authority(tmp_path / "authority"), list[str]()
    files = {
        **wheel("tensorflow_cpu", "2.21.0", "__version__ = '2.21.0'\n", "tensorflow"),
        **wheel("keras", "3.99.0"),
        **wheel("numpy", "2.99.0"),
        **wheel("company_models", "1.0"),
    }
    with private_index(files, f"me:{INDEX}") as index, intercepting_proxy(authority, seen) as proxy:
        (home / ".config/pip").mkdir(parents=True)
        (home / ".config/pip/pip.conf").write_text(f"[global]\nextra-index-url = http://127.0.0.1:{index}/simple\n")
        (home / ".netrc").write_text(f"machine 127.0.0.1 login me password {INDEX}\n")
        environment = {
            "HOME": str(home),
            "PATH": f"{helper.parent}:{os.environ['PATH']}",
            "HTTPS_PROXY": f"http://me:{PROXY}@127.0.0.1:{proxy}",
            "NO_PROXY": "127.0.0.1",
            "SSL_CERT_FILE": str(authority.bundle),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_STATE_HOME": str(home / "state"),
        }
        yield Company(registry, environment, seen)
    for name in (f"{image}:{TAG}", image):
        _forget(api, name)


def _forget(api: "APIClient", name: str) -> None:
    from docker.errors import APIError  # noqa: PLC0415 - slow to import

    try:
        api.remove_image(name, force=True)
    except APIError:
        return


@contextmanager
def watched() -> Iterator[set[str]]:
    """Collect the command lines of all processes while the block runs."""
    lines, ends = set[str](), threading.Event()

    def look() -> None:
        while not ends.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):  # it ended in between
                    lines.add(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        ends.set()
        thread.join()


WHAT = ("--vendor", "cpu", "--base", f"python:{TAG}", "--package", "company-models", "--package", "tomli-w")


class Done(NamedTuple):
    """A build, and the command lines that were seen meanwhile."""

    ended: "subprocess.CompletedProcess[str]"
    processes: str


@pytest.fixture
def done(kgpu_env: Command, company: Company, tag: str) -> Done:
    rewrites = f"network: {{registries: {{docker.io: '{company.registry}'}}}}\n"
    (kgpu_env.folder / "kgpu-env.yaml").write_text(rewrites)
    with watched() as lines:
        ended = kgpu_env("build", *WHAT, "--tag", tag, "--json", env=company.environment, before=_without_settings())
    assert ended.returncode == 0, ended.stderr
    return Done(ended, "\n".join(lines))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_build_through_all_three_leaves_no_secret(
    done: Done, company: Company, engine: DockerEngine, tag: str, tmp_path: Path
) -> None:
    assert f"pulling {company.registry}/" in done.ended.stderr
    assert any(place.endswith(":443") for place in company.through_proxy)
    assert "uv pip install" in done.processes
    api = engine._api  # noqa: SLF001 - the tests' only way to see what is left
    places = {
        "what was printed": done.ended.stdout + done.ended.stderr,
        "history": json.dumps(api.history(tag)),  # type: ignore[no-untyped-call] # no types in the SDK's stub
        "configuration": json.dumps(api.inspect_image(tag)),  # type: ignore[no-untyped-call] # the same
        "processes": done.processes,
        "layers": _layers(api, tag, tmp_path / "image.tar"),
        "caches": _caches(engine, base=tag, name=f"{tag}-caches"),
        "the tool's own folders": _texts(tmp_path / "home/cache") + _texts(tmp_path / "home/state"),
    }
    _forget(api, f"{tag}-caches")
    for secret in SECRETS:
        assert not [place for place, text in places.items() if secret in text], secret


def _without_settings() -> tuple[str, ...]:
    """The machine's own way to the network is not the company's."""
    names = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "PIP_CONFIG_FILE", "PIP_INDEX_URL", "UV_CONFIG_FILE")
    return ("env", *(word for name in names for word in ("-u", name)))


def _layers(api: "APIClient", tag: str, archive: Path) -> str:
    """Return all text of all files in all layers."""
    with archive.open("wb") as file:
        file.writelines(api.get_image(tag))
    found = []
    with tarfile.open(archive) as outer:
        for member in outer:
            data = outer.extractfile(member)
            content = data.read() if data else b""
            found.append(b"\n".join(secret.encode() for secret in SECRETS if secret.encode() in content).decode())
    archive.unlink()
    return "\n".join(found)


def _caches(engine: DockerEngine, base: str, name: str) -> str:
    """Return which secrets the engine's caches of pip and uv hold."""
    mounts = "--mount=type=cache,target=/root/.cache/pip --mount=type=cache,target=/root/.cache/uv"
    search = f"grep -rlaE '{'|'.join(SECRETS)}' /root/.cache; test $? = 1 || exit 9"
    text = f"FROM {base}\nUSER 0\nRUN {mounts} date +{time.monotonic_ns()}; {search}\n"
    try:
        engine.build(Context(files={"Dockerfile": text.encode()}), name, lambda _: None, {})
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return f"{error} {SECRETS}"
    return ""


def _texts(folder: Path) -> str:
    return "\n".join(path.read_text("latin-1") for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", ["devcontainer", "compose", "kubernetes", "shell"])
def test_an_export_holds_no_login(kgpu_env: Command, kind: str) -> None:
    address = f"http://me:{INDEX}@packages.example/simple"
    (kgpu_env.folder / "kgpu-env.yaml").write_text(f"network: {{index_url: '{address}'}}\n")
    ended = kgpu_env("export", kind, "--vendor", "cpu", "--by-tag", "-o", "out", "--json")
    assert ended.returncode == 0, ended.stderr
    assert INDEX not in _texts(kgpu_env.folder / "out") + ended.stdout + ended.stderr


def test_a_context_has_its_login_where_git_leaves_it_out(kgpu_env: Command) -> None:
    address = f"http://me:{INDEX}@packages.example/simple"
    (kgpu_env.folder / "kgpu-env.yaml").write_text(f"network: {{index_url: '{address}'}}\n")
    ended = kgpu_env("render", "--vendor", "cpu", "-o", "context/")
    assert ended.returncode == 0, ended.stderr
    folder = kgpu_env.folder / "context"
    holders = [path for path in folder.rglob("*") if path.is_file() and INDEX in path.read_text("latin-1")]
    assert [str(path.relative_to(folder)) for path in holders] == ["network/netrc"]
    assert stat.S_IMODE(holders[0].stat().st_mode) == 0o600
    assert (folder / "network/.gitignore").read_text() == "netrc\n"

"""`prepare` with real apt: a Debian in a folder, signed repositories on loopback, stand-in packages."""

import functools
import hashlib
import http.server
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from archives import unpack
from tutorial import follow

from provision.catalogue import load

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
KgpuEnv = Any  # the class of conftest.py
CTK = """#!/bin/sh
# A stand-in: tells by files what it was asked for.
case "$1" in
runtime) mkdir -p /etc/docker; echo '{"runtimes": {"nvidia": {"path": "made-up"}}}' >/etc/docker/daemon.json ;;
*) exit 1 ;;
esac
echo "$@" >>/var/lib/nvidia-ctk.asked
"""
DAY = 86400


class Signer:
    """A key of its own; gpg's folder is short, since its agent's socket has a path of at most 107 bytes."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        self.command = [
            "gpg",
            "--homedir",
            str(home),
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]
        self.run("--quick-generate-key", "stand-in <stand-in@packages.example>", "ed25519", "sign", "never")
        listed = self.run("--with-colons", "--list-keys").decode().splitlines()
        self.fingerprint = next(line.split(":")[9] for line in listed if line.startswith("fpr"))
        self.key = self.run("--armor", "--export")

    def run(self, *words: str, data: bytes = b"") -> bytes:
        return subprocess.run([*self.command, *words], input=data, capture_output=True, check=True).stdout


class Repository:
    """A flat apt repository in a folder."""

    def __init__(self, folder: Path, signer: Signer) -> None:
        self.folder, self.signer = folder, signer
        folder.mkdir(parents=True)

    def package(self, name: str, **files: str) -> None:
        tree = self.folder.parent / f"{self.folder.name}-{name}"
        (tree / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody\nDescription: a stand-in\n"
        (tree / "DEBIAN" / "control").write_text(control)
        for path, text in files.items():
            place = tree / path.replace("__", "/").replace("_", "-")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            place.chmod(0o755)
        subprocess.run(
            ["dpkg-deb", "--build", "-Znone", str(tree), str(self.folder / f"{name}.deb")],
            check=True,
            capture_output=True,
        )
        shutil.rmtree(tree)

    def publish(self, *, days: float = 7, signed: bool = True) -> None:
        entries = []
        for path in sorted(self.folder.glob("*.deb")):
            control = subprocess.run(["dpkg-deb", "-f", str(path)], check=True, capture_output=True, text=True).stdout
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            entries.append(f"{control.strip()}\nFilename: ./{path.name}\nSize: {len(data)}\nSHA256: {digest}\n")
        packages = "\n".join(entries).encode()
        (self.folder / "Packages").write_bytes(packages)
        now = time.time()
        made, ends = (formatdate(at, usegmt=True) for at in (min(now, now + (days - 1) * DAY), now + days * DAY))
        listed = f" {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages"
        release = f"Origin: stand-in\nDate: {made}\nValid-Until: {ends}\nSHA256:\n{listed}\n".encode()
        (self.folder / "Release").write_bytes(release)
        inline = self.folder / "InRelease"
        inline.unlink(missing_ok=True)
        if signed:
            inline.write_bytes(self.signer.run("--clearsign", data=release))


@pytest.fixture(scope="module")
def tools() -> None:
    missing = [name for name in ("gpg", "dpkg-deb") if not shutil.which(name)]
    if missing:
        pytest.fail(f"these tests need {', '.join(missing)}: apt-get install gnupg dpkg", pytrace=False)


@pytest.fixture(scope="module")
def signer(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Signer:  # noqa: ARG001 - its check comes first
    return Signer(tmp_path_factory.mktemp("g") / "h")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and its address on loopback."""
    folder = tmp_path / "www"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def unpacked(engine: Any, base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ANN401 - the class of conftest.py
    """The Debian of the tests' base image as a folder."""
    api: APIClient = engine._api  # noqa: SLF001 - the tests' only way to export an image
    folder = tmp_path_factory.mktemp("debian")
    made = api.create_container(base, command="true")
    try:
        archive = folder.with_suffix(".tar")
        with archive.open("wb") as file:
            for chunk in api.export(made["Id"]):
                file.write(chunk)
        with tarfile.open(archive) as tar:
            unpack(tar, folder)
        archive.unlink()
    finally:
        api.remove_container(made["Id"], force=True)
    return folder


class Node:
    """A Debian without an engine, whose own repository has one, and a maker's repository on loopback."""

    def __init__(self, root: Path, served: tuple[Path, str], signer: Signer, kgpu_env: KgpuEnv, folder: Path) -> None:
        self.root, self.kgpu_env, self.signer = root, kgpu_env, signer
        www, self.address = served
        self.maker = Repository(www / "stable" / "deb" / "amd64", signer)
        self.maker.package("nvidia-container-toolkit", usr__bin__nvidia_ctk=CTK)
        self.maker.publish()
        self.key = www / "gpgkey"
        self.key.write_bytes(signer.key)
        own = Repository(www / "debian", signer)
        own.package("docker.io", usr__sbin__dockerd="#!/bin/sh\n")
        own.package("iptables")
        own.publish()
        keyring = root / "usr/share/keyrings/stand-in.asc"
        keyring.write_bytes(signer.key)
        for path in [*root.glob("etc/apt/sources.list*"), *root.glob("etc/apt/sources.list.d/*")]:
            path.unlink() if path.is_file() else None
        line = f"deb [signed-by=/usr/share/keyrings/stand-in.asc] {self.address}/debian ./\n"
        (root / "etc/apt/sources.list").write_text(line)
        self.overlay = folder / "facts"
        self.overlay.mkdir()
        row = next(row for row in yaml.safe_load((load().directory / "prepare.yaml").read_text())["repositories"])
        own_row = {**row, "fingerprints": [signer.fingerprint]}
        (self.overlay / "prepare.yaml").write_text(yaml.safe_dump({"repositories": [own_row]}))

    def __call__(self, *words: str, shipped: bool = False) -> "subprocess.CompletedProcess[str]":
        environment = {} if shipped else {"KGPU_ENV_CATALOGUE": str(self.overlay)}
        environment |= {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
        given = ("--root", self.root, "--vendor", "nvidia", "--add-repository", "--mirror", self.address)
        ended: subprocess.CompletedProcess[str] = self.kgpu_env("prepare", *given, *words, env=environment)
        return ended

    def has(self, path: str) -> bool:
        return (self.root / path).exists()

    def traces(self) -> list[str]:
        """What prepare wrote and has not taken back."""
        return sorted(path.name for path in self.root.rglob("*kgpu-env*"))


@pytest.fixture
def node(unpacked: Path, served: tuple[Path, str], signer: Signer, kgpu_env: KgpuEnv, tmp_path: Path) -> Iterator[Node]:
    """A copy of the Debian, which takes what is written into a folder of its own."""
    root, *layers = (tmp_path / name for name in ("root", "upper", "work"))
    for folder in (root, *layers):
        folder.mkdir()
    places = f"lowerdir={unpacked},upperdir={layers[0]},workdir={layers[1]}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", places, str(root)], check=True)
    yield Node(root, served, signer, kgpu_env, tmp_path)
    subprocess.run(["umount", str(root)], check=True)


def test_a_bare_node_is_made_ready_and_a_second_run_has_nothing_to_do(node: Node) -> None:
    shown = node("--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "steps to do: " in shown.stdout
    assert not node.traces()
    ended = node("--yes")
    assert ended.returncode == 0, ended.stderr
    assert node.has("usr/sbin/dockerd")
    assert (node.root / "var/lib/nvidia-ctk.asked").read_text() == "runtime configure --runtime=docker\n"
    assert '"nvidia"' in (node.root / "etc/docker/daemon.json").read_text()
    assert node.traces() == [
        "kgpu-env-nvidia-container-toolkit-deb.asc",
        "kgpu-env-nvidia-container-toolkit-deb.sources",
    ]
    assert not node.has("usr/sbin/policy-rc.d")
    assert "sudo apt-get remove nvidia-container-toolkit" in ended.stdout
    assert ended.stderr.index("steps to do") < ended.stderr.index("now       ")  # said before it was done
    again = node("--yes")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("This machine is ready.\n")
    assert (node.root / "var/lib/nvidia-ctk.asked").read_text().count("\n") == 1


def test_another_key_than_the_maker_s_is_refused_and_nothing_of_it_stays(node: Node) -> None:
    ended = node("--yes", shipped=True)  # the shipped facts know NVIDIA's fingerprint alone
    assert ended.returncode == 3
    assert "KGE-332" in ended.stderr
    assert node.signer.fingerprint in ended.stderr
    assert node.traces() == []
    assert not node.has("usr/bin/nvidia-ctk")


def test_no_key_at_the_address(node: Node) -> None:
    node.key.unlink()
    ended = node("--yes")
    assert (ended.returncode, "KGE-333" in ended.stderr, node.traces()) == (3, True, [])
    node.key.write_text("<html>not found</html>")
    ended = node("--yes")
    assert (ended.returncode, "no key file" in ended.stderr, node.traces()) == (3, True, [])


@pytest.mark.parametrize("fault", ["expired", "unsigned", "other signer", "altered"])
def test_a_repository_that_apt_refuses_is_taken_away_again(node: Node, fault: str, tmp_path: Path) -> None:
    if fault == "expired":
        node.maker.publish(days=-1)
    elif fault == "unsigned":
        node.maker.publish(signed=False)
    elif fault == "other signer":
        node.maker.signer = Signer(tmp_path / "o")
        node.maker.publish()
    else:
        (node.maker.folder / "Packages").write_text("Package: other\n")
    ended = node("--yes")
    assert ended.returncode == 5, ended.stderr
    assert "KGE-334" in ended.stderr
    assert node.traces() == []
    assert not node.has("usr/bin/nvidia-ctk")
    assert node.has("usr/sbin/dockerd")  # what was done before stays
    node.maker.signer = node.signer
    node.maker.publish()
    mended = node("--yes")
    assert mended.returncode == 0, mended.stderr
    assert node.has("usr/bin/nvidia-ctk")


def test_a_run_that_was_stopped_is_gone_on_with(node: Node) -> None:
    assert node("--yes").returncode == 0
    subprocess.run(
        ["chroot", str(node.root), "dpkg", "--purge", "nvidia-container-toolkit"], check=True, capture_output=True
    )
    (node.root / "etc/docker/daemon.json").unlink()
    (node.root / "etc/apt/keyrings/kgpu-env-nvidia-container-toolkit-deb.asc").write_text("half a k")
    shutil.rmtree(node.root / "var/lib/apt/lists")
    ended = node("--yes")
    assert ended.returncode == 0, ended.stderr
    assert node.has("usr/bin/nvidia-ctk")
    assert node.has("etc/docker/daemon.json")


def test_a_read_only_etc(node: Node) -> None:
    etc = str(node.root / "etc")
    subprocess.run(["mount", "--bind", etc, etc], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", etc], check=True)
    try:
        ended = node("--yes")
    finally:
        subprocess.run(["umount", etc], check=True)
    assert ended.returncode in {3, 5}, ended.stderr
    assert "KGE-337" in ended.stderr or "KGE-334" in ended.stderr
    assert "ead-only" in ended.stderr
    assert node.traces() == []


def test_without_root_it_is_said_before_anything(kgpu_env: KgpuEnv) -> None:
    """On this machine itself, by a user who can change nothing of it."""
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    ended = kgpu_env("prepare", "--vendor", "nvidia", "--add-repository", "--yes", before=nobody, cwd="/")
    assert ended.returncode == 5, ended.stderr
    assert "KGE-330" in ended.stderr
    assert "now       " not in ended.stderr


def test_without_a_terminal_and_without_yes_nothing_is_done(node: Node) -> None:
    ended = node()
    assert (ended.returncode, "KGE-910" in ended.stderr, node.traces()) == (2, True, [])


@pytest.mark.timeout(600)
def test_the_tutorial_from_bare_metal(node: Node, tutorial_environment: dict[str, str], tmp_path: Path) -> None:
    """What is prepared is the Debian in the folder; what is built and verified, is by this machine."""
    given = f"--root {node.root} --vendor nvidia --mirror {node.address}"
    settings = f"KGPU_ENV_CATALOGUE={node.overlay} no_proxy=127.0.0.1 NO_PROXY=127.0.0.1"
    start = (
        'sudo() { "$@"; }\n'
        'kgpu-env() { if [ "$1" = prepare ]; then shift; '
        f'{settings} command kgpu-env prepare {given} "$@"; else command kgpu-env "$@"; fi; }}'
    )
    (tmp_path / "here").mkdir()
    follow("bare-metal", tmp_path / "here", tutorial_environment, start=start)
    assert node.has("usr/sbin/dockerd")
    assert (tmp_path / "here/proof.html").stat().st_size

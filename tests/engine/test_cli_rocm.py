"""A ROCm image from a stand-in base in a loopback registry: what is in the image, and what must not be."""

import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provision import api as kgpu
from provision.cli.options import StackOptions
from provision.cli.planning import settings
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Context, Run
from provision.errors import BuildError
from provision.model import BuildOptions, Request, Vendor

if TYPE_CHECKING:
    from docker import APIClient

KgpuEnv = Any  # the class of conftest.py
pytestmark = pytest.mark.engine
HOST = Path(__file__).parents[1] / "data" / "hosts" / "mi300x-30.10.json"
SECRETS = ("pr0xy-s3cret", "1ndex-s3cret", "MARKER-CERTIFICATE")


def document(ended: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def rocm(command: str, *words: str) -> tuple[str, ...]:
    return (command, "--vendor", "rocm", "--host", str(HOST), *words)


@pytest.fixture
def stand_in(
    kgpu_env: KgpuEnv, engine: DockerEngine, base: str, registry: str, api: "APIClient"
) -> Iterator[dict[str, Any]]:
    """The stack whose base lies in the registry only; its python3 tells what it was given and installs nothing."""
    stack = document(kgpu_env(*rocm("resolve", "--json")))
    reference = f"{registry}/{stack['base']['image']}"
    told = (
        "#!/bin/sh\n"
        '[ -s /dev/network/ca.crt ] && echo "the certificates are there"\n'
        '[ -n "$HTTPS_PROXY" ] && echo "the proxy is there"\n'
        'cat "$PIP_CONFIG_FILE" >/dev/null && echo "the index is there"\n'
        'case "$*" in *fail-please*) exit 3;; esac\n'
    )
    lines = f"FROM {base}\nCOPY --chmod=755 python3 /usr/local/bin/python3\nRUN useradd --uid 1000 ubuntu\n"
    files = {"Dockerfile": lines.encode(), "python3": told.encode()}
    engine.build(Context(files=files), reference, lambda _: None, {})
    engine.push(reference, lambda _: None)
    api.remove_image(reference, force=True)
    (kgpu_env.folder / "kgpu-env.yaml").write_text(f'network: {{registries: {{docker.io: "{registry}"}}}}\n')
    yield stack
    if engine.image(reference):
        api.remove_image(reference, force=True)


def test_it_builds_to_the_end(
    kgpu_env: KgpuEnv, stand_in: dict[str, Any], engine: DockerEngine, tag: str, registry: str
) -> None:
    built = document(kgpu_env(*rocm("build", "--tag", tag, "--json")))
    image = engine.image(tag)
    assert image
    assert (built["image_id"], built["tag"], built["base_built_locally"]) == (image.image_id, tag, False)
    label = json.loads(image.labels["io.kgpu-env.stack"])
    for key in ("vendor", "framework", "runtime", "python", "base", "settings"):
        assert label[key] == stand_in[key]
    assert image.labels["io.kgpu-env.plan"] == built["plan_digest"]
    assert image.labels["org.opencontainers.image.base.name"] == stand_in["base"]["image"]
    assert registry not in str(image.labels)
    assert image.user == "1000:1000"
    who = engine.run(Run(image=tag, command=("sh", "-c", "id -un; id -u; id -g; stat -c %u ~keras")))
    assert who.stdout.split() == ["keras", "1000", "1000", "1000"]  # the base's own 1000 has gone


def test_a_user_with_a_great_id(kgpu_env: KgpuEnv, stand_in: dict[str, Any], engine: DockerEngine, tag: str) -> None:
    assert stand_in
    file = kgpu_env.folder / "kgpu-env.yaml"
    file.write_text(file.read_text() + "user: {name: dev, uid: 1000055, gid: 1000056}\n")
    begun = time.monotonic()
    built = document(kgpu_env(*rocm("build", "--tag", tag, "--json")))
    assert time.monotonic() - begun < 60  # useradd must not write a login record of that length
    assert built["size_bytes"] < 1e9
    who = engine.run(Run(image=tag, command=("sh", "-c", "id -un; id -u; id -g; pwd -P; cd; stat -c %u:%g /home/dev")))
    assert who.stdout.split() == ["dev", "1000055", "1000056", "/tmp", "1000055:1000056"]


def test_push(
    kgpu_env: KgpuEnv, stand_in: dict[str, Any], engine: DockerEngine, api: "APIClient", registry: str
) -> None:
    assert stand_in
    name = f"{registry}/site/rocm:{time.monotonic_ns()}"
    try:
        built = document(kgpu_env(*rocm("build", "--tag", name, "--push", "--json")))
        assert built["pushed"]
        api.remove_image(name, force=True)
        assert engine.image(name) is None
        assert engine.pull(name, lambda _: None).image_id == built["image_id"]
    finally:
        api.remove_image(name, force=True)


def layers(api: "APIClient", image: str) -> list[str]:
    inspected: dict[str, Any] = api.inspect_image(image)  # type: ignore[no-untyped-call] # its stub has no types
    found: list[str] = inspected["RootFS"]["Layers"]
    return found


def test_a_lock_takes_the_digest_from_the_registry_and_the_build_uses_it(
    kgpu_env: KgpuEnv, stand_in: dict[str, Any], api: "APIClient", registry: str, tag: str
) -> None:
    locked = document(kgpu_env(*rocm("lock", "--json")))
    base = locked["stack"]["base"]
    assert base["image"] == stand_in["base"]["image"]
    reference = f"{registry}/{base['image']}@{base['digest']}"
    try:
        document(kgpu_env("build", "--locked", "--tag", tag, "--json"))
        beneath = layers(api, reference)
        assert layers(api, tag)[: len(beneath)] == beneath
    finally:
        api.remove_image(reference, force=True)
    same = kgpu_env(*rocm("lock", "--check"))
    assert (same.returncode, same.stdout) == (0, "kgpu.lock is what would be locked now.\n"), same.stderr


def test_a_push_that_is_refused(kgpu_env: KgpuEnv, stand_in: dict[str, Any], api: "APIClient") -> None:
    assert stand_in
    name = "127.0.0.1:1/site/rocm:1"
    try:
        ended = kgpu_env(*rocm("build", "--tag", name, "--push", "--json"))
        assert ended.returncode == 6, ended.stderr
        assert json.loads(ended.stdout)["code"] == "KGE-434"  # nothing listens there
    finally:
        api.remove_image(name, force=True)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A made-up certificate authority."""
    path = tmp_path / "site-ca.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={SECRETS[2]}", "-keyout", str(tmp_path / "key.pem"), "-out", str(path)),
        ],
        capture_output=True,
        check=True,
    )
    return path


def site_network(kgpu_env: KgpuEnv, bundle: Path) -> None:
    """Add a site's way to the network to the project file."""
    file = kgpu_env.folder / "kgpu-env.yaml"
    index = f"https://user:{SECRETS[1]}@packages.example/simple"
    more = f", ca_bundle: {bundle.name}, index_url: '{index}', proxy: 'http://u:{SECRETS[0]}@192.0.2.1:3128'"
    file.write_text(file.read_text().replace('"}}', f'"}}{more}}}'))


def built(kgpu_env: KgpuEnv, tag: str, package: str) -> str:
    """Build with the project's settings and a package that is resolved inside; return what was said.

    The command itself asks the index first, and this one is nowhere.
    """
    before, said = Path.cwd(), list[str]()
    os.chdir(kgpu_env.folder)
    try:
        network = settings(StackOptions(vendor="rocm", config=Path("kgpu-env.yaml"))).network
        request = Request(vendor=Vendor.ROCM, packages=(package,))
        options = BuildOptions(request=request, tag=tag, network=network)
        kgpu.build(kgpu.resolve(kgpu.read_host(HOST), request), options, log=said.append)
    finally:
        os.chdir(before)
    return "\n".join(said)


def test_the_network_of_the_host_reaches_the_build_and_not_the_image(
    kgpu_env: KgpuEnv, stand_in: dict[str, Any], api: "APIClient", tag: str, bundle: Path
) -> None:
    assert stand_in
    site_network(kgpu_env, bundle)
    said = built(kgpu_env, tag, f"six!=0.{time.monotonic_ns()}")
    certificate = "".join(bundle.read_text().splitlines()[1:3])[:64]
    history = api.history(tag)  # type: ignore[no-untyped-call] # the SDK's stub leaves it open
    seen = f"{history} {api.inspect_image(tag)}"  # type: ignore[no-untyped-call] # the same
    for secret in (*SECRETS, certificate, "packages.example", "192.0.2.1"):
        assert secret not in seen, secret
        assert secret not in said, secret
    place = bundle.with_name("image.tar")
    assert (
        files_with(api, tag, [secret.encode() for secret in (*SECRETS, certificate, "packages.example")], place) == []
    )
    assert files_with(api, tag, [b"the proxy is there"], place) == [
        "usr/local/bin/python3"
    ]  # the search finds what is there


def test_the_network_of_the_host_is_there_during_the_build(
    kgpu_env: KgpuEnv, stand_in: dict[str, Any], bundle: Path, tag: str
) -> None:
    """Otherwise the test above would pass for a build that is given nothing at all."""
    assert stand_in
    site_network(kgpu_env, bundle)
    with pytest.raises(BuildError) as caught:
        built(kgpu_env, tag, "fail-please")
    log = "\n".join(caught.value.log)
    for told in ("the certificates are there", "the proxy is there", "the index is there"):
        assert told in log
    for secret in SECRETS:
        assert secret not in f"{log} {caught.value} {caught.value.cause}"


def files_with(api: "APIClient", image: str, texts: list[bytes], place: Path) -> list[str]:
    """Names of the files of an image that hold one of the texts, or are named by it."""
    container = api.create_container(image, ["true"])
    try:
        with place.open("wb") as file:
            file.writelines(api.export(container))
    finally:
        api.remove_container(container, force=True)
    found = []
    with tarfile.open(place) as archive:
        for member in archive:
            data = archive.extractfile(member) if member.isfile() else None
            content = member.name.encode() + (data.read() if data else b"")
            if any(text in content for text in texts):
                found.append(member.name)
    return found

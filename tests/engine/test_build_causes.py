"""Causes of failed builds, each made for real on loopback: every one has its own code, and the line is shown."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from loopback import Authority, intercepting_proxy, private_index
from pip._internal.models.index import PyPI

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
TAG = "3.11-slim-bookworm"
MIRROR = "kgpu.test:1"  # no registry: the image is here under that name
OWN = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "PIP_INDEX_URL", "PIP_CONFIG_FILE")


class Command(Protocol):
    """The command as a user runs it, in a folder of its own."""

    folder: Path

    def __call__(self, *words: str, **options: object) -> "subprocess.CompletedProcess[str]":
        """Run it."""


@pytest.fixture
def mirrored(api: "APIClient", base: str) -> Iterator[str]:
    name = f"{MIRROR}/library/python"
    api.tag(base, name, TAG)
    yield f"docker.io: '{MIRROR}'"
    api.remove_image(f"{name}:{TAG}")


def network(cause: str, stack: ExitStack, folder: Path) -> tuple[str, dict[str, str]]:
    """Return an index and the variables of a host on which a build fails for that cause."""
    authority = Authority(folder / "authority")
    match cause:
        case "login":
            port = stack.enter_context(private_index({}, "me:right"))
            return f"http://me:wrong-s3cret@127.0.0.1:{port}/simple", {}
        case "name":
            return "https://no-such-host.invalid/simple", {}
        case "closed":
            return "http://127.0.0.1:9/simple", {}
        case "refusing proxy":
            port = stack.enter_context(intercepting_proxy(authority, [], refuse=407))
            return "https://index.example/simple", {"HTTPS_PROXY": f"http://127.0.0.1:{port}"}
        case _:
            port = stack.enter_context(intercepting_proxy(authority, []))
            return PyPI.simple_url, {"HTTPS_PROXY": f"http://127.0.0.1:{port}"}


@pytest.mark.parametrize(
    "expected",
    [
        ("login", "KGE-430", "valid authentication credentials (401"),
        ("name", "KGE-431", "Name or service not known"),
        ("closed", "KGE-434", "Connection refused"),
        ("refusing proxy", "KGE-432", "proxy authorization required"),
        ("intercepting proxy", "KGE-669", "UnknownIssuer"),
    ],
)
def test_each_cause_has_its_own_code(
    kgpu_env: Command, mirrored: str, tmp_path: Path, expected: tuple[str, str, str]
) -> None:
    cause, code, line = expected
    with ExitStack() as stack:
        index, variables = network(cause, stack, tmp_path)
        settings = f"network: {{index_url: '{index}', registries: {{{mirrored}}}}}\n"
        (kgpu_env.folder / "kgpu-env.yaml").write_text(settings)
        unset = ("env", *(word for name in OWN for word in ("-u", name)))
        words = ("build", "--vendor", "cpu", "--base", f"python:{TAG}", "--tag", "kgpu-test/never:1", "--json")
        home = {"HOME": str(tmp_path / "home"), "PIP_RETRIES": "1"}
        ended = kgpu_env(*words, env={**home, **variables}, before=unset)
    assert ended.returncode == 3, ended.stderr  # packages are chosen before anything is built
    error = json.loads(ended.stdout)
    assert error["code"] == code, error
    assert "cannot be" in error["text"]
    assert line in error["cause"]
    assert "s3cret" not in ended.stdout + ended.stderr

"""Which engine and which login: the one that the docker program would take."""

import json
import os
import stat
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from provision.engine.connection import Endpoint, candidates, chosen_endpoint, find_engine
from provision.engine.logins import Login, stored_login
from provision.errors import EngineError

Make = Callable[..., dict[str, str]]


@pytest.fixture
def docker(tmp_path: Path) -> Make:
    """The environment of a user with one context."""

    def make(name: str = "far", meta: object = None, **config: object) -> dict[str, str]:
        folder = tmp_path / "docker"
        ident = sha256(name.encode()).hexdigest()
        place = folder / "contexts/meta" / ident
        place.mkdir(parents=True, exist_ok=True)
        endpoint = {"Host": "tcp://far:2376", "SkipTLSVerify": False}
        known = {"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}
        (place / "meta.json").write_text(json.dumps(known if meta is None else meta))
        if config:
            (folder / "config.json").write_text(json.dumps(config))
        return {"DOCKER_CONFIG": str(folder)}

    return make


def test_the_context_in_use_is_taken(docker: Make) -> None:
    environment = docker(currentContext="far")
    assert chosen_endpoint(environment) == Endpoint("tcp://far:2376", "docker's context far")
    assert candidates(environment, 0) == ("tcp://far:2376",)


def test_the_variables_win_in_dockers_order(docker: Make) -> None:
    environment = docker(currentContext="other") | {"DOCKER_CONTEXT": "far"}
    assert candidates(environment, 0) == ("tcp://far:2376",)
    assert candidates(environment | {"DOCKER_HOST": "unix:///x"}, 0) == ("unix:///x",)
    assert chosen_endpoint(environment | {"DOCKER_CONTEXT": "default"}) is None


def test_a_context_needs_no_configuration_file(docker: Make) -> None:
    assert candidates(docker() | {"DOCKER_CONTEXT": "far"}, 0) == ("tcp://far:2376",)


def test_its_certificates_go_along(docker: Make, tmp_path: Path) -> None:
    environment = docker(currentContext="far")
    folder = tmp_path / "docker/contexts/tls" / sha256(b"far").hexdigest() / "docker"
    folder.mkdir(parents=True)
    found = chosen_endpoint(environment)
    assert found is not None
    assert found.certificates == folder


@pytest.mark.parametrize("meta", [[], {}, {"Endpoints": {"kubernetes": {}}}, {"Endpoints": 5}])
def test_a_context_that_names_no_engine(docker: Make, meta: object) -> None:
    with pytest.raises(EngineError) as caught:
        find_engine(None, docker(meta=meta, currentContext="far"))
    assert (caught.value.code, int(caught.value.exit_code)) == ("KGE-321", 5)
    assert "docker context use default" in caught.value.fix


def test_a_context_that_is_not_there(docker: Make) -> None:
    with pytest.raises(EngineError, match="docker's context gone cannot be used") as caught:
        find_engine(None, docker() | {"DOCKER_CONTEXT": "gone"})
    assert "No such file" in caught.value.cause


@pytest.mark.process
def test_no_other_engine_is_taken_when_the_chosen_one_is_silent(docker: Make, tmp_path: Path) -> None:
    meta = {"Endpoints": {"docker": {"Host": f"unix://{tmp_path}/desktop.sock"}}}
    with pytest.raises(EngineError) as caught:
        find_engine(None, docker("desktop-linux", meta, currentContext="desktop-linux"))
    assert caught.value.code == "KGE-301"
    assert "which docker's context desktop-linux names" in caught.value.cause


@pytest.mark.parametrize("content", ["[]", "{", '{"currentContext": null}', '{"auths": {}}'])
def test_without_a_choice_the_usual_sockets(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    assert candidates({"DOCKER_CONFIG": str(tmp_path)}, 0)[0] == "unix:///var/run/docker.sock"


HELPER = """#!{python}
import json, sys
server = sys.stdin.read().strip()
if sys.argv[1] != "get" or server not in ("private.example:5000", "https://index.docker.io/v1/"):
    print("credentials not found in native keychain")
    sys.exit(1)
print(json.dumps({{"ServerURL": server, "Username": "me", "Secret": "s3cret"}}))
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin/docker-credential-mine"
    program.parent.mkdir()
    program.write_text(HELPER.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path


def config(folder: Path, **values: object) -> Path:
    (folder / "config.json").write_text(json.dumps(values))
    return folder


@pytest.mark.process
@pytest.mark.parametrize(
    ("settings", "registry"),
    [
        ({"credHelpers": {"private.example:5000": "mine"}}, "private.example:5000"),
        ({"credsStore": "mine"}, "private.example:5000"),
        ({"credsStore": "mine"}, "docker.io"),
    ],
)
def test_a_credential_helper_is_asked(helper: Path, settings: dict[str, object], registry: str) -> None:
    found = stored_login(registry, config(helper, **settings))
    assert (found.basic, found.problem) == ("bWU6czNjcmV0", "")


@pytest.mark.process
def test_a_helper_that_knows_nothing_is_no_problem(helper: Path) -> None:
    assert stored_login("public.example", config(helper, credsStore="mine")) == Login({})


def test_a_helper_that_is_not_installed_is_told_and_asks_nobody(tmp_path: Path) -> None:
    found = stored_login("docker.io", config(tmp_path, credsStore="desktop.exe"))
    assert found.settings == {}
    assert "docker-credential-desktop.exe not installed" in found.problem

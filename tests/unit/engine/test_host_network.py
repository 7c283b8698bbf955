"""The host's network as its own tools use it: uv, pip, netrc, keyring, docker, apt, the system's authorities."""

import json
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from provision import model
from provision.engine.index_logins import found_login
from provision.engine.network import BuildNetwork, Surroundings, asked_network, build_network, shares_loopback

PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
SYSTEM, COMPANY = PEM.format("MIIBszCCAVmgAwIBAgIU"), PEM.format("MIIBszCCAVmgAwIBAgIV")


def put(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def build(root: Path, files: Mapping[str, str] = {}, *, loopback: object = False, **environment: str) -> BuildNetwork:
    put(root, files)
    around = Surroundings(root=root, folder=root / "project", on_host=bool(loopback))
    return build_network(model.Network(), {"HOME": str(root / "home"), **environment}, around)


def indexes(found: BuildNetwork) -> list[str]:
    """Addresses in uv's order, the default one last."""
    table = msgspec.toml.decode(found.files["network/uv.toml"])
    return [one["url"] for one in table.get("index", [])]


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"UV_DEFAULT_INDEX": "https://a/"}, ["https://a/"]),
        (
            {"UV_INDEX_URL": "https://a/", "UV_EXTRA_INDEX_URL": "https://b/ https://c/"},
            ["https://b/", "https://c/", "https://a/"],
        ),
        ({"UV_INDEX": "mine=https://b/ https://c/"}, ["https://b/", "https://c/"]),
        (
            {"UV_INDEX": "my-own=https://b/", "UV_INDEX_MY_OWN_USERNAME": "me", "UV_INDEX_MY_OWN_PASSWORD": "p@w"},
            ["https://me:p%40w@b/"],
        ),
        ({"UV_DEFAULT_INDEX": "https://a/", "PIP_INDEX_URL": "https://pip/"}, ["https://a/"]),
        ({"PIP_INDEX_URL": "https://pip/", "UV_INDEX": "https://b/"}, ["https://b/", "https://pip/"]),
    ],
)
def test_uvs_variables(tmp_path: Path, environment: dict[str, str], wanted: list[str]) -> None:
    assert indexes(build(tmp_path, {}, **environment)) == wanted


UV = (
    '[[index]]\nname = "mine"\nurl = "https://file/"\ndefault = true\n[[index]]\nurl = "https://no/"\nexplicit = true\n'
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("etc/uv/uv.toml", UV),
        ("etc/xdg/uv/uv.toml", 'index-url = "https://file/"'),
        ("home/.config/uv/uv.toml", '[pip]\nindex-url = "https://file/"'),
        ("project/uv.toml", UV),
        ("uv.toml", UV),  # of a folder above
        ("project/pyproject.toml", '[tool.uv]\nindex-url = "https://file/"\n'),
    ],
)
def test_uvs_files(tmp_path: Path, name: str, text: str) -> None:
    assert indexes(build(tmp_path, {name: text})) == ["https://file/"]
    assert indexes(build(tmp_path, UV_DEFAULT_INDEX="https://variable/")) == ["https://variable/"]


def test_uvs_project_wins_and_broken_files_are_passed_over(tmp_path: Path) -> None:
    files = {"etc/uv/uv.toml": "index-url = [", "home/.config/uv/uv.toml": 'index-url = "https://user/"'}
    assert indexes(build(tmp_path, files)) == ["https://user/"]
    assert indexes(build(tmp_path, {"project/uv.toml": 'index-url = "https://project/"'})) == ["https://project/"]
    assert build(tmp_path, UV_CONFIG_FILE=str(tmp_path / "etc/uv/uv.toml")).files == {}


def test_hosts_without_a_certificate_are_trusted_by_both(tmp_path: Path) -> None:
    found = build(tmp_path, {"etc/pip.conf": "[global]\nindex-url = https://a/\ntrusted-host =\n  a\n  b:8443\n"})
    assert msgspec.toml.decode(found.files["network/uv.toml"])["allow-insecure-host"] == ["a", "b:8443"]
    assert b"trusted-host = a b:8443" in found.files["network/pip.conf"]


def test_pips_certificates_and_proxy(tmp_path: Path) -> None:
    conf = f"[global]\ncert = {tmp_path}/company.pem\nproxy = http://me:pw@proxy:8080\n"
    found = build(tmp_path, {"company.pem": COMPANY, "home/.config/pip/pip.conf": conf})
    assert found.files["network/ca.crt"].decode() == COMPANY
    assert found.arguments["HTTPS_PROXY"] == "http://me:pw@proxy:8080"


@pytest.mark.parametrize(
    ("anchors", "bundle"),
    [
        ("usr/local/share/ca-certificates", "etc/ssl/certs/ca-certificates.crt"),
        ("etc/pki/ca-trust/source/anchors", "etc/pki/tls/certs/ca-bundle.crt"),
    ],
)
def test_what_an_administrator_added_is_trusted_beside_the_public_ones(
    tmp_path: Path, anchors: str, bundle: str
) -> None:
    assert build(tmp_path, {bundle: SYSTEM}).files == {}  # nothing was added
    found = build(tmp_path, {f"{anchors}/company.crt": COMPANY})
    assert found.files["network/ca.crt"].decode().count("BEGIN") == 2


def test_a_folder_of_certificates(tmp_path: Path) -> None:
    found = build(tmp_path, {"certs/one.pem": COMPANY, "certs/hash.0": COMPANY}, SSL_CERT_DIR=str(tmp_path / "certs"))
    assert found.files["network/ca.crt"].decode().count("BEGIN") == 1


NETRC = "machine a login me password p@w\ndefault login other password no\n"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://a/simple", "https://me:p%40w@a/simple"),
        ("https://me@a/simple", "https://me:p%40w@a/simple"),
        ("https://you@a/simple", "https://you@a/simple"),
        ("https://x:y@a/simple", "https://x:y@a/simple"),
    ],
)
def test_a_login_in_netrc(tmp_path: Path, url: str, wanted: str) -> None:
    assert indexes(build(tmp_path, {"home/.netrc": NETRC}, PIP_INDEX_URL=url)) == [wanted]
    named = build(tmp_path, {"other": NETRC}, PIP_INDEX_URL=url, NETRC=str(tmp_path / "other"))
    assert indexes(named) == [wanted]


def test_a_broken_netrc_is_no_login(tmp_path: Path) -> None:
    assert indexes(build(tmp_path, {"home/.netrc": "machine"}, PIP_INDEX_URL="https://a/")) == ["https://a/"]


@pytest.mark.process
def test_a_keyring_is_asked_for_the_user_in_the_address(tmp_path: Path) -> None:
    program = tmp_path / "bin/keyring"
    answer = "print('s/cret') if sys.argv[1:] == ['get', 'a', 'me'] else sys.exit(1)"
    put(tmp_path, {"bin/keyring": f"#!{sys.executable}\nimport sys\n{answer}\n"})
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    found = found_login("https://me@a/simple", {"PATH": str(program.parent)})
    assert found == "https://me:s%2Fcret@a/simple"
    assert found_login("https://you@a/simple", {"PATH": str(program.parent)}) == "https://you@a/simple"
    assert found_login("https://a/simple", {"PATH": str(program.parent)}) == "https://a/simple"


def docker(**proxies: dict[str, str]) -> dict[str, str]:
    return {"home/.docker/config.json": json.dumps({"proxies": proxies})}


def test_the_proxies_that_docker_gives_to_containers_win(tmp_path: Path) -> None:
    files = docker(default={"httpProxy": "http://172.17.0.1:3128", "noProxy": "corp"})
    found = build(tmp_path, files, http_proxy="http://127.0.0.1:3128")
    assert (found.arguments["HTTP_PROXY"], found.arguments["no_proxy"]) == ("http://172.17.0.1:3128", "corp")
    assert found.left_out == ()


@pytest.mark.parametrize("text", ["[]", "{", '{"proxies": []}', '{"proxies": {"default": 5}}'])
def test_a_strange_configuration_of_docker_has_no_proxies(tmp_path: Path, text: str) -> None:
    assert build(tmp_path, {"home/.docker/config.json": text}).arguments == {}


APT = """// of the site
# too
Acquire::http::Proxy "http://cache:3142"; /* one
comment */ Acquire { https { Proxy "http://me:pw@proxy:1/"; }; Retries "3"; };
APT::Install-Recommends "false";
"""


def test_apts_proxies(tmp_path: Path) -> None:
    found = build(tmp_path, {"etc/apt/apt.conf.d/01proxy": APT, "etc/apt/apt.conf.d/a.bak": 'Acquire::ftp::Proxy "";'})
    assert found.files["network/apt.conf"].decode().splitlines() == [
        'Acquire::http::Proxy "http://cache:3142";',
        'Acquire::https::Proxy "http://me:pw@proxy:1/";',
    ]


def test_with_its_own_loopback_a_build_reaches_what_the_host_reaches(tmp_path: Path) -> None:
    files = {"etc/apt/apt.conf.d/01proxy": 'Acquire::http::Proxy "http://127.0.0.1:3142";'}
    words = {"http_proxy": "http://localhost:3128", "PIP_INDEX_URL": "http://127.0.0.1:3141/simple"}
    found = build(tmp_path, files, loopback=True, **words)
    assert (found.host_network, found.left_out) == (True, ())
    assert indexes(found) == ["http://127.0.0.1:3141/simple"]
    apart = build(tmp_path, {}, **words)
    assert (apart.host_network, apart.files, apart.arguments) == (False, {}, {})
    assert len(apart.left_out) == 3
    assert not build(tmp_path / "other", loopback=True, http_proxy="http://proxy:1").host_network


@pytest.mark.parametrize(
    ("address", "system", "rootless", "wanted"),
    [
        ("unix:///var/run/docker.sock", "Debian", False, True),
        ("tcp://far:2376", "Debian", False, False),
        ("unix:///run/user/5/docker.sock", "Debian", True, False),
        ("unix:///home/x/.docker/desktop/docker.sock", "Docker Desktop", False, False),
    ],
)
def test_whose_loopback_a_build_can_share(
    monkeypatch: pytest.MonkeyPatch, address: str, system: str, *, rootless: bool, wanted: bool
) -> None:
    monkeypatch.setattr("provision.engine.network.shares", lambda found, _: found.startswith("unix://"))
    engine = model.Engine(name="docker", version="28", api_version="1.50", address=address)
    engine = msgspec.structs.replace(engine, system=system, rootless=rootless)
    assert shares_loopback(engine) is wanted


def test_what_is_written_down_has_its_logins_in_a_file_of_their_own() -> None:
    network = model.Network(index_url='https://me:p"w@a/', extra_index_urls=("https://b/", "https://tok@c/"))
    files = asked_network(network).files
    assert files["network/netrc"].decode().splitlines() == [
        'machine a login "me" password "p\\"w"',
        'machine c login "tok" password ""',
    ]
    assert files["network/.gitignore"] == b"netrc\n"
    assert not [name for name, text in files.items() if b"me:" in text or b"tok@" in text]
    assert "network/netrc" not in asked_network(model.Network(index_url="https://a/")).files

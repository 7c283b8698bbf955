from pathlib import Path

import msgspec.toml
import pytest

from provision import model
from provision.engine.certificates import certificates
from provision.engine.network import BuildNetwork, Surroundings, build_network
from provision.errors import InputError

# The outer shape of a certificate (a DER sequence); never used to verify anything.
PEM = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
NOTHING = model.Network()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(f"# Société\n{PEM}{KEY}{PEM}", encoding="latin-1")
    return path


def build(tmp_path: Path, network: model.Network = NOTHING, **environment: str) -> BuildNetwork:
    return build_network(
        network, {"DOCKER_CONFIG": str(tmp_path / "docker"), **environment}, Surroundings(root=tmp_path)
    )


def uv(found: BuildNetwork) -> dict[str, object]:
    return msgspec.toml.decode(found.files["network/uv.toml"], type=dict[str, object])


def test_a_host_with_direct_access_needs_nothing(tmp_path: Path) -> None:
    assert build(tmp_path) == BuildNetwork()


def test_only_certificates_are_taken_from_a_bundle(bundle: Path) -> None:
    taken = certificates(bundle)
    assert taken.count(b"BEGIN CERTIFICATE") == 2
    assert b"PRIVATE" not in taken


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"])
def test_the_hosts_bundle_is_found(tmp_path: Path, bundle: Path, name: str) -> None:
    found = build(tmp_path, NOTHING, **{name: str(bundle)})
    assert list(found.files) == ["network/ca.crt", "network/apt.conf"]


def test_a_stale_variable_is_passed_over(tmp_path: Path, bundle: Path) -> None:
    found = build(tmp_path, SSL_CERT_FILE=str(tmp_path / "gone"), PIP_CERT=str(bundle))
    assert "network/ca.crt" in found.files


@pytest.mark.parametrize("content", [None, "", KEY, "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----"])
def test_a_bundle_asked_for_must_be_good(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "bad.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError) as caught:
        build(tmp_path, model.Network(ca_bundle=str(path)))
    assert caught.value.code == "KGE-601"


def test_a_folder_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        build(tmp_path, model.Network(ca_bundle=str(tmp_path)))


def test_indexes_from_variables_in_uvs_order(tmp_path: Path) -> None:
    found = build(
        tmp_path, PIP_INDEX_URL="https://u:p%20w@a.example/simple", PIP_EXTRA_INDEX_URL="https://b/1 http://c/2"
    )
    assert uv(found) == {
        "index": [
            {"url": "https://b/1"},
            {"url": "http://c/2"},
            {"url": "https://u:p%20w@a.example/simple", "default": True},
        ]
    }


def test_flags_win_over_the_host(tmp_path: Path) -> None:
    found = build(tmp_path, model.Network(index_url="https://mine/simple"), PIP_INDEX_URL="https://host/simple")
    assert uv(found)["index"] == [{"url": "https://mine/simple", "default": True}]


def test_pip_conf_is_read_and_variables_win_over_it(tmp_path: Path) -> None:
    (tmp_path / "etc/xdg/pip").mkdir(parents=True)
    (tmp_path / "etc/xdg/pip/pip.conf").write_text("[global]\nindex-url = https://xdg/simple\n")
    (tmp_path / "etc/pip.conf").write_text(
        "[global]\nindex-url = https://etc/simple\nextra-index-url =\n  https://one/\n  file:///srv\n"
    )
    assert uv(build(tmp_path))["index"] == [
        {"url": "https://one/"},
        {"url": "https://etc/simple", "default": True},
    ]
    changed = build(tmp_path, PIP_INDEX_URL="https://env/simple")
    assert {"url": "https://env/simple", "default": True} in uv(changed)["index"]  # type: ignore[operator] # a list
    assert build(tmp_path, PIP_CONFIG_FILE="/dev/null") == BuildNetwork()


def test_a_broken_pip_conf_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/pip.conf").write_bytes(b"index-url = \xff no section")
    assert build(tmp_path) == BuildNetwork()


@pytest.mark.parametrize(
    "url", ["file:///opt/simple", "/opt/simple", "http://localhost:3141/x", "http://127.0.0.1/", "https://[::1]/"]
)
def test_what_a_container_cannot_reach_is_left_out_and_said(tmp_path: Path, url: str) -> None:
    found = build(tmp_path, PIP_INDEX_URL=url)
    assert not found.files
    assert found.left_out == ("index-url: a path or address of this host only",)


@pytest.mark.parametrize("url", ["https://a b/", 'https://a"\nb/', "https://[::1"])
def test_a_url_that_is_none_is_an_error_without_its_value(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError) as caught:
        build(tmp_path, model.Network(index_url=url))
    assert caught.value.code == "KGE-602"
    assert url not in caught.value.text + caught.value.cause


def test_quotes_in_a_url_cannot_add_a_setting(tmp_path: Path) -> None:
    url = 'https://a/"]x=1'
    assert uv(build(tmp_path, PIP_INDEX_URL=url)) == {"index": [{"url": url, "default": True}]}


def test_proxies_in_both_cases(tmp_path: Path) -> None:
    found = build(tmp_path, https_proxy="http://p:3128", NO_PROXY=".corp")
    assert found.arguments == {
        "HTTPS_PROXY": "http://p:3128",
        "https_proxy": "http://p:3128",
        "NO_PROXY": ".corp",
        "no_proxy": ".corp",
    }


def test_no_proxy_alone_is_no_setting(tmp_path: Path) -> None:
    assert build(tmp_path, no_proxy="localhost").arguments == {}


def test_a_loopback_proxy_is_left_out(tmp_path: Path) -> None:
    found = build(tmp_path, HTTP_PROXY="127.0.0.1:3128", HTTPS_PROXY="http://p:1")
    assert found.arguments == {"HTTPS_PROXY": "http://p:1", "https_proxy": "http://p:1"}
    assert found.left_out == ("HTTP_PROXY: a loopback address",)


def test_the_proxy_asked_for_wins(tmp_path: Path) -> None:
    found = build(tmp_path, model.Network(proxy="http://mine:1"), http_proxy="http://host:2")
    assert set(found.arguments.values()) == {"http://mine:1"}

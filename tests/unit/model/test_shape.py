"""The words by which people say what a container gets, and what a cluster asks for."""

from collections.abc import Callable

import pytest

from provision.model import Cluster, Mount, Port, Shape
from provision.model.shape import env_lines, mount, port, size, variable


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/a b:/c", Mount(source="/a b", target="/c")),
        ("./x:/c:rw", Mount(source="./x", target="/c")),
        ("models:/m:ro", Mount(source="models", target="/m", read_only=True)),
    ],
)
def test_mounts(text: str, found: Mount) -> None:
    assert mount(text) == found


@pytest.mark.parametrize("text", ["", "/a", "/a:b", "a/b:/c", "/a:/b:z", "~/x:/c", "/a:/b:ro:ro", "/a\n:/b", "/a:/b,c"])
def test_no_mounts(text: str) -> None:
    with pytest.raises(ValueError, match=r"mount|folder|path"):
        mount(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("80", Port(inside=80, outside=80)),
        ("8080:80", Port(inside=80, outside=8080)),
        ("[::1]:1:2", Port(inside=2, outside=1, address="::1")),
    ],
)
def test_ports(text: str, found: Port) -> None:
    assert port(text) == found


def test_a_port_of_ipv6_has_its_brackets() -> None:
    assert port("[::1]:1:2").words == "[::1]:1:2"


@pytest.mark.parametrize("text", ["", "0", "65536", "a", "1:2:3:4:", "-1", "1:99999"])
def test_no_ports(text: str) -> None:
    with pytest.raises(ValueError, match="no port"):
        port(text)


@pytest.mark.parametrize("text", ["", "0", "g", "1.5g", "-1", "1p"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="no size"):
        size(text)


def test_variables_show_nothing_of_their_values() -> None:
    assert (variable("A="), variable("A")) == (("A", ""), ("A", None))
    with pytest.raises(ValueError, match="NAME=VALUE") as raised:
        variable("a b=secret")
    assert "secret" not in str(raised.value)


def test_files_of_variables() -> None:
    assert env_lines("# x\n\nA=1 2\nB='q'\nC\n") == {"A": "1 2", "B": "'q'"}
    with pytest.raises(ValueError, match="line 2") as raised:
        env_lines("A=1\nexport B=secret\n")
    assert "secret" not in str(raised.value)


BAD: list[Callable[[], Cluster | Shape]] = [
    lambda: Cluster(node_selector=("gpu",)),
    lambda: Cluster(node_selector=("a b=c",)),
    lambda: Cluster(tolerations=("gpu:Never",)),
    lambda: Cluster(pull_secrets=("Not A Name",)),
    lambda: Cluster(service_account="x\ny"),
    lambda: Cluster(resource="a: b"),
    lambda: Shape(memory="lots"),
]


@pytest.mark.parametrize("make", BAD)
def test_what_cannot_be_read_is_refused(make: Callable[[], Cluster | Shape]) -> None:
    with pytest.raises(ValueError, match=r"is no|effect"):
        make().check()

"""Names that users give: what apt-get, useradd and ENV would take for something else is refused."""

import pytest

from provision.errors import InputError
from provision.model import Request, User
from provision.resolve.request import check_names, check_request


@pytest.mark.parametrize(
    "name", ["-y", "--purge", "python3-", "libc6=1-", "a", "A", "a_b", "a/b", "a:i386", "*", "a=", ""]
)
def test_an_apt_name_is_never_an_option_a_removal_or_a_pattern(name: str) -> None:
    with pytest.raises(InputError):
        check_request(Request(apt=(name,)))


@pytest.mark.parametrize(
    "name", ["g++", "libstdc++6", "git", "7zip", "git=1:2.39.5-0+deb12u2", "x11-utils=7.7+5", "bc=1"]
)
def test_real_apt_names_are_taken(name: str) -> None:
    assert check_request(Request(apt=(name,))).apt == (name,)


@pytest.mark.parametrize("name", ["UID", "GID", "PATH", "VIRTUAL_ENV"])
def test_variables_that_decide_who_runs_what_are_refused(name: str) -> None:
    """ENV wins over ARG: `UID: "0"` would make the image's user root."""
    with pytest.raises(InputError):
        check_request(Request(env={name: "0"}))


@pytest.mark.parametrize("name", ["Root", "-x", "a b", "root", "x" * 33, "", "a:b", "0day"])
def test_user_names_that_are_none(name: str) -> None:
    with pytest.raises(InputError):
        check_request(Request(user=User(name=name)))


@pytest.mark.parametrize("number", [-1, 2**32 - 2, 2**32])
def test_ids_that_are_none(number: int) -> None:
    for user in (User(uid=number), User(gid=number)):
        with pytest.raises(InputError):
            check_request(Request(user=user))


@pytest.mark.parametrize(
    "tag",
    ["Upper:1", "a b", "-x", "x:", "x:y:z", "x@sha256:" + "0" * 64, "x/", "/x", "a" * 256, "x:\n", "x:" + "y" * 129],
)
def test_tags_that_are_none(tag: str) -> None:
    with pytest.raises(InputError) as caught:
        check_names(tag, {})
    assert caught.value.code == "KGE-611"


@pytest.mark.parametrize(
    "tag",
    ["x", "kgpu-env/cuda:tf2.21.0-cuda12.5.1-py3.11", "localhost:5000/a/b_c:V1", "Registry.example/a", "a__b.c--d:_"],
)
def test_tags(tag: str) -> None:
    check_names(tag, {})


@pytest.mark.parametrize("mirror", ["x\nRUN y", "https://m.example", "a b", "m.example:x", "-m", ""])
def test_mirrors_that_are_none(mirror: str) -> None:
    with pytest.raises(InputError):
        check_names(None, {"docker.io": mirror})


@pytest.mark.parametrize(
    "mirror", ["mirror.example", "localhost:5000", "mirror.example:5000/docker/hub/", "10.0.0.1:5000"]
)
def test_mirrors(mirror: str) -> None:
    check_names(None, {"docker.io": mirror})

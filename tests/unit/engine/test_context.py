import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.engine.context import tarball
from provision.engine.protocol import Context
from provision.errors import BuildError

DOCKERFILE = b"FROM debian\n"


def members(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getmembers()


def test_order_of_files_does_not_matter() -> None:
    one = {"Dockerfile": DOCKERFILE, "a/b": b"1", "a.txt": b"2"}
    other = dict(reversed(one.items()))
    assert tarball(Context(files=one)) == tarball(Context(files=other))


def test_nothing_of_the_host_is_in_it() -> None:
    for member in members(tarball(Context(files={"Dockerfile": DOCKERFILE, "x/y": b"1"}))):
        assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
        assert not member.uname
        assert not member.pax_headers


def test_it_begins_with_the_dockerfile_and_no_further_header() -> None:
    """BuildKit takes a body that begins otherwise for a plain Dockerfile."""
    data = tarball(Context(files={"Dockerfile": DOCKERFILE, "A" * 200: b"1"}))
    assert (data[:11], data[257:265]) == (b"Dockerfile\0", b"ustar  \0")


def test_a_wheel_for_several_platforms_has_a_long_name() -> None:
    name = f"network/wheels/demo-1-cp311-{'.'.join(f'manylinux_2_{n}_x86_64' for n in range(5, 10))}.whl"
    assert len(name.rpartition("/")[2]) > 100
    assert [one.name for one in members(tarball(Context(files={"Dockerfile": DOCKERFILE, name: b"1"})))][1] == name


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../x", "a/../x", "a//b", "./a", "a/", "", "ü", "a\nb", "a\\b", "n" * 256, "d/" * 200 + "x"],
)
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(BuildError) as caught:
        tarball(Context(files={"Dockerfile": DOCKERFILE, name: b""}))
    assert caught.value.code == "KGE-409"
    assert len(caught.value.text) < 200


def test_a_dockerfile_is_needed() -> None:
    with pytest.raises(BuildError, match="no Dockerfile"):
        tarball(Context(files={"dockerfile": DOCKERFILE}))


@given(st.dictionaries(st.text(max_size=30), st.binary(max_size=20), max_size=5))
def test_any_name_is_stored_or_refused(files: dict[str, bytes]) -> None:
    try:
        data = tarball(Context(files={**files, "Dockerfile": DOCKERFILE}))
    except BuildError:
        return
    assert {member.name for member in members(data)} == {*files, "Dockerfile"}

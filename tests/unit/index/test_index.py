"""What an index publishes, from its own two forms; a wheel's metadata; and which indexes a host is set to."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from provision.errors import InputError
from provision.index import NoAnswer, indexes_of, listing, metadata
from provision.model import Network
from provision.registry.client import Response

HERE = ("https://packages.example/simple",)
JSON = "application/vnd.pypi.simple.v1+json"
UV = "--default-index <DEFAULT_INDEX>\n   The default package index (by default: <https://uv.example/simple>) [env: X]"


class Index:
    """An index in memory; every address that is asked is kept."""

    def __init__(self, answers: Mapping[str, Response | str]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, url: str, headers: Mapping[str, str], limit: int) -> Response:
        del limit
        self.asked.append(url)
        answer = self.answers.get(url, Response(404, {}, b""))
        if isinstance(answer, str):
            raise OSError(answer)
        if answer.status == 206:
            return self.part(answer.body, headers["Range"])
        return answer

    @staticmethod
    def part(body: bytes, wanted: str) -> Response:
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = (int(first), int(last)) if first else (len(body) - int(last), len(body) - 1)
        return Response(206, {"content-range": f"bytes {start}-{end}/{len(body)}"}, body[start : end + 1])


def files(*names: str, **more: object) -> Response:
    body = {"files": [{"filename": name, "url": f"../../files/{name}", **more} for name in names]}
    return Response(200, {"content-type": JSON}, json.dumps(body).encode())


def test_files_come_with_their_versions_and_whole_addresses() -> None:
    get = Index({f"{HERE[0]}/jax-cuda13-plugin/": files("jax_cuda13_plugin-1.0-cp312-cp312-manylinux_2_27_x86_64.whl")})
    found = listing("jax_cuda13_plugin", HERE, get)
    assert found.versions == ("1.0",)
    assert found.files[0].url.startswith("https://packages.example/files/jax_cuda13_plugin-1.0-")


def test_what_is_yanked_is_told_with_its_reason() -> None:
    answer = json.dumps(
        {
            "files": [
                {"filename": "a-1.0-py3-none-any.whl", "url": "x", "yanked": "broken"},
                {"filename": "a-1.0.tar.gz", "url": "x", "yanked": False},
                {"filename": "a-2.0-py3-none-any.whl", "url": "x", "yanked": "broken"},
                {"filename": "a-3.0-py3-none-any.whl", "url": "x", "yanked": True},
            ]
        }
    )
    found = listing("a", HERE, Index({f"{HERE[0]}/a/": Response(200, {"content-type": JSON}, answer.encode())}))
    assert (found.versions, found.yanked) == (("1.0",), {"2.0": "broken", "3.0": ""})


def test_an_index_of_pages_is_read_too() -> None:
    page = (
        b'<html><a href="/files/a-1.0-py3-none-any.whl#sha256=00">a</a>'
        b'<a href="https://other.example/a-2.0-py3-none-any.whl" data-yanked="">a</a><a>nothing</a></html>'
    )
    found = listing("a", HERE, Index({f"{HERE[0]}/a/": Response(200, {"content-type": "text/html"}, page)}))
    assert [one.url for one in found.files] == [
        "https://packages.example/files/a-1.0-py3-none-any.whl#sha256=00",
        "https://other.example/a-2.0-py3-none-any.whl",
    ]
    assert found.yanked == {"2.0": ""}


@pytest.mark.parametrize("name", ["b-1.0-py3-none-any.whl", "a.whl", "a-x-py3-none-any.whl", "a-1.0.exe", ""])
def test_a_file_of_no_version_or_of_another_project_is_passed_over(name: str) -> None:
    assert listing("a", HERE, Index({f"{HERE[0]}/a/": files(name)})).files == ()


def test_a_project_that_an_index_does_not_have_is_not_an_index_that_is_silent() -> None:
    assert listing("a", HERE, Index({})).files == ()
    with pytest.raises(NoAnswer, match="no route"):
        listing("a", HERE, Index({f"{HERE[0]}/a/": "no route"}))
    with pytest.raises(NoAnswer, match="status 503"):
        listing("a", HERE, Index({f"{HERE[0]}/a/": Response(503, {}, b"")}))
    with pytest.raises(NoAnswer, match="no list of files"):
        listing("a", HERE, Index({f"{HERE[0]}/a/": Response(200, {"content-type": JSON}, b"[]")}))


def test_of_two_indexes_the_one_that_answers_counts() -> None:
    both = (*HERE, "https://second.example/simple/")
    get = Index({f"{HERE[0]}/a/": "no route", "https://second.example/simple/a/": files("a-1.0-py3-none-any.whl")})
    assert listing("a", both, get).versions == ("1.0",)


METADATA = b"Metadata-Version: 2.4\nName: a\nVersion: 1.0\nRequires-Dist: keras>=3\n"
WHEEL = "https://packages.example/files/a-1.0-py3-none-any.whl"


def test_metadata_beside_the_wheel_is_taken_first() -> None:
    get = Index({f"{WHEEL}.metadata": Response(200, {}, METADATA)})
    assert metadata(WHEEL, get).get("requires_dist") == ["keras>=3"]
    assert get.asked == [f"{WHEEL}.metadata"]


def test_otherwise_it_is_read_out_of_the_wheel_in_parts() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/big.so", b"\0" * 5_000_000)
        archive.writestr("a-1.0.dist-info/METADATA", METADATA)
    read: list[int] = []

    class Counting(Index):
        @staticmethod
        def part(body: bytes, wanted: str) -> Response:
            answer = Index.part(body, wanted)
            read.append(len(answer.body))
            return answer

    found = metadata(WHEEL, Counting({WHEEL: Response(206, {}, packed.getvalue())}))
    assert found.get("requires_dist") == ["keras>=3"]
    assert sum(read) < 2_500_000


@pytest.mark.parametrize("answer", [Response(200, {}, b"whole"), Response(206, {}, b"no zip"), "no route"])
def test_a_wheel_without_either_tells_so(answer: Response | str) -> None:
    with pytest.raises(NoAnswer):
        metadata(WHEEL, Index({WHEEL: answer}))


def places(environment: Mapping[str, str], root: Path, network: Network | None = None) -> tuple[str, ...]:
    return indexes_of(network or Network(), environment, lambda: UV, root).urls


def test_the_index_that_is_asked_for_comes_before_pips_and_uvs(tmp_path: Path) -> None:
    everything = {"PIP_INDEX_URL": "https://pip.example/s", "UV_DEFAULT_INDEX": "https://env.example/s"}
    asked = Network(index_url="https://asked.example/s", extra_index_urls=("https://extra.example/s",))
    assert places(everything, tmp_path, asked) == ("https://asked.example/s", "https://extra.example/s")
    assert places(everything, tmp_path) == ("https://pip.example/s",)
    del everything["PIP_INDEX_URL"]
    assert places(everything | {"UV_INDEX": "own=https://own.example/s"}, tmp_path) == (
        "https://env.example/s",
        "https://own.example/s",
    )


def test_uvs_file_and_then_its_own_default(tmp_path: Path) -> None:
    assert places({}, tmp_path) == ("https://uv.example/simple",)
    (tmp_path / "etc/uv").mkdir(parents=True)
    (tmp_path / "etc/uv/uv.toml").write_text(
        '[[index]]\nurl = "https://more.example/s"\n[[index]]\nurl = "https://file.example/s"\ndefault = true\n'
    )
    assert places({}, tmp_path) == ("https://file.example/s", "https://more.example/s")


def test_a_folder_is_told_and_not_asked(tmp_path: Path) -> None:
    found = indexes_of(Network(), {"PIP_EXTRA_INDEX_URL": "file:///srv/simple"}, lambda: UV, tmp_path)
    assert (found.urls, found.left_out) == (("https://uv.example/simple",), ("an index that is a folder",))


@pytest.mark.parametrize("words", ["", "usage: uv"])
def test_without_any_index_nothing_is_asked(words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        indexes_of(Network(), {}, lambda: words, tmp_path)
    assert caught.value.code == "KGE-258"

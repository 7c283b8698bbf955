"""`kgpu-env catalogue` and `build --locked` from the command line."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.cli.app import main
from provision.registry.client import Response

pytestmark = pytest.mark.usefixtures("miniature")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command line in this process; returns exit code, stdout and stderr."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def start(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kgpu-env", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out = capsys.readouterr()
        return int(ended.value.code or 0), out.out, out.err

    return start


def test_show_prints_every_field(run: Run) -> None:
    code, out, _ = run("catalogue", "show", "r550")
    assert code == 0
    assert "cuda           12.4" in out
    assert "eol            past" in out
    assert json.loads(run("catalogue", "show", "r550", "--json")[1])["rows"][0]["branch"] == "550"


def test_show_and_why_tell_what_the_short_names_of_a_source_stand_for(run: Run) -> None:
    told = "MVC: NVIDIA on minor-version compatibility (docs.nvidia.com/deploy/cuda-compatibility/"
    assert told in run("catalogue", "show", "cuda-12.x")[1]
    assert "Source    RN table 2, MVC\n          RN: CUDA Toolkit" in run("catalogue", "why", "cuda-12.x")[1]
    assert told in run("catalogue", "why", "cuda-12.x")[1]
    for command in ("show", "why"):
        found = json.loads(run("catalogue", command, "cuda-12.x", "--json")[1])["sources"]
        assert {one["id"] for one in found} >= {"RN", "MVC"}
        assert "WINDOW" not in {one["id"] for one in found}


def test_a_list_tells_a_person_where_the_short_names_of_sources_are_told(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("catalogue", "list")[2] == ""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code, out, err = run("catalogue", "list", "drivers")
    found = re.fullmatch(r"note      what (\w+) and its like stand for:\n          kgpu-env (.+)\n", err)
    assert found
    name, command = found.groups()
    assert (code, out.splitlines()[-1].split()[-1]) == (0, name)
    assert f"sources        {name}: " in run(*command.split())[1]
    assert run("catalogue", "list", "bases")[2] == ""  # their sources are in full
    assert run("catalogue", "list", "drivers", "--json")[2] == ""


@pytest.mark.parametrize("command", ["show", "why"])
def test_a_misspelt_row_gets_a_suggestion(run: Run, command: str) -> None:
    code, _, err = run("catalogue", command, "tensorflow-2.21")
    assert code == 2
    assert "did you mean tensorflow-2.21.0?" in err


def test_why_tells_the_hosts_that_a_row_decides(run: Run) -> None:
    code, out, _ = run("catalogue", "why", "tensorflow-2.18.1")
    assert code == 0
    assert "Decides   sm_90 (Hopper) on driver 545.23.06: TensorFlow 2.18.1" in out
    assert "without it: TensorFlow 2.16.2" in out
    assert "Decides   nothing by itself" in run("catalogue", "why", "python-3.12-bookworm")[1]


def test_the_matrix_in_each_form(run: Run, tmp_path: Path) -> None:
    title = "AMD on x86-64: what Keras runs on (a bare number is TensorFlow)"
    assert run("catalogue", "matrix", "--vendor", "rocm")[1].startswith(f"{title}\ndriver")
    assert run("catalogue", "matrix", "--vendor", "rocm", "--format", "csv")[1].startswith("vendor,driver,gpu")
    assert json.loads(run("catalogue", "matrix", "--vendor", "amd", "--json")[1])["schema"] == "kgpu-env/matrix/1"
    page = tmp_path / "matrix.html"
    code, out, _ = run("catalogue", "matrix", "--vendor", "rocm", "--format", "html", "-o", str(page))
    assert (code, out) == (0, "")
    assert page.read_text().startswith("<!doctype html>")
    assert f"<h2>{title}</h2>" in page.read_text()
    assert run("catalogue", "matrix", "--format", "xml")[0] == 2
    assert run("catalogue", "matrix", "--vendor", "cpu")[0] == 2


def test_a_catalogue_that_contradicts_itself_is_an_input_error(run: Run, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "nvidia.yaml").write_text(
        'branches:\n  - {id: "r555", branch: "555", cuda: "12.1", source: "s", checked: "2026-11-01"}\n'
    )
    code, out, err = run("catalogue", "check", "--catalogue", str(site))
    assert code == 3
    assert "KGE-250" in err
    assert re.match(r"\d+ findings, 1 of them errors\.\n", out)
    assert "reports CUDA 12.1, less than the older" in out
    out = run("catalogue", "check", "--catalogue", str(site), "--json")[1]
    assert json.loads(out)["code"] == "KGE-250"


def test_what_a_check_finds_is_its_answer_the_count_first(run: Run) -> None:
    code, out, err = run("catalogue", "check")
    count, *lines = out.splitlines()
    assert (code, err) == (0, "")
    assert count == f"{len(lines)} findings, none of them an error."
    assert any(" KGE-25" in line for line in lines)


def test_a_locked_build_refuses_other_wishes_and_needs_a_lock(run: Run) -> None:
    code, _, err = run("build", "--locked", "--tensorflow", "2.19")
    assert code == 2
    assert "KGE-908" in err
    code, _, err = run("build", "--locked")
    assert code == 3
    assert "kgpu.lock cannot be read" in err


def files(*names: str) -> bytes:
    return json.dumps({"files": [{"filename": name, "url": f"https://f.example/{name}"} for name in names]}).encode()


class Transport:
    """An index in memory that has two projects; the others are not there."""

    wheel = "tensorflow-2.99.0-cp312-cp312-manylinux_2_27_x86_64.whl"
    requires = "".join(
        f'Requires-Dist: {one}; extra == "and-cuda"\n'
        for one in ("nvidia-cuda-runtime-cu12>=12.5.82", "nvidia-cudnn-cu12>=9.3.0.75", "nvidia-nccl-cu12>=2.27.7")
    )

    def __init__(self) -> None:
        self.silent = False

    def __call__(self, url: str, headers: object, limit: int) -> Response:
        del headers, limit
        if self.silent:
            raise OSError("no route to host")
        if url == f"https://f.example/{self.wheel}.metadata":
            text = f"Metadata-Version: 2.4\nName: tensorflow\nVersion: 2.99.0\nRequires-Dist: keras>=3\n{self.requires}"
            return Response(200, {}, text.encode())
        known = {
            "https://u:secret@packages.example/simple/tensorflow/": files("tensorflow-2.21.0.tar.gz", self.wheel),
            "https://u:secret@packages.example/simple/keras/": files(
                "keras-3.1.1.tar.gz", "keras-3.15.1-py3-none-any.whl"
            ),
        }
        kind = {"content-type": "application/vnd.pypi.simple.v1+json"}
        return Response(200, kind, known[url]) if url in known else Response(404, {}, b"")

    def close(self) -> None:
        pass


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Transport:
    found = Transport()
    monkeypatch.setattr("provision.api.catalogue._transport", lambda _: found)
    monkeypatch.setenv("KGPU_ENV_NETWORK_INDEX_URL", "https://u:secret@packages.example/simple")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return found


@pytest.mark.usefixtures("index")
def test_online_tells_what_is_newer_and_what_is_missing(run: Run) -> None:
    code, out, err = run("catalogue", "check", "--online")
    assert code == 0
    told = (
        r"missing  tensorflow: the index has no 2\.20\.0, .* which tensorflow-2\.20\.0, .* names; 2\.99\.0 is published"
    )
    assert re.search(told, out)
    assert "secret" not in out + err
    assert "note      rows for newer releases: add --draft" in err
    document = json.loads(run("catalogue", "check", "--online", "--json")[1])
    assert document["schema"] == "kgpu-env/freshness/1"
    assert document["indexes"] == ["https://***@packages.example/simple"]
    assert {one["standing"] for one in document["projects"] if one["project"] == "keras"} == {"current"}


def test_an_index_that_does_not_answer_is_no_index_without_news(run: Run, index: Transport) -> None:
    index.silent = True
    code, out, err = run("catalogue", "check", "--online")
    assert (code, out) == (3, "")
    assert err.startswith("KGE-257: https://***@packages.example/simple does not answer: nothing is known of what is")
    assert "cause     no route to host" in err


@pytest.mark.usefixtures("index")
def test_a_draft_is_written_once_and_never_over_a_file(run: Run, tmp_path: Path) -> None:
    place = tmp_path / "site" / "tensorflow.yaml"
    code, _, err = run("catalogue", "check", "--online", "--draft", str(place))
    assert code == 0
    assert f"wrote {place}: tensorflow-2.99.0" in err
    assert "id: tensorflow-2.99.0" in place.read_text()
    kept = place.read_bytes()
    assert run("catalogue", "check", "--online", "--draft", str(place))[0] == 3
    assert place.read_bytes() == kept
    shown = run("catalogue", "show", "tensorflow-2.99.0", "--catalogue", str(place.parent))
    assert (shown[0], "confidence     unconfirmed" in shown[1]) == (0, True)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--draft", "tensorflow.yaml"), "--draft writes what --online finds"),
        (("--online", "--draft", "rows.yaml"), "A draft cannot be rows.yaml"),
    ],
)
def test_a_draft_has_one_of_the_names_of_a_sites_files(run: Run, words: tuple[str, ...], why: str) -> None:
    code, _, err = run("catalogue", "check", *words)
    assert (code, why in err) == (2, True)

"""What people expect of any program: colour where it helps, a host from a pipe, completion, `python -m`."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from provision import api
from provision.cli.colour import coloured
from provision.cli.completion import codes, profiles, row_ids
from provision.errors import InputError

HOSTS = Path(__file__).parents[2] / "data" / "hosts"


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("line", "colour"),
    [
        ("PROVED  vm", 32),
        ("NOT PROVED  vm", 31),
        ("KGE-902: no", 31),
        ("TRAINED ON CPU  vm", 33),
        ("warning   x", 33),
    ],
)
def test_a_terminal_gets_colour_that_says_no_more_than_the_words(line: str, colour: int) -> None:
    shown = coloured(line, Terminal())
    assert shown.startswith(f"\x1b[{colour};1m")
    assert shown.replace(f"\x1b[{colour};1m", "").replace("\x1b[0m", "") == line


def test_others_get_words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert coloured("PROVED", io.StringIO()) == "PROVED"
    assert coloured("text PROVED", Terminal()) == "text PROVED"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert coloured("PROVED", io.StringIO()) != "PROVED"
    monkeypatch.setenv("NO_COLOR", "1")  # it has the last word
    assert coloured("PROVED", Terminal()) == "PROVED"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "0")
    monkeypatch.setenv("TERM", "dumb")
    assert coloured("PROVED", Terminal()) == "PROVED"


def test_a_host_may_come_through_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (HOSTS / "h100.json").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert api.read_host(Path("-")).gpus
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}x")))
    with pytest.raises(InputError) as raised:
        api.read_host(Path("-"))
    assert raised.value.code == "KGE-607"


def test_words_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "KGE-512" in codes("kge-51")
    assert row_ids("tensorflow-2.21") == ["tensorflow-2.21.0"]
    assert profiles("") == []
    Path("kgpu-env.yaml").write_text("profiles: {laptop: {vendor: cpu}, lab: {vendor: cuda}}\n")
    assert profiles("la") == ["lab", "laptop"]
    Path("kgpu-env.yaml").write_text("{")  # a prompt is no place for an error
    assert profiles("") == []


@pytest.mark.process
def test_python_starts_it_as_a_module() -> None:
    words = [sys.executable, "-m", "provision", "resolve", "--vendor", "cpu", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert json.loads(done.stdout)["vendor"] == "cpu", done.stderr

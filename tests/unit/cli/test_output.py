"""stdout and stderr, files, pipes, versions, completion."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provision import __version__
from provision.cli.output import fitted

Call = Callable[..., Any]
SCRIPT = "from provision.cli import main; main()"


def process(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 - passed through
    environment = {**os.environ, **options.pop("environment", {})}
    command = [sys.executable, "-c", SCRIPT, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, **options)


def test_version(kgpu_env: Call) -> None:
    assert kgpu_env("--version") == (0, f"kgpu-env {__version__}\n", "")


def test_help_lists_every_command(kgpu_env: Call) -> None:
    code, out, err = kgpu_env("--help")
    assert (code, err) == (0, "")
    for name in ("up", "probe", "resolve", "render", "build", "verify", "doctor", "base", "catalogue"):
        assert f"\n  {name} " in out


@pytest.mark.parametrize("words", [(), ("catalogue",)])
def test_help_has_whole_sentences_at_80_columns(
    kgpu_env: Call, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = kgpu_env(*words, "--help").out
    assert "..." not in out.partition("\n\n")[2]
    assert max(map(len, out.splitlines())) < 80


def test_the_dockerfile_is_all_that_stdout_gets(kgpu_env: Call) -> None:
    code, out, err = kgpu_env("render", "--vendor", "cpu")
    assert (code, err) == (0, "")
    assert out.startswith("# TensorFlow ")
    assert out.endswith('CMD ["python3"]\n')


@pytest.mark.usefixtures("engine")
def test_a_build_talks_on_stderr(kgpu_env: Call) -> None:
    code, out, err = kgpu_env("build", "--vendor", "cpu", "--tag", "site/x:1")
    assert (code, out) == (0, "site/x:1\nsha256:1234\n")
    assert "Build     2 of 2  RUN true  1.5 s\n" in err
    assert "[1/2] RUN cached" not in err
    assert "cached: 1 of 2 steps" in err


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Build     short", "Build     short"),
        ("Build     find-links: of this host, left out", "Build     find-links: of this\n          host, left out"),
        ("  fix       " + "x" * 40, "  fix\n          " + "x" * 40),  # a path stays whole, to be copied
        ("", ""),
    ],
)
def test_a_long_line_is_broken_between_words(line: str, shown: str) -> None:
    assert fitted(line, 30) == shown


@pytest.mark.usefixtures("engine")
def test_what_a_terminal_obeys_is_shown_instead(kgpu_env: Call) -> None:
    Path("host.json").write_text('{"gpus": [{"vendor": "nvidia", "name": "\\u001b[2J\\u009bx\\ry"}]}')
    code, _, err = kgpu_env("up", "--vendor", "cpu", "--host", "host.json")
    assert code == 7
    assert "\\x1b[2J\\x9bx\\x0dy" in err
    assert "\x1b" not in err


def test_o_file(kgpu_env: Call) -> None:
    text = kgpu_env("render", "--vendor", "cpu").out
    code, out, err = kgpu_env("render", "--vendor", "cpu", "-o", "new/Dockerfile")
    assert (code, out, err) == (0, "", "wrote new/Dockerfile\n")
    assert Path("new/Dockerfile").read_text() == text
    assert names(Path("new")) == ["Dockerfile"]
    assert stat.S_IMODE(Path("new/Dockerfile").stat().st_mode) == 0o666 & ~current_umask()


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_o_folder_gets_the_context(kgpu_env: Call) -> None:
    Path("kgpu-env.yaml").write_text("network: {index_url: 'https://packages.example/simple'}\n")
    assert kgpu_env("render", "--vendor", "cpu", "-o", "context/").code == 0
    found = {str(path.relative_to("context")) for path in Path("context").rglob("*") if path.is_file()}
    assert found == {"Dockerfile", "network/.gitignore", "network/pip.conf", "network/uv.toml"}
    assert "https://packages.example/simple" in Path("context/network/uv.toml").read_text()
    assert "packages.example" not in Path("context/Dockerfile").read_text()


@pytest.mark.parametrize("place", ["/proc/none/Dockerfile", "file/Dockerfile", "file/", "x" * 300])
def test_output_that_cannot_be_written_is_3_and_leaves_nothing(kgpu_env: Call, tmp_path: Path, place: str) -> None:
    Path("file").write_text("a file")
    code, out, err = kgpu_env("render", "--vendor", "cpu", "-o", place)
    assert (code, out) == (3, "")
    assert err.startswith("KGE-605: ")
    assert names(tmp_path) == ["file"]


def test_a_failed_write_keeps_the_old_file(kgpu_env: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Dockerfile").write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    code, _, err = kgpu_env("render", "--vendor", "cpu", "-o", "Dockerfile", "--force")
    assert code == 3
    assert "No space left on device" in err
    assert names(tmp_path) == ["Dockerfile"]
    assert (tmp_path / "Dockerfile").read_text() == "old"


def test_a_pipe_is_written_to_and_not_replaced(kgpu_env: Call) -> None:
    """As root, /dev/null would otherwise become a plain file."""
    os.mkfifo("pipe")
    read: list[str] = []
    # A daemon: where nothing is written, it must not keep the tests from ending.
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text()), daemon=True)
    reader.start()
    assert kgpu_env("render", "--vendor", "cpu", "-o", "pipe").code == 0
    reader.join(10)
    assert read[0].endswith('CMD ["python3"]\n')
    assert Path("pipe").is_fifo()


def test_a_link_is_followed(kgpu_env: Call) -> None:
    Path("link").symlink_to("target")
    assert kgpu_env("render", "--vendor", "cpu", "-o", "link").code == 0
    assert Path("link").is_symlink()
    assert Path("target").read_text().startswith("# TensorFlow")


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("option", ["--report", "--html"])
def test_a_report_is_tried_before_the_work(kgpu_env: Call, request: pytest.FixtureRequest, option: str) -> None:
    engine = request.getfixturevalue("engine")
    code, out, err = kgpu_env("up", "--vendor", "cpu", option, "/proc/none/report")
    assert (code, out) == (3, "")
    assert "/proc/none/report cannot be written" in err
    assert engine.built == []


@pytest.mark.process
@pytest.mark.parametrize("words", [("catalogue", "list"), ("--version",)])
def test_stdout_on_a_full_disk_is_3(tmp_path: Path, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", SCRIPT, *words]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 3
    assert ended.stderr == "KGE-605: The answer cannot be written to stdout.\n  cause     No space left on device\n"


@pytest.mark.process
@pytest.mark.parametrize("words", [("catalogue", "list"), ("catalogue", "list", "--json")])
def test_a_reader_that_has_gone_is_no_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", SCRIPT, *words]
    try:
        ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path)
    finally:
        os.close(write)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.process
@pytest.mark.parametrize(("value", "shown"), [("1", True), ("", False)])
def test_the_variable_for_tracebacks(tmp_path: Path, value: str, shown: bool) -> None:  # noqa: FBT001 - a parameter
    ended = process("render", "--host", "missing.json", cwd=tmp_path, environment={"KGPU_ENV_DEBUG": value})
    assert ended.returncode == 3
    assert ("Traceback" in ended.stderr) == shown


@pytest.mark.process
def test_completion_of_commands_and_vendors(tmp_path: Path) -> None:
    def complete(line: str, position: int) -> list[str]:
        environment = {"_KGPU_ENV_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(position)}
        script = f"import sys; sys.argv[0] = 'kgpu-env'; {SCRIPT}"
        ended = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, **environment},
        )
        return ended.stdout.split()

    assert complete("kgpu-env re", 1) == ["resolve", "render", "report"]
    assert complete("kgpu-env build --vendor c", 3) == ["cuda", "cpu"]


def test_the_completion_script(kgpu_env: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # the next argument names the shell
    code, out, _ = kgpu_env("--show-completion", "bash")
    assert code == 0
    assert "_KGPU_ENV_COMPLETE=complete_bash" in out

"""What is in the wheel and the sdist, and that the installed wheel renders what the checkout renders.

What is built with is installed already, and what the wheel needs is locked, so that no other file is ever fetched.
"""

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LISTS = Path(__file__).parent
LOCK = ROOT / "tests" / "locks" / "use.txt"
HINT = "look at the difference, then: python tests/packaging/relist.py"
pytestmark = pytest.mark.process


def contents(archive: Path) -> list[str]:
    """The files of a wheel or an sdist, without the version in their names."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            names = wheel.namelist()
    else:
        with tarfile.open(archive) as sdist:
            names = [member.name.split("/", 1)[1] for member in sdist if member.isfile()]
    return sorted(name.replace(version(), "VERSION") for name in names)


def version() -> str:
    from provision import __version__  # noqa: PLC0415 - relist.py reads this module too

    return __version__


def build(folder: Path) -> tuple[Path, Path]:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.mark.parametrize(("index", "name"), [(0, "wheel.txt"), (1, "sdist.txt")])
def test_the_files(built: tuple[Path, Path], index: int, name: str) -> None:
    assert contents(built[index]) == (LISTS / name).read_text().splitlines(), HINT


def test_the_wheel_holds_no_second_copy(built: tuple[Path, Path]) -> None:
    tops = {name.split("/")[0] for name in contents(built[0])}
    assert tops == {"provision", "kgpu_env-VERSION.dist-info"}


# The second finds all that the wheel says it needs: without an index, nothing else could come.
FROM_LOCK = (("--require-hashes", "-r", str(LOCK)), ("--no-index",))
NEWEST = ((),)  # as a user installs it, from the index that pip is configured to


@pytest.mark.parametrize("steps", [FROM_LOCK, pytest.param(NEWEST, marks=pytest.mark.slow)], ids=["locked", "newest"])
def test_the_installed_wheel_renders_what_the_checkout_renders(
    built: tuple[Path, Path], tmp_path: Path, steps: tuple[tuple[str, ...], ...]
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    for options in (*steps[:-1], (*steps[-1], str(built[0]))):
        install = [str(programs / "python"), "-m", "pip", "install", "--quiet", *options]
        ended = subprocess.run(install, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
    ours = Path(sys.executable).with_name("kgpu-env")
    words = ["render", "--vendor", "cpu"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}  # no PYTHONPATH that leads to the checkout
    there = subprocess.run(
        [str(programs / "kgpu-env"), *words], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    here = subprocess.run([ours, *words], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert there.returncode == 0, there.stderr
    assert there.stdout == here.stdout
    where = "import provision; print(provision.__file__)"
    python = [str(programs / "python"), "-c", where]
    shown = subprocess.run(python, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert shown.stdout.startswith(str(tmp_path)), "the checkout was tested, not the wheel"

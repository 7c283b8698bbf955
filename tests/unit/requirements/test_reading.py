"""The files in which projects say what they need: every form that real ones have, and hostile ones."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from provision import api
from provision.catalogue import load
from provision.errors import InputError
from provision.model import Request
from provision.model.wanted import Wanted
from provision.requirements import context_files, found_in, read, wanted

MOST = 5000
ONE = f"sha256:{'1' * 64}"
PROJECT = """
[project]
name = "demo"
version = "1.2"
requires-python = ">=3.10"
dependencies = ["numpy<2", "helper", "other"]
[project.optional-dependencies]
train = ["pandas", "demo[plot]"]
plot = ["matplotlib"]
[dependency-groups]
dev = ["pytest", {include-group = "lint"}]
lint = ["ruff"]
[tool.uv.sources]
helper = {path = "helper"}
other = {git = "https://host.example/other.git", tag = "v1"}
"""


def no_export(path: Path, extras: Sequence[str]) -> str:
    raise AssertionError(f"{path}, {extras}: uv is for a uv.lock")


def reading(folder: Path, text: str, word: str = "requirements.txt", **files: str) -> Wanted:
    every = {"requirements.txt": text, **{key.replace("__", "."): one for key, one in files.items()}}
    for name, content in every.items():
        (folder / name).write_text(content)
    return read(str(folder / word), folder, no_export)


def texts(found: Wanted) -> list[str]:
    return [one.text for one in found.entries]


def test_the_forms_that_real_files_have(tmp_path: Path) -> None:
    text = (
        "\ufeff# comment\n"
        "-r base.txt  # shared\n"
        "--constraint=limits.txt\n"
        "--index-url https://pypi.python.org/simple/\n"
        "--prefer-binary\n"
        "pandas >= 2.2 ; python_version >= '3.8'  # why\n"
        f"six==1.16.0 \\\n    --hash={ONE}\n"
        "git+https://host.example/b.git@v1#egg=b\n"
        "https://host.example/c-1.0-py3-none-any.whl\n"
        "d @ https://host.example/d.zip\n"
    )
    found = reading(tmp_path, text, base__txt="attrs\n", limits__txt="urllib3<2\n")
    assert texts(found) == [
        "attrs",
        'pandas>=2.2; python_version >= "3.8"',
        "six==1.16.0",
        "b @ git+https://host.example/b.git@v1",
        "c @ https://host.example/c-1.0-py3-none-any.whl",
        "d @ https://host.example/d.zip",
    ]
    assert found.entries[2].hashes == (ONE,)
    assert found.entries[1].source == "requirements.txt, line 6"
    assert [one.text for one in found.constraints] == ["urllib3<2"]
    assert [note.partition(": ")[2] for note in found.notes] == [
        "--prefer-binary is for an installer and changes nothing here"
    ]


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("--extra-index-url https://user:hidden@host.example/simple", "KGE-618", "extra_index_urls"),
        ("-i https://host.example/simple", "KGE-618", "index_url"),
        ("--find-links ./wheels", "KGE-618", "index"),
        ("-r ../other.txt", "KGE-619", "folder that holds both"),
        ("-e /etc", "KGE-619", "folder that holds both"),
        ("-r requirements.txt", "KGE-617", "take one of the includes out"),
        ("-r https://host.example/x.txt", "KGE-617", "keep a copy"),
        ("-r absent.txt", "KGE-616", "name a file that is there"),
        ("-e ./absent", "KGE-616", "name a file that is there"),
        ("x==${SECRET}", "KGE-617", "network"),
        ("--frobnicate", "KGE-617", "take the line out"),
        ("-r", "KGE-617", "write the file"),
        ("a b c", "KGE-617", "PEP 508"),
        ("https://host.example/x.zip --user root", "KGE-617", "space"),
        ("x --hash=md5:00", "KGE-617", "sha256"),
        ("x\x07y", "KGE-617", "anew"),
        ("-r poetry.lock", "KGE-616", "poetry export"),
        ("-r conda-lock.yml", "KGE-616", "requirements.txt"),
    ],
)
def test_what_cannot_be_used_is_told_with_the_next_step(tmp_path: Path, line: str, code: str, told: str) -> None:
    (tmp_path / "conda-lock.yml").write_text("")
    with pytest.raises(InputError) as caught:
        reading(tmp_path, f"# first\n{line}\n", poetry__lock="")
    assert caught.value.code == code
    assert told in caught.value.fix
    assert "hidden" not in f"{caught.value.text}{caught.value.cause}{caught.value.fix}"


def test_a_password_is_told_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("numpy\nsix @ https://me:hush@host.example/six.whl\n")
    with pytest.raises(InputError) as caught:
        api.read_wanted(Request(requirements=(str(file),)), tmp_path)
    assert caught.value.code == "KGE-615"
    assert caught.value.text.startswith("requirements.txt, line 2 holds a password")
    assert "hush" not in f"{caught.value.text} {caught.value.cause} {caught.value.fix}"


def test_a_wheel_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        reading(tmp_path, "./dist/x.whl\n")
    assert (caught.value.code, caught.value.cause) == ("KGE-616", "it is not there")
    assert caught.value.fix == "name a file that is there"


def test_a_link_that_leads_out_of_the_folder_is_seen(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.txt").write_text("six\n")
    (inner / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(InputError) as caught:
        reading(inner, "-r link.txt\n")
    assert caught.value.code == "KGE-619"


def test_thousands_of_lines_are_read_and_more_are_not(tmp_path: Path) -> None:
    assert len(reading(tmp_path, "six\n" * MOST).entries) == MOST
    with pytest.raises(InputError, match=f"line {MOST + 1}"):
        reading(tmp_path, "six\n" * (MOST + 1))
    with pytest.raises(InputError, match="cannot be read"):
        reading(tmp_path, "#" * (5 << 20))


def test_a_pyproject_with_extras_groups_and_sources(tmp_path: Path) -> None:
    (tmp_path / "helper").mkdir()
    (tmp_path / "helper" / "setup.py").write_text("")
    found = reading(tmp_path, "", "pyproject.toml[train,dev]", pyproject__toml=PROJECT)
    own = ["numpy<2", "other @ git+https://host.example/other.git@v1"]
    assert texts(found) == [*own, "pandas", "matplotlib", "pytest", "ruff"]
    assert [(one.path, one.told) for one in found.local] == [(str(tmp_path / "helper"), False)]
    assert found.python[0].text == ">=3.10"


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("[tool.black]\n", "KGE-616", "requirements file"),
        ("[tool.poetry.dependencies]\nx = '1'\n", "KGE-616", "poetry export"),
        ("[project]\nname='x'\ndynamic=['dependencies']\n", "KGE-616", "-r ."),
        ("[project]\nname='x'\ndependencies='pandas'\n", "KGE-617", "pandas>=2.2"),
        ("[project]\nname='x'\ndependencies=['a b']\n", "KGE-617", "PEP 508"),
        ("[project\n", "KGE-616", "mend"),
        ("[project]\nname='x'\ndependencies=['a']\n[tool.uv.sources]\na={index='i'}\n", "KGE-618", "network"),
        ("[project]\nname='x'\ndependencies=['a']\n[tool.uv.sources]\na={workspace=true}\n", "KGE-617", "path"),
    ],
)
def test_a_pyproject_that_does_not_tell(tmp_path: Path, text: str, code: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        reading(tmp_path, "", "pyproject.toml", pyproject__toml=text)
    assert (caught.value.code, told in caught.value.fix) == (code, True), caught.value.fix


def test_a_misspelt_extra_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        reading(tmp_path, "", "pyproject.toml[tran]", pyproject__toml=PROJECT.replace('"helper", ', ""))
    assert caught.value.fix == "did you mean train?"


def test_dependencies_that_setuptools_takes_from_a_file(tmp_path: Path) -> None:
    head = "[project]\nname='x'\ndynamic=['dependencies']\n"
    text = f"{head}[tool.setuptools.dynamic]\ndependencies={{file=['requirements.txt']}}\n"
    assert texts(reading(tmp_path, "six\n", "pyproject.toml", pyproject__toml=text)) == ["six"]


def test_a_lock_of_the_standard(tmp_path: Path) -> None:
    text = f"""
lock-version = "1.0"
created-by = "x"
[[packages]]
name = "six"
version = "1.16.0"
marker = "sys_platform == 'linux'"
wheels = [{{ url = "https://host.example/six-1.16.0-py3-none-any.whl", hashes = {{ sha256 = "{"1" * 64}" }} }}]
"""
    found = reading(tmp_path, "", "pylock.toml", pylock__toml=text)
    assert texts(found) == ['six==1.16.0 ; sys_platform == "linux"']
    assert (found.entries[0].hashes, found.entries[0].locked) == ((ONE,), True)
    assert found.entries[0].source == "pylock.toml, six"


def test_code_goes_into_the_context_without_what_is_ignored(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": PROJECT.replace('"helper", ', ""),
        "src/demo/__init__.py": "",
        "src/demo/__pycache__/x.pyc": "",
        ".gitignore": "*.log\n/data/\n!keep.log\n",
        "a.log": "",
        "keep.log": "",
        "data/big": "",
        "src/data/small": "",
        "src/.gitignore": "generated\n",
        "src/generated": "",
        ".dockerignore": "docs\n",
        "docs/x": "",
        ".git/config": "password",
        "env/pyvenv.cfg": "",
        "env/lib": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "outside").symlink_to("/etc/hostname")
    found = wanted((), (str(tmp_path),), tmp_path, no_export)
    assert found.local[0].name == "demo"
    kept = (".dockerignore", ".gitignore", "keep.log", "pyproject.toml")
    inner = ("src/.gitignore", "src/data/small", "src/demo/__init__.py")
    assert sorted(context_files(found.local)) == [f"project/demo/{name}" for name in (*kept, *inner)]


def test_the_file_that_a_folder_is_built_from(tmp_path: Path) -> None:
    assert found_in(tmp_path) == ()
    (tmp_path / "pyproject.toml").write_text("[tool.black]\n")
    assert found_in(tmp_path) == ()
    (tmp_path / "requirements.txt").write_text("")
    assert found_in(tmp_path) == ("requirements.txt",)
    (tmp_path / "uv.lock").write_text("")
    assert found_in(tmp_path) == ("uv.lock",)


def test_a_uv_lock_is_read_by_uv(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text("version = 1\n")
    asked: list[object] = []

    def export(path: Path, extras: Sequence[str]) -> str:
        asked.append((path.name, *extras))
        return f"six==1.16.0 ; python_full_version >= '3.10' \\\n    --hash={ONE}\n"

    (tmp_path / "pyproject.toml").write_text(PROJECT)
    found = read(f"{tmp_path / 'uv.lock'}[train,dev]", tmp_path, export)
    assert asked == [("uv.lock", "train", "group:dev")]
    assert (found.entries[0].hashes, found.entries[0].locked) == ((ONE,), True)
    assert found.entries[0].source == "uv.lock, six"


def known(folder: Path, name: str, text: str) -> Wanted:
    (folder / name).write_text(text)
    return read(str(folder / name), folder, no_export, load().packages)


@pytest.mark.parametrize(
    "line",
    [
        "--extra-index-url https://download.pytorch.org/whl/cu121",
        "--index-url=https://download.pytorch.org/whl/rocm6.3/",
        "-f https://storage.googleapis.com/jax-releases/jax_cuda_releases.html",
    ],
)
def test_the_index_of_a_framework_is_left_out_with_a_note(tmp_path: Path, line: str) -> None:
    found = known(tmp_path, "requirements.txt", f"{line}\nsix\n")
    assert texts(found) == ["six"]
    assert "the stack brings" in found.notes[0]
    assert "://" not in found.notes[0]


@pytest.mark.parametrize(
    "line",
    ["https://download.pytorch.org.evil.example/whl/cu121", "https://evil.example/download.pytorch.org/whl"],
)
def test_an_index_that_only_looks_like_a_frameworks_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError) as caught:
        known(tmp_path, "requirements.txt", f"--extra-index-url {line}\n")
    assert caught.value.code == "KGE-618"


@pytest.mark.parametrize("source", ["{ index = 'pt' }", "[{ index = 'pt', marker = \"sys_platform == 'linux'\" }]"])
@pytest.mark.parametrize(
    ("url", "code"), [("https://download.pytorch.org/whl/cu128", ""), ("https://x.example", "KGE-618")]
)
def test_a_source_of_uv_may_name_the_index_of_a_framework(tmp_path: Path, source: str, url: str, code: str) -> None:
    text = "[project]\nname='x'\ndependencies=['torch>=2.6']\n"
    text += f"[[tool.uv.index]]\nname='pt'\nurl='{url}'\nexplicit=true\n[tool.uv.sources]\ntorch={source}\n"
    if not code:
        assert texts(known(tmp_path, "pyproject.toml", text)) == ["torch>=2.6"]
        return
    with pytest.raises(InputError) as caught:
        known(tmp_path, "pyproject.toml", text)
    assert caught.value.code == code


CONDA = """
name: dl
channels: [conda-forge]
dependencies:
  - python=3.10
  - cudatoolkit=11.8
  - conda-forge::cudnn=8.9
  - tensorflow-gpu=2.12
  - numpy<2
  - scipy=1.11.4=py310hb13e2d6_0
  - pandas==2.1.4
  - matplotlib-base 3.8.*
  - opencv
  - ffmpeg
  - pip
  - pip:
    - keras-tuner==1.4.6
    - -r more.txt
"""


def test_a_conda_environment_is_read_by_the_names_of_pypi(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("wandb\n")
    found = known(tmp_path, "environment.yml", CONDA)
    assert texts(found) == [
        "tensorflow==2.12.*",
        "numpy<2",
        "scipy==1.11.4",
        "pandas==2.1.4",
        "matplotlib==3.8.*",
        "opencv-python-headless",
        "keras-tuner==1.4.6",
        "wandb",
    ]
    assert [one.text for one in found.python] == ["==3.10.*"]
    assert found.entries[0].source == "environment.yml, tensorflow-gpu"
    assert [note.partition(" is left out")[0] for note in found.notes] == [
        "environment.yml, cudatoolkit",
        "environment.yml, cudnn",
        "environment.yml, ffmpeg",
        "environment.yml, pip",
    ]


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("services: {}\n", "KGE-616", "requirements file"),
        ("dependencies: 3\n", "KGE-616", "requirements file"),
        ("dependencies: [\n", "KGE-616", "mend"),
        ("dependencies: ['numpy=1.2|1.3']\n", "KGE-617", "below pip:"),
        ("dependencies: ['a b c ~']\n", "KGE-617", "below pip:"),
        ("dependencies: [{pip: ['a b']}]\n", "KGE-617", "PEP 508"),
    ],
)
def test_a_conda_environment_that_cannot_be_used(tmp_path: Path, text: str, code: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        known(tmp_path, "environment.yml", text)
    assert (caught.value.code, told in caught.value.fix) == (code, True), caught.value.fix

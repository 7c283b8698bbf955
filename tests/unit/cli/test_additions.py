"""What an addition costs, really done in a copy: an option a field, an output and a command a module and a line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import provision

pytestmark = pytest.mark.process
PACKAGE = Path(provision.__file__).parent
FIELD = """
    cpp_headers: Annotated[
        bool, Option("Keep the C++ headers.", flag="--cpp-headers", help="Keep what extensions are compiled with.")
    ] = False
"""
# Several command lines in one process, variables in front; what tells their end stands behind each.
SCRIPT = """
import os, sys
from provision.cli.app import main
for line in sys.argv[1].split(" ; "):
    words = line.split()
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        os.environ[name] = value
    sys.argv = ["kgpu-env", *words]
    try:
        main()
    except SystemExit as ended:
        print(f"<end {ended.code}>", flush=True)
"""


class Ended(NamedTuple):
    code: str
    out: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the package, to be changed."""
    shutil.copytree(PACKAGE, tmp_path / "provision")  # with what is compiled, which only a changed file is not
    for name in ("templates", "images"):
        (tmp_path / name).symlink_to(PACKAGE.parent / name)
    (tmp_path / "work").mkdir()
    return tmp_path


def insert(path: Path, before: str, text: str) -> None:
    """Add a line to a file of the copy, where it says `before`."""
    old = path.read_text()
    assert old.count(before) == 1, (path, before)
    path.write_text(old.replace(before, text.strip("\n") + "\n" + before))


def run(folder: Path, *lines: str) -> list[Ended]:
    """Run command lines with the copy."""
    command = [sys.executable, "-c", SCRIPT, " ; ".join(lines)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KGPU_ENV_")}
    environment = {**kept, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder / "work", env=environment)
    assert done.returncode == 0, done.stderr
    pieces = done.stdout.split("<end ")
    codes = [piece.partition(">")[0] for piece in pieces[1:]]
    outs = [piece if not at else piece.partition(">\n")[2] for at, piece in enumerate(pieces[:-1])]
    assert len(codes) == len(lines), done.stdout + done.stderr
    return [Ended(code, out) for code, out in zip(codes, outs, strict=True)]


def test_an_option_is_one_field(folder: Path) -> None:
    insert(folder / "provision" / "model" / "request.py", "    env: Annotated[", FIELD)
    (folder / "work" / "on.yaml").write_text("cpp_headers: true\nprofiles: {small: {cpp_headers: false}}\n")
    (folder / "work" / "odd.yaml").write_text("cpp_headers: 7\n")
    show = "build --vendor cpu --show-config --json"
    *helps, flag, no_flag, nothing, file, profile, odd, variable = run(
        folder,
        *(f"{command} --help" for command in ("build", "up", "render", "lock", "export")),
        *(f"{show} --cpp-headers", f"{show} --no-cpp-headers", show),
        *(f"{show} --config on.yaml", f"{show} --config on.yaml --profile small", f"{show} --config odd.yaml"),
        f"KGPU_ENV_CPP_HEADERS=true {show}",
    )
    assert ["--cpp-headers" in one.out and "extensions are compiled" in one.out for one in helps] == [True] * 5
    assert (odd.code, json.loads(odd.out)["code"]) == ("3", "KGE-604")
    assert "cpp_headers" not in json.loads(nothing.out)["options"]
    shown = [json.loads(one.out)["options"]["cpp_headers"] for one in (flag, no_flag, file, profile, variable)]
    assert shown == [
        {"value": True, "origin": "flag --cpp-headers"},
        {"value": False, "origin": "flag --cpp-headers"},
        {"value": True, "origin": "on.yaml"},
        {"value": False, "origin": "on.yaml, profile small"},
        {"value": True, "origin": "KGPU_ENV_CPP_HEADERS"},
    ]


def test_an_output_is_a_module_and_a_line(folder: Path) -> None:
    (folder / "provision" / "emit" / "memo.py").write_text(
        "from provision.emit.order import Order\n\n\ndef memo(order: Order) -> dict[str, str]:\n"
        '    return {"memo.txt": order.title}\n'
    )
    insert(
        folder / "provision" / "emit" / "__init__.py", '        Output(name="shell"),', '        Output(name="memo"),'
    )
    shown, written, refused = run(
        folder, "export --help", "export memo --vendor cpu --by-tag", "export mem --vendor cpu"
    )
    assert "quadlet, memo, shell, slurm" in " ".join(shown.out.split())
    assert (written.code, written.out.startswith("TensorFlow ")) == ("0", True)
    assert refused.code == "2"


def test_a_command_is_a_module_and_a_line(folder: Path) -> None:
    (folder / "provision" / "cli" / "commands" / "hello.py").write_text(
        "from provision.cli import options as o\nfrom provision.cli.output import print_result\n\n\n"
        'def hello(*, stack: o.StackOptions) -> None:\n    """Greet a vendor."""\n'
        '    print_result(f"hello {stack.vendor}")\n'
    )
    insert(folder / "provision" / "cli" / "commands" / "__init__.py", '    Command("base"),', '    Command("hello"),')
    shown, said = run(folder, "--help", "hello --vendor rocm")
    assert "hello" in shown.out
    assert said == ("0", "hello rocm\n")

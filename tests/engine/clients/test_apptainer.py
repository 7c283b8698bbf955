"""The exported definition and run line in the hands of a real Apptainer, that of Debian's unstable suite."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine
UID = 1000055  # as directory services give them
# Apptainer needs a newer libc, and looks for its own files in fixed places: for this command and its children alone
# the unpacked packages lie over the machine's folders.
OVERLAY = """
tree=$1; shift
for place in usr etc var/lib; do mount -t overlay overlay -o "lowerdir=$tree/$place:/$place" "/$place" || exit; done
exec "$@"
"""
Export = Callable[..., None]
Call = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def call(
    unstable: Callable[..., Path], place: Path, base: str, export: Export, become: Callable[[int], list[str]]
) -> Call:
    """Starts a command in the exported folder, as a user without rights: a root with less than all cannot build."""
    project = place / "project"
    export(project, "apptainer", base, UID)
    os.chown(project, UID, UID)
    laid = ["unshare", "--mount", "sh", "-c", OVERLAY, "-", str(unstable("apptainer", "libc6"))]
    before = [*laid, *become(UID), "sh", "-c"]

    def run(line: str) -> "subprocess.CompletedProcess[str]":
        ran = subprocess.run([*before, line], cwd=project, capture_output=True, text=True, timeout=280, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran

    return run


def test_it_builds_and_runs(call: Call, place: Path, base: str) -> None:
    # A folder in place of a compressed file, which takes a minute; and its test would train, which needs TensorFlow.
    built = call("apptainer build --notest --sandbox keras.sif keras.def")
    assert "WARNING" not in built.stderr
    ran = call("""sh run.sh python3 -c 'import os; open("made", "w"); print(os.getuid(), os.getcwd())'""")
    assert ran.stdout == f"{UID} /work\n"
    assert (place / "project" / "made").stat().st_uid == UID
    assert call("sh run.sh ls /opt/kgpu-env").stdout == "quick_check.py\n"
    assert 'python "$@"' in call("apptainer inspect --runscript keras.sif").stdout
    assert f"deffile.from: {base}" in call("apptainer inspect --labels keras.sif").stdout
    for option in ("--nv", "--rocm"):  # without a GPU it says so and goes on
        assert call(f"apptainer exec {option} keras.sif echo here").stdout == "here\n"

"""The exported `docker run` line, and `kgpu-env run` beside it: whose files they make, what they may open."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.model import Access

pytestmark = pytest.mark.engine
DIRECTORY_ID = 1000055  # as directory services give them
Export = Callable[..., None]
# The command line from its options to the container; only the GPU's way in is the test's.
RUN = """
import provision.engine.access as access, provision.model as model, sys
given = model.decode(sys.argv.pop(1), model.Access)
access.device_access = lambda *_, **__: given
from provision.cli import main
main()
"""


@pytest.fixture(autouse=True)
def _docker() -> None:
    if shutil.which("docker") is None:
        pytest.fail("the exported line is docker's: apt-get install docker.io", pytrace=False)


@pytest.mark.parametrize("uid", [0, 1000, DIRECTORY_ID])
def test_files_belong_to_whoever_starts_it(
    base: str, place: Path, export: Export, become: Callable[[int], list[str]], uid: int
) -> None:
    project = place / "project"
    export(project, "shell", base, 4711)  # whoever exported it
    os.chown(project, uid, uid)
    command = [*become(uid), "sh", "run.sh", "sh", "-c", "touch made /caches/kept; cat"]
    ran = subprocess.run(command, cwd=project, input="in", capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (0, "in"), ran.stderr
    for path in (project / "made", place / f"home-{uid}" / ".cache" / "kgpu-env-containers" / "kept"):
        assert (path.stat().st_uid, path.stat().st_gid) == (uid, uid)


def test_a_user_above_a_million_opens_the_device_by_its_numeric_group(
    base: str, place: Path, export: Export, become: Callable[[int], list[str]], access: Access
) -> None:
    export(place / "project", "shell", base, 0, access)
    before = become(DIRECTORY_ID)
    judge(access, [*before, "sh", "run.sh"], place / "project")


def test_run_hands_the_numeric_group_over(base: str, tmp_path: Path, access: Access) -> None:
    import msgspec  # noqa: PLC0415 - only here

    given = msgspec.json.encode(access).decode()
    words = [f"--image={base}", f"--user={DIRECTORY_ID}", "--"]
    tmp_path.chmod(0o755)
    judge(access, [sys.executable, "-c", RUN, given, "run", *words], tmp_path)


def judge(access: Access, command: list[str], folder: Path) -> None:
    opening = f"import os; print(os.getuid()); open({access.nodes[0]!r}, 'rb+', buffering=0)"
    words = [*command, "python3", "-c", opening]
    ran = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout.strip() == str(DIRECTORY_ID), ran.stderr
    assert (ran.returncode == 0) is bool(access.groups), ran.stderr
    assert ("Permission denied" in ran.stderr) is (not access.groups)

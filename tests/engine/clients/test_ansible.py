"""`export ansible` with Ansible itself: its linter's strictest profile, its syntax, and check mode on this machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KgpuEnv = Any  # of the conftest above
pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]
HOSTS = Path(__file__).parents[2] / "data" / "hosts"


@pytest.fixture
def exported(kgpu_env: KgpuEnv, base: str) -> Path:
    """The files, for an image that this machine's engine has."""
    words = ("--host", HOSTS / "h100-580.json", "--image", base, "--by-tag", "-o", "out")
    ended = kgpu_env("export", "ansible", *words)
    assert ended.returncode == 0, ended.stderr
    folder: Path = kgpu_env.folder / "out"
    return folder


def ansible(folder: Path, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    beside = Path(sys.executable).parent
    path = shutil.which(program, path=str(beside))
    assert path, f"the test needs {program}: pip install ansible ansible-lint"
    environment = {**os.environ, "PATH": f"{beside}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1", "NO_COLOR": "1"}
    return subprocess.run(
        [path, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=200
    )


def test_ansible_lint_finds_nothing_with_its_production_profile(exported: Path) -> None:
    ended = ansible(exported, "ansible-lint", "--profile", "production", "--offline", "--strict")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "production" in ended.stderr


def test_check_mode_asks_and_changes_nothing(exported: Path, base: str) -> None:
    script = Path(sys.executable).with_name("kgpu-env")
    words = ("-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}")
    more = ("-e", f"kgpu_env_command={script}")
    ended = ansible(exported, "ansible-playbook", *words, *more, "prove.yml", "--check")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "changed=0" in ended.stdout
    assert "failed=0" in ended.stdout
    assert base.partition(":")[0] in (exported / "prove.yml").read_text()
    asked = ansible(exported, "ansible-playbook", *words, *more, "gate.yml")
    assert "was never verified" in asked.stdout or "nothing was verified" in asked.stdout


def test_the_roles_variables_are_documented(exported: Path) -> None:
    ended = ansible(exported, "ansible-doc", "--type", "role", "kgpu_env", "--roles-path", "roles")
    assert ended.returncode == 0, ended.stderr
    for name in ("kgpu_env_image", "kgpu_env_reference", "kgpu_env_seconds"):
        assert name in ended.stdout
    defaults = (exported / "roles" / "kgpu_env" / "defaults" / "main.yml").read_text()
    specs = (exported / "roles" / "kgpu_env" / "meta" / "argument_specs.yml").read_text()
    for line in defaults.splitlines():
        if line.startswith("kgpu_env_"):
            assert f"      {line.partition(':')[0]}:" in specs

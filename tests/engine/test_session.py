"""A person installs packages inside: into the container, gone with it; the image stays as it is."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from loopback import private_index, wheel

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
SCRIPT = str(Path(sys.executable).with_name("kgpu-env"))
SECRET = "index-s3cret"


def run(folder: Path, image: str, script: str) -> subprocess.CompletedProcess[str]:
    words = ["run", "--image", image, "--project", str(folder), "--user", "1001:1001", "--", "sh", "-c", script]
    return subprocess.run([SCRIPT, *words], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("pip", ["pip", "python3 -m pip"])
def test_pip_installs_for_the_session(tmp_path: Path, tensorflow_image: str, pip: str) -> None:
    tmp_path.chmod(0o755)
    for name, content in wheel("guest", "1.0").items():
        (tmp_path / name).write_bytes(content)
    done = run(
        tmp_path,
        tensorflow_image,
        f"{pip} install -q --no-index ./guest-1.0-py3-none-any.whl && python3 -c 'import guest'",
    )
    assert done.returncode == 0, done.stderr
    after = run(tmp_path, tensorflow_image, "python3 -c 'import guest'")
    assert "No module named 'guest'" in after.stderr


def test_programs_learn_who_they_run_for(tmp_path: Path, tensorflow_image: str) -> None:
    tmp_path.chmod(0o755)
    code = "import getpass, os, pwd; print(getpass.getuser(), pwd.getpwuid(os.getuid()).pw_name)"
    assert run(tmp_path, tensorflow_image, f'python3 -c "{code}"').stdout == "keras keras\n"


def test_pip_reaches_a_private_index_and_its_login_is_in_the_sessions_mount_alone(
    tmp_path: Path, tensorflow_image: str, api: "APIClient", wait_for: Callable[..., None]
) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    (home / ".config/pip").mkdir(parents=True)
    (home / ".cache").mkdir()
    project.mkdir(mode=0o777)
    project.chmod(0o777)
    tmp_path.chmod(0o755)
    gateway = api.inspect_network("bridge")["IPAM"]["Config"][0]["Gateway"]
    script = "pip install -q company-models && python3 -c 'import company_models' && touch ready && sleep 60"
    words = ["run", "--image", tensorflow_image, "--user", "1001:1001", "--", "sh", "-c", script]
    with private_index(wheel("company_models", "1.0"), f"me:{SECRET}", host=gateway) as port:
        settings = f"[global]\nindex-url = http://{gateway}:{port}/simple\ntrusted-host = {gateway}\n"
        (home / ".config/pip/pip.conf").write_text(settings)
        (home / ".netrc").write_text(f"machine {gateway} login me password {SECRET}\n")
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "KGPU_"))}
        with subprocess.Popen(
            [SCRIPT, *words], cwd=project, env={**outside, "HOME": str(home)}, stderr=subprocess.PIPE, text=True
        ) as running:
            try:
                wait_for((project / "ready").exists, "the package", seconds=60)
                [one] = [found for found in api.containers() if found["Command"].startswith("sh -c 'pip install")]
                assert SECRET not in json.dumps(api.inspect_container(one["Id"]))
                assert SECRET not in json.dumps(api.top(one["Id"]))
                layers = b"".join(api.export(one["Id"]))
                assert b"company_models" in layers
                assert SECRET.encode() not in layers
                [closed] = (home / ".cache" / "kgpu-env-inside").iterdir()
                assert stat.S_IMODE(closed.stat().st_mode) == 0o700
            finally:
                running.send_signal(signal.SIGTERM)
                said = running.communicate(timeout=60)[1]
    assert SECRET not in said
    assert not list((home / ".cache" / "kgpu-env-inside").iterdir())


def test_what_the_framework_was_resolved_with_stays(tmp_path: Path, tensorflow_image: str) -> None:
    tmp_path.chmod(0o755)
    for name, content in wheel("numpy", "0.1").items():
        (tmp_path / name).write_bytes(content)
    done = run(tmp_path, tensorflow_image, "pip install --no-index ./numpy-0.1-py3-none-any.whl")
    assert done.returncode != 0
    assert re.search(r"you require numpy==2\.", done.stderr), done.stderr
    after = run(tmp_path, tensorflow_image, "python3 -c 'import numpy; print(numpy.__version__)'")
    assert after.stdout.strip() not in {"", "0.1"}

"""A person installs packages inside: into the container, gone with it; the image stays as it is."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine
SCRIPT = str(Path(sys.executable).with_name("kgpu-env"))
META = "Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n"


def wheel(folder: Path) -> None:
    info = "guest-1.0.dist-info"
    with zipfile.ZipFile(folder / "guest-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("guest.py", "")
        archive.writestr(f"{info}/METADATA", META)
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", f"guest.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def run(folder: Path, image: str, script: str) -> subprocess.CompletedProcess[str]:
    words = ["run", "--image", image, "--project", str(folder), "--user", "1001:1001", "--", "sh", "-c", script]
    return subprocess.run([SCRIPT, *words], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("pip", ["pip", "python3 -m pip"])
def test_pip_installs_for_the_session(tmp_path: Path, tensorflow_image: str, pip: str) -> None:
    tmp_path.chmod(0o755)
    wheel(tmp_path)
    (tmp_path / "guest-1.0-py3-none-any.whl").chmod(0o644)
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

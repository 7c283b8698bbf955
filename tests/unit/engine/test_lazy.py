"""What is not imported before it is needed: the SDK takes 0.14 s."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.process
def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys, provision.engine.docker, provision.engine.access, provision.engine.network\n"
        "print(sorted({'docker', 'requests', 'urllib3', 'ssl'} & sys.modules.keys()))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


ROOT = Path(__file__).parents[3]
RUN = (
    "import sys\n"
    "from provision import cli\n"
    "try:\n"
    "    cli.main()\n"
    "except SystemExit:\n"
    "    print(sorted({'docker', 'requests', 'urllib3', 'ssl'} & sys.modules.keys()), file=sys.stderr)\n"
)


@pytest.mark.process
@pytest.mark.parametrize(
    ("words", "socket"),
    [
        (("probe", "--root", "/"), True),
        (("doctor", "KGE-301"), True),
        (("doctor", "--host", str(ROOT / "tests" / "data" / "hosts" / "a100-470.json")), True),
        (("gate", "--here"), True),
        (("probe", "--json"), False),
        (("doctor",), False),
    ],
    ids=lambda one: " ".join(one).replace(str(ROOT), "") if isinstance(one, tuple) else str(one),
)
def test_a_command_that_asks_no_engine_does_not_pay_for_the_sdk(
    words: tuple[str, ...], socket: object, tmp_path: Path, copies: Path
) -> None:
    """`socket`: an engine may answer; without one a probe of this host does not pay either."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "KGPU_ENV_"))}
    environment |= {"XDG_STATE_HOME": str(tmp_path), "XDG_CACHE_HOME": str(copies), "HOME": str(tmp_path)}
    environment |= {} if socket else {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    command = [sys.executable, "-c", RUN, *words]
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout
    assert ended.stderr.splitlines()[-1] == "[]"

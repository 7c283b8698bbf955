import subprocess
import sys

import pytest


@pytest.mark.process
def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys, provision.engine.docker, provision.engine.access, provision.engine.network\n"
        "print(sorted({'docker', 'requests', 'urllib3', 'ssl'} & sys.modules.keys()))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"

"""The tutorial of devcontainers, with the reference client."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tutorial import follow

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


def test_a_devcontainer_for_my_repository(
    program: str, tutorial_environment: dict[str, str], api: "APIClient", tmp_path: Path
) -> None:
    environment = {**tutorial_environment, "PATH": f"{Path(program).parent}:{tutorial_environment['PATH']}"}
    label = f"devcontainer.local_folder={tmp_path / 'my-repo'}"
    try:
        follow("devcontainer", tmp_path, environment)
    finally:
        for one in api.containers(all=True, filters={"label": label}):
            api.remove_container(one["Id"], force=True)
            if one["Image"].startswith("vsc-"):  # the client's own, with the developer's ids
                api.remove_image(one["Image"], force=True)

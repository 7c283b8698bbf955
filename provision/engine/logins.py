"""Logins of registries as `docker` keeps them: in its config.json, a credential helper or a store, by the SDK."""

import base64
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from docker import auth
from docker.errors import DockerException

from provision.files import read_file
from provision.model.base import parse_json


class Login(NamedTuple):
    """What is stored for a registry."""

    settings: dict[str, str]  # as the engine's API takes them; empty: nothing is stored
    problem: str = ""  # why a helper gave none, in its words

    @property
    def basic(self) -> str | None:
        """Base64 of "user:password", or None: nothing is stored, or a token that only an engine can use."""
        found = {key.lower(): value for key, value in self.settings.items()}
        user, password = found.get("username"), found.get("password")
        return base64.b64encode(f"{user}:{password}".encode()).decode() if user and password else None


def stored_login(registry: str, folder: Path) -> Login:
    """Return the login that `docker login` keeps for a registry.

    As with the docker program, a helper that fails is no login: most images need none.

    Args:
        registry: its host, "docker.io" for Docker Hub.
        folder: of docker's config.json.
    """
    try:
        content = parse_json(read_file(folder / "config.json"))
        if not isinstance(content, dict):
            return Login({})
        with warnings.catch_warnings():  # of a helper that is not installed: the error says the same
            warnings.simplefilter("ignore")
            found: Any = auth.load_config(config_dict=content).resolve_authconfig(registry)
    except DockerException as error:
        return Login({}, f"the login of {registry} cannot be read: {error}")
    except (OSError, ValueError, AttributeError, TypeError, KeyError):  # missing, unreadable or not docker's
        return Login({})
    settings = found if isinstance(found, dict) else {}
    return Login({str(key): value for key, value in settings.items() if isinstance(value, str)})

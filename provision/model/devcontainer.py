"""What `export devcontainer` writes beside the container's shape; read as people write it."""

import re
from typing import Annotated, Final

from provision.model.base import Value
from provision.model.option import Option

# A name in a registry with a version or digest, a tarball's address, or a folder beside the configuration.
_FEATURE: Final = r"(\./|https://)?[A-Za-z0-9_][A-Za-z0-9._/:@-]*"
_OPTION: Final = r"[A-Za-z_][A-Za-z0-9_-]*"
_WORDS: Final = {"true": True, "false": False}


class DevContainer(Value):
    """What a developer may do inside, and what is installed besides."""

    sudo: Annotated[
        bool | None,
        Option(
            flag="--sudo",
            help="Devcontainer: sudo and apt inside; without it no program of the container gains rights.",
        ),
    ] = None
    features: Annotated[
        tuple[str, ...],
        Option(
            flag="--feature",
            help="Devcontainer: Feature to install (containers.dev/features), with its options; repeatable.",
            metavar="REFERENCE[,OPTION=VALUE]",
        ),
    ] = ()

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the parts that were asked for."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name))

    @property
    def chosen(self) -> dict[str, dict[str, str | bool]]:
        """The options of each Feature, as devcontainer.json has them."""
        return dict(map(_feature, self.features))

    def check(self) -> None:
        """Raise ValueError, with the words that people need, where a part cannot be read."""
        _ = self.chosen


def _feature(text: str) -> tuple[str, dict[str, str | bool]]:
    """Return a Feature's reference and its options.

    >>> _feature("ghcr.io/devcontainers/features/node:1,version=22,pnpm=false")
    ('ghcr.io/devcontainers/features/node:1', {'version': '22', 'pnpm': False})
    """
    reference, *options = text.split(",")
    if "://" in reference and "@" in reference:
        raise ValueError("a Feature's address with a login in it would be written into a file that is committed.")
    if not re.fullmatch(_FEATURE, reference, flags=re.ASCII) or ".." in reference.split("/"):
        raise ValueError(f"{text!r} is no Feature, such as ghcr.io/devcontainers/features/node:1 or ./folder.")
    found: dict[str, str | bool] = {}
    for option in options:
        name, sign, value = option.partition("=")
        if not sign or not re.fullmatch(_OPTION, name, flags=re.ASCII):
            raise ValueError(f"{text!r}: write a Feature's options as ,NAME=VALUE.")
        found[name] = _WORDS.get(value, value)
    return reference, found

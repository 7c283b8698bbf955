"""YAML, read strictly. Apart from `load`, since importing PyYAML takes longer than reading a copy in JSON."""

from pathlib import Path
from typing import Any

import yaml

from provision.errors import InputError
from provision.files import read_file

# PyYAML's own errors, and those that its constructors let through for `!!bool x`, 2026-99-99 or ten thousand brackets.
YAML_ERRORS = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError, RecursionError)


class _Loader(yaml.CSafeLoader):
    """PyYAML's safe loader, which also refuses a key that is given twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    seen: set[str] = set()
    for key in map(repr, keys):  # a key may be a list, which the line below refuses
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key} is given twice", node.start_mark)
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_yaml(text: str | bytes) -> object:
    """Return the plain values of a YAML document. Raises one of `YAML_ERRORS`."""
    return yaml.load(text, _Loader)  # noqa: S506 - _Loader is a safe loader


def read_yaml(path: Path, code: str = "KGE-201") -> object:
    """Return the plain values in a YAML file.

    Raises:
        InputError: the file cannot be read, is not YAML, or gives a key twice.
    """
    try:
        return parse_yaml(read_file(path))
    except OSError as error:
        raise InputError(code, f"cannot read {path}", cause=error.strerror or str(error)) from error
    except YAML_ERRORS as error:
        raise InputError(code, f"{path} is not valid YAML", cause=" ".join(str(error).split())) from error

"""YAML, read strictly. Apart from `load`, since importing PyYAML takes longer than reading a copy in JSON."""

from pathlib import Path
from typing import Any

import yaml

from provision.errors import InputError

# PyYAML's own errors, and those that its constructors let through for `!!bool x`, 2026-99-99 or ten thousand brackets.
YAML_ERRORS = (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError)


class _Loader(yaml.CSafeLoader):
    """PyYAML's safe loader, which also refuses a key that is given twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", node.start_mark)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path, code: str = "KGE-201") -> object:
    """Return the plain values in a YAML file.

    Raises:
        InputError: the file cannot be read, is not YAML, or gives a key twice.
    """
    try:
        return yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - _Loader is a safe loader
    except OSError as error:
        raise InputError(code, f"cannot read {path}", cause=error.strerror or str(error)) from error
    except YAML_ERRORS as error:
        raise InputError(code, f"{path} is not valid YAML", cause=" ".join(str(error).split())) from error

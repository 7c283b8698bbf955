"""What an image's bytes are made of: its layers by the engine's history, its packages by what they recorded."""

import json
from typing import Final

from provision.engine.protocol import Engine, Run
from provision.errors import EngineError
from provision.model.inside import IMAGE_PYTHON, VENV_PYTHON
from provision.model.size import ImageSize, PackageSize

_SECONDS = 120.0
_PYTHONS: Final = f'{VENV_PYTHON} {IMAGE_PYTHON} "$(command -v python3)"'
_SHELL: Final = f'for python in {_PYTHONS}; do [ -x "$python" ] && exec "$python" -Ic "$0"; done'
# Runs inside, on any Python from 3.8 on. Names and sizes alone leave it.
_SCRIPT: Final = """
import importlib.metadata, json, os
found = []
for one in importlib.metadata.distributions():
    paths = {os.path.realpath(one.locate_file(file)) for file in one.files or ()}
    size = sum(os.lstat(path).st_size for path in paths if os.path.lexists(path))
    found.append({"name": one.metadata["Name"] or "?", "version": one.version or "?", "bytes": size})
print(json.dumps(found))
"""


def measure(engine: Engine, reference: str) -> ImageSize:
    """Return an image's size; of an image without Python there are layers alone.

    Raises:
        BuildError: KGE-408, the engine has no such image.
    """
    layers = engine.layers(reference)
    ran = engine.run(Run(image=reference, command=("/bin/sh", "-c", _SHELL, _SCRIPT), seconds=_SECONDS))
    packages = _packages(ran.stdout) if ran.exit_code == 0 else ()
    return ImageSize(image=reference, bytes=sum(one.bytes for one in layers), layers=layers, packages=packages)


def _packages(text: str) -> tuple[PackageSize, ...]:
    try:
        found = [
            PackageSize(name=one["name"], version=one["version"], bytes=int(one["bytes"])) for one in json.loads(text)
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError("KGE-305", "the list of the image's packages is not understood", cause=str(error)) from error
    return tuple(sorted(found, key=lambda one: (-one.bytes, one.name)))

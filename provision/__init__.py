"""Containerized Keras environments for CUDA and ROCm hosts, with a proof that the GPU is used.

    import provision

    host = provision.probe_host()
    stack = provision.resolve(host)
    result = provision.build(stack)
    proof = provision.verify(result.tag, host=host)

The values are those of `provision.model`, the errors those of `provision.errors`.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from provision.library import build, probe_host, render, resolve, verify

__version__ = "0.1.0"
__all__ = ["__version__", "build", "probe_host", "render", "resolve", "verify"]


_FUNCTIONS = __all__[1:]


class _Face(ModuleType):
    """Keeps `provision.resolve` the function: importing the package of that name would put itself there."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _FUNCTIONS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


# Imported when first used, so that `import provision` costs nothing.
def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in _FUNCTIONS:
        from provision import library  # noqa: PLC0415 - see above

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The functions that `import provision` offers: the way from a host to a proof, for programs and the command line.

Each does what the command of its name does, and raises `provision.errors.KgpuError` where the command would end with
a code. Nothing is printed: what a person may want to hear goes to the callbacks. What of this process's environment
is read, the functions say.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from provision.library.doctor import examine_host
    from provision.library.hosts import engine, probe_host, read_host
    from provision.library.images import build, look_up, pinned, read_configuration
    from provision.library.jobs import Work, job
    from provision.library.keeping import Records, gate, gate_here, read_key
    from provision.library.locks import lock
    from provision.library.proofs import verify, verify_here
    from provision.library.stacks import render, resolve

__all__ = [
    "Records",
    "Work",
    "build",
    "engine",
    "examine_host",
    "gate",
    "gate_here",
    "job",
    "lock",
    "look_up",
    "pinned",
    "probe_host",
    "read_configuration",
    "read_host",
    "read_key",
    "render",
    "resolve",
    "verify",
    "verify_here",
]

_PLACES = {
    "doctor": ("examine_host",),
    "hosts": ("engine", "probe_host", "read_host"),
    "images": ("build", "look_up", "pinned", "read_configuration"),
    "jobs": ("Work", "job"),
    "keeping": ("Records", "gate", "gate_here", "read_key"),
    "locks": ("lock",),
    "proofs": ("verify", "verify_here"),
    "stacks": ("render", "resolve"),
}


# Imported when first used, so that who resolves does not pay for proving.
def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

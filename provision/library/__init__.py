"""The functions that `import provision` offers: the way from a host to a proof, for programs and the command line.

Each does what the command of its name does, and raises `provision.errors.KgpuError` where the command would end with
a code. Nothing is printed: what a person may want to hear goes to the callbacks. What of this process's environment
is read, the functions say.
"""

from provision.library.hosts import engine, probe_host, read_host
from provision.library.images import build, look_up, read_configuration
from provision.library.keeping import Records, gate, gate_here, read_key
from provision.library.locks import lock
from provision.library.proofs import verify, verify_here
from provision.library.stacks import render, resolve

__all__ = [
    "Records",
    "build",
    "engine",
    "gate",
    "gate_here",
    "lock",
    "look_up",
    "probe_host",
    "read_configuration",
    "read_host",
    "read_key",
    "render",
    "resolve",
    "verify",
    "verify_here",
]

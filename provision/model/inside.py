"""What every container has inside: its paths, its limits, and the variables that lead the caches."""

from collections.abc import Iterable
from typing import Final

from provision.model.vendor import GPU_VENDORS, Vendor

VENV: Final = "/opt/venv"  # the Python environment of every image whose base brings none
CONSTRAINTS: Final = f"{VENV}/constraints.txt"  # what was installed before the user's own packages
VENV_PYTHON: Final = f"{VENV}/bin/python"
IMAGE_PYTHON: Final = "/usr/bin/python3"
PROJECT: Final = "/work"  # the developer's folder
CACHE: Final = "/caches"
NETWORK: Final = "/dev/network"  # of builds and containers: certificates, package indexes and their logins
HOST_CACHE: Final = ".cache/kgpu-env-containers"  # below the developer's home
SCRATCH: Final = "/tmp"  # noqa: S108 - a path in the container; the only one to write to under a read-only root
SHARED_MEMORY_GIB: Final = 1  # /dev/shm: NCCL's transport between GPUs does not fit in Docker's 64 MiB
USER: Final = "keras"  # as programs see the user, whatever the number outside
PIDS: Final = 4096  # TensorFlow starts a thread per core several times over, and each counts


# The variables by which programs find what is in that folder, by the name of the file.
_NETWORK_FILES: Final = {
    "ca.crt": ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"),
    "uv.toml": ("UV_CONFIG_FILE", "NETRC"),  # a login that comes later counts, too
    "pip.conf": ("PIP_CONFIG_FILE",),
    "apt.conf": ("APT_CONFIG",),
}


def network_environment(files: Iterable[str]) -> dict[str, str]:
    """Return the variables that lead programs in a container to the files of `NETWORK`.

    Args:
        files: their paths in a build context: "network/ca.crt".
    """
    there = set(files)
    known = ((file, name) for file, names in _NETWORK_FILES.items() for name in names if f"network/{file}" in there)
    return {name: f"{NETWORK}/{'netrc' if name == 'NETRC' else file}" for file, name in known}


def personal_environment(home: str) -> dict[str, str]:
    """Return the variables that tell a program whose container it is, where no line of passwd has the user's number.

    Args:
        home: a path in the container that its user can write to.
    """
    return {"HOME": home, "USER": USER, "LOGNAME": USER}


def cache_environment(folder: str, vendor: Vendor) -> dict[str, str]:
    """Return the variables that lead each cache to `folder`.

    Args:
        folder: a path in the container that its user can write to.
        vendor: whose caches there are beside Keras' own; auto: those of every vendor, for an image that may be any's.
    """
    found = {"XDG_CACHE_HOME": folder, "KERAS_HOME": f"{folder}/keras"}
    for row in GPU_VENDORS.values() if vendor is Vendor.AUTO else filter(None, (GPU_VENDORS.get(vendor),)):
        found |= {name: f"{folder}/{below}" for name, below in row.caches.items()}
    return found

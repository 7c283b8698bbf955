"""What every container has inside: its paths, its limits, and the variables that lead the caches."""

from typing import Final

from provision.model.vendor import GPU_VENDORS, Vendor

VENV: Final = "/opt/venv"  # the Python environment of every image whose base brings none
VENV_PYTHON: Final = f"{VENV}/bin/python"
IMAGE_PYTHON: Final = "/usr/bin/python3"
PROJECT: Final = "/work"  # the developer's folder
CACHE: Final = "/caches"
HOST_CACHE: Final = ".cache/kgpu-env-containers"  # below the developer's home
SCRATCH: Final = "/tmp"  # noqa: S108 - a path in the container; the only one to write to under a read-only root
SHARED_MEMORY_GIB: Final = 1  # /dev/shm: NCCL's transport between GPUs does not fit in Docker's 64 MiB
USER: Final = "keras"  # as programs see the user, whatever the number outside
PIDS: Final = 4096  # TensorFlow starts a thread per core several times over, and each counts


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

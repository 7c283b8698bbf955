"""What every output is made from."""

from collections.abc import Mapping

import msgspec

from provision.model import (
    GPU_VENDORS,
    Access,
    Cluster,
    Compose,
    DevContainer,
    GpuVendor,
    Host,
    Request,
    Shape,
    Stack,
    Vendor,
)
from provision.model.base import Value
from provision.model.inside import (
    CACHE,
    IMAGE_PYTHON,
    SCRATCH,
    SHARED_MEMORY_GIB,
    VENV_PYTHON,
    cache_environment,
    personal_environment,
)
from provision.model.labels import PLAN
from provision.model.selection import select
from provision.render import Plan

MANY = 2  # GPUs of which a process is shown one
WSL = (
    "WSL2: for an engine in this very distribution. Docker Desktop has a machine of its own, without these libraries.",
    "No such host was seen by kgpu-env: only kgpu-env verify tells whether it trains there.",
)


class Order(Value):
    """One plan, and for whom it is written out. Nothing here is read from the machine that writes."""

    stack: Stack
    request: Request
    host: Host
    access: Access
    plan: Plan
    image: str | None = None  # a reference that the reader can fetch; None: the tag that `kgpu-env build` gives
    shape: Shape = Shape()  # what the container gets besides its GPUs
    cluster: Cluster = Cluster()  # Kubernetes: where pods may run, with which rights
    compose: Compose = Compose()  # what runs beside the environment
    devcontainer: DevContainer = DevContainer()  # what a developer may do inside
    proxies: Mapping[str, str] = msgspec.field(default_factory=dict)  # by variable, for a client that builds
    nodes: tuple[str, ...] = ()  # Kubernetes: names of the nodes to prove; none: any one
    foreign: bool = False  # the image is not of this program's making: what is in it was not read
    place: str | None = None  # of the first file, one of its output's places; None: the first of them
    developer: tuple[int, int] | None = None  # uid and gid that own the project; None: those of the image's user

    @property
    def owner(self) -> tuple[int, int]:
        """The uid and gid that work in the project's folder, so that its files are the developer's outside too.

        A rootless engine's root is the developer; every other id inside is none of theirs outside.
        """
        if self.host.rootless:
            return 0, 0
        user = self.request.user
        return self.developer or (user.uid, user.gid)

    @property
    def gpu_vendor(self) -> GpuVendor | None:
        """What the maker of the stack's GPUs is; None for the CPU's stack."""
        return GPU_VENDORS.get(self.stack.vendor)

    @property
    def reference(self) -> str:
        """The image that every output names."""
        return self.image or self.plan.tag

    @property
    def python(self) -> str:
        """The interpreter with the framework."""
        if self.foreign:
            return "python3"
        return IMAGE_PYTHON if self.stack.framework_in_base else VENV_PYTHON

    @property
    def cache_environment(self) -> dict[str, str]:
        """The variables that lead each cache to a folder that outlives the container."""
        return cache_environment(CACHE, self.stack.vendor)

    @property
    def own_environment(self) -> dict[str, str]:
        """The variables of the caches and of the user, and those that were asked for."""
        asked = {name: value for name, value in self.shape.variables.items() if value is not None}
        return {**self.cache_environment, **personal_environment(SCRATCH), **asked}

    @property
    def environment(self) -> dict[str, str]:
        """All variables of the container: those by which it finds its GPUs, too."""
        return {**self.access.env, **self.own_environment}

    @property
    def shm_size(self) -> str:
        """The size of /dev/shm, as Docker writes it."""
        return str(self.shape.shm_bytes) if self.shape.shm_bytes else f"{SHARED_MEMORY_GIB}g"

    @property
    def memory_bytes(self) -> int | None:
        """The limit of the container's memory."""
        return self.shape.memory_bytes

    @property
    def expected(self) -> str:
        """What the quick check is to find: "gpu", or "cpu" where the stack is the CPU's."""
        return "cpu" if self.stack.vendor is Vendor.CPU else "gpu"

    @property
    def has_gpu(self) -> bool:
        """Whether a container is given a GPU; a CUDA or ROCm image runs without one as well."""
        return self.access.method != "none"

    @property
    def is_wsl(self) -> bool:
        """Whether the GPU comes through WSL2's node and libraries of its maker, not as on other hosts."""
        return self.access.method == "wsl"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know of the GPUs that are handed in."""
        if self.is_wsl:
            return WSL
        row = self.gpu_vendor
        usable = [gpu for _, gpu in select(self.host, row.maker, self.request.gpus)] if row and self.has_gpu else []
        slices = [gpu for gpu in usable if gpu.partition]
        if not row or len(usable) < MANY or not slices or row.slices_together:
            return ()
        words = ", ".join(gpu.uuid or gpu.partition or "" for gpu in slices)
        how = f"{row.partition_title}: a process sees one slice, and this hands in {len(slices)} ({words})."
        return (how, "For one each: a container for each slice, its UUID (nvidia-smi -L) in place of all: --gpus UUID.")

    def has_any(self, *packages: str) -> bool:
        """Tell whether one of the packages was asked for, so that the image has it."""
        return not {requirement_name(text) for text in self.request.packages}.isdisjoint(packages)

    @property
    def jupyter(self) -> bool:
        """Whether the image has Jupyter."""
        return self.has_any("jupyterlab", "notebook", "jupyter")

    @property
    def title(self) -> str:
        """The first comment of a file."""
        if self.foreign:
            return f"{self.reference}, which kgpu-env did not build: what is in it was not read."
        return f"{self.stack.summary}. Plan {self.plan.digest}."

    @property
    def annotations(self) -> dict[str, str]:
        """What an object tells of the image: its plan."""
        return {} if self.foreign else {PLAN: self.plan.digest}

    @property
    def description(self) -> str:
        """A line about the container."""
        return self.reference if self.foreign else f"Keras on {self.stack.vendor}, plan {self.plan.digest}"


def requirement_name(requirement: str) -> str:
    """Return the project's name in a PEP 508 requirement, in its normal form.

    >>> requirement_name("Jupyter_Lab[x]>=4; python_version > '3.9'")
    'jupyter-lab'
    """
    length = next((at for at, sign in enumerate(requirement) if not (sign.isalnum() or sign in "-_.")), None)
    return requirement[:length].lower().replace("_", "-").replace(".", "-")


def quick_check(order: Order, script: str, *, once: bool = False, expected: str | None = None) -> list[str]:
    """Return the command that trains for a second and tells where.

    Args:
        order: tells the interpreter and the settings.
        script: the script's path in the container.
        once: train at the first call only, and from then on see that the GPU's device nodes still open.
        expected: "gpu", "cpu" or "any" in place of what the stack is for.
    """
    jit = str(order.stack.settings.jit_compile).lower()
    command = [order.python, script, f"--expect={expected or order.expected}", f"--jit={jit}"]
    return [*command, "--once"] if once else command

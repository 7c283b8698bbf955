"""What every output is made from."""

from provision.model import Access, Host, Request, Stack, Vendor
from provision.model.base import Value
from provision.render import Plan

VENV_PYTHON = "/opt/venv/bin/python"
IMAGE_PYTHON = "/usr/bin/python3"
CACHE = "/caches"
HOST_CACHE = ".cache/kgpu-env-containers"  # below the developer's home
SHARED_MEMORY = "1g"  # /dev/shm: NCCL's transport between GPUs does not fit in Docker's 64 MiB
PIDS = 4096  # TensorFlow starts a thread per core several times over, and each counts


class Order(Value):
    """One plan, and for whom it is written out. Nothing here is read from the machine that writes."""

    stack: Stack
    request: Request
    host: Host
    access: Access
    plan: Plan
    image: str | None = None  # a reference that the reader can fetch; None: the tag that `kgpu-env build` gives
    memory_bytes: int | None = None  # limit of the container's memory
    nodes: tuple[str, ...] = ()  # Kubernetes: names of the nodes to prove; none: any one
    developer: tuple[int, int] | None = None  # uid and gid that own the project; None: those of the image's user

    @property
    def owner(self) -> tuple[int, int]:
        """The uid and gid that work in the project's folder, so that its files are the developer's outside too.

        A rootless engine's root is the developer; every other id inside is none of theirs outside.
        """
        if self.host.engine is not None and self.host.engine.rootless:
            return 0, 0
        user = self.request.user
        return self.developer or (user.uid, user.gid)

    @property
    def reference(self) -> str:
        """The image that every output names."""
        return self.image or self.plan.tag

    @property
    def python(self) -> str:
        """The interpreter with the framework."""
        return IMAGE_PYTHON if self.stack.framework_in_base else VENV_PYTHON

    @property
    def expected(self) -> str:
        """What the quick check is to find: "gpu", or "cpu" where the stack is the CPU's."""
        return "cpu" if self.stack.vendor is Vendor.CPU else "gpu"

    @property
    def has_gpu(self) -> bool:
        """Whether a container is given a GPU; a CUDA or ROCm image runs without one as well."""
        return self.access.method != "none"

    @property
    def jupyter(self) -> bool:
        """Whether Jupyter was asked for as a package, so that the image has it."""
        names = {requirement_name(text) for text in self.request.packages}
        return bool(names & {"jupyterlab", "notebook", "jupyter"})

    @property
    def title(self) -> str:
        """The first comment of a file."""
        return f"{self.stack.summary}. Plan {self.plan.digest}."


def requirement_name(requirement: str) -> str:
    """Return the project's name in a PEP 508 requirement, in its normal form.

    >>> requirement_name("Jupyter_Lab[x]>=4; python_version > '3.9'")
    'jupyter-lab'
    """
    length = next((at for at, sign in enumerate(requirement) if not (sign.isalnum() or sign in "-_.")), None)
    return requirement[:length].lower().replace("_", "-").replace(".", "-")


def cache_environment(order: Order) -> dict[str, str]:
    """Return the variables that lead each cache to the folder `CACHE`, which outlives the container."""
    found = {"XDG_CACHE_HOME": CACHE, "KERAS_HOME": f"{CACHE}/keras"}
    if order.stack.vendor is Vendor.CUDA:
        found["CUDA_CACHE_PATH"] = f"{CACHE}/cuda"  # kernels that the driver compiled from PTX
    if order.stack.vendor is Vendor.ROCM:
        found |= {"MIOPEN_USER_DB_PATH": f"{CACHE}/miopen", "MIOPEN_CUSTOM_CACHE_DIR": f"{CACHE}/miopen"}
    return found


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

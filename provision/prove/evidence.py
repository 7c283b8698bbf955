"""What the workload recorded, as typed values. The workload's JSON is read strictly: a wrong shape is a problem."""

from typing import Annotated, Any

import msgspec

from provision.model import Value, decode
from provision.prove.events import MARKER as EVENT

SCHEMA = "kgpu-env/evidence/1"
MARKER = "KGPU-ENV-RESULT"
SHOWN = 160  # characters of a broken line that a message quotes


# In Python "$" also matches before a newline at the end, hence the look-ahead.
Numbered = Annotated[str, msgspec.Meta(pattern=r":[0-9]{1,4}$(?!\n)")]  # the name of a device, which ends in its number


class Failure(Value):
    """An exception inside the container."""

    type: str
    text: str


class Node(Value):
    """A GPU device node inside the container."""

    path: str
    error: str | None  # why it cannot be opened for reading and writing


class Library(Value):
    """A driver library, asked for by its name."""

    name: str
    error: str | None  # the loader's words


class Environment(Value):
    """What the container shows of the GPU, the framework aside."""

    variables: dict[str, str]
    nodes: tuple[Node, ...]
    libraries: tuple[Library, ...]
    nvidia_version: str | None
    nvidia_information: tuple[str, ...]
    amdgpu_version: str | None
    uid: int
    gids: tuple[int, ...]
    machine: str
    boot_id: str | None = None  # the running kernel's own number; None: not recorded, or it does not tell
    # AMD: the GPU nodes of KFD's topology that may be read, with node, drm_render_minor, unique_id, location_id, domain
    # and gfx_target_version of each.
    kfd: tuple[dict[str, int], ...] = ()


class DriverDevice(Value):
    """A device as the driver library itself counts it."""

    ordinal: int
    pci: str | None
    uuid: str | None  # CUDA: 32 hexadecimal digits; HIP: the 16 that AMD uses
    # memory_bytes; CUDA: clock_khz, multiprocessors, and major and minor of its capability
    capacity: dict[str, int] = msgspec.field(default_factory=dict)


class Listed(Value):
    """A physical device of the framework."""

    name: Numbered  # /physical_device:GPU:0
    type: str  # GPU or CPU
    description: str
    compute_capability: str | None  # "9.0"


class Described(Value):
    """A logical device of the framework with its physical description."""

    name: str  # /device:GPU:0
    type: str
    text: str  # "device: 0, name: ..., pci bus id: 0000:17:00.0, compute capability: 9.0"
    bytes: int


class Place(Value):
    """Where a weight or a tensor is."""

    name: str
    device: str  # where the operation that made it ran
    memory: str | None  # where its bytes are; None when the framework does not tell


class Op(Value):
    """Executions of one type of operation on one device."""

    op: str
    device: str
    floating: bool  # its result is a floating-point tensor, or it assigns to a variable
    count: int


class Memory(Value):
    """Bytes that the framework allocated on a device."""

    current: int
    peak: int


class Product(Value):
    """The fixed product, as one device computed it."""

    device: str  # "/GPU:0"
    place: str  # where the framework says that the result was computed
    values: tuple[float | None, ...]  # some of it, evenly spread
    difference: float | None  # largest difference to NumPy's in float64, relative to the largest value
    error: Failure | None


class Speed(Value):
    """How fast one device multiplies matrices."""

    device: str
    flops: float | None  # floating-point operations per second, in full float32
    error: Failure | None


class LibraryRecord(Value):
    """What one GPU library computed."""

    name: str  # matmul, conv2d, ... ; collective for all devices together
    device: str
    place: str
    difference: float | None  # largest difference to the CPU's result, relative to its largest value
    seconds: float | None  # of the second call
    error: Failure | None
    not_asked: str | None = None  # why there was nothing to ask of it


class Soak(Value):
    """Minutes of work on one device."""

    device: str
    rounds: int
    wrong: int  # results that differed from the first, or memory that read back other than written
    rates: tuple[float, ...]  # floating-point operations per second: first, lowest, last
    seconds: float
    error: Failure | None


class TrainingRecord(Value):
    """One training, complete or not."""

    kind: str  # explicit, reference (the same on the CPU), implicit
    device: str  # "/GPU:0"; empty when no device was named
    losses: tuple[float | None, ...]  # mean per epoch; None is NaN or infinite
    seconds: float | None
    error: Failure | None
    weights: tuple[Place, ...]
    tensors: tuple[Place, ...]
    gradients: tuple[Place, ...]
    ops: tuple[Op, ...] | None  # None: could not be traced
    ops_error: Failure | None
    memory: Memory | None


class Evidence(Value):
    """Everything that the workload recorded."""

    schema: str
    nonce: str
    bound: float
    environment: Environment
    driver: tuple[DriverDevice, ...]
    trainings: tuple[TrainingRecord, ...]
    import_error: Failure | None
    stopped: bool  # SIGTERM ended it early
    seconds: float
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    build: dict[str, str] = msgspec.field(default_factory=dict)
    listing: tuple[Listed, ...] = ()
    listing_error: Failure | None = None
    devices: tuple[Described, ...] = ()
    devices_error: Failure | None = None
    mapped: tuple[str, ...] = ()
    products: tuple[Product, ...] = ()
    speeds: tuple[Speed, ...] = ()
    libraries: tuple[LibraryRecord, ...] = ()
    planes: dict[str, int] | None = None  # events that the framework's profiler saw, per plane: "/device:GPU:0"
    planes_error: Failure | None = None
    soaks: tuple[Soak, ...] = ()
    import_seconds: float | None = None
    spec: dict[str, Any] | None = None  # what the workload was asked for, as it understood it


class Problem(Value):
    """Why there is no evidence."""

    what: str


def parse_result(stdout: str, nonce: str) -> Evidence | Problem:
    """Return the evidence in the one result line that carries `nonce`, or what was seen instead.

    Other output before it is no problem, an image's entry point may greet; a second result line is, whatever its nonce.
    """
    lines = [line for line in stdout.splitlines() if line.startswith(MARKER)]
    own = [line for line in lines if line.split(" ", 2)[1:2] == [nonce]]
    if not lines:
        other = "".join(line for line in stdout.splitlines(keepends=True) if not line.startswith(EVENT))
        seen = f"{len(other)} characters of other output" if other.strip() else "no output at all"
        return Problem(what=f"no result line; {seen}")
    if len(own) != len(lines):
        return Problem(
            what=f"{len(lines) - len(own)} result line(s) that do not carry this run's number: forged or left over"
        )
    if len(own) > 1:
        return Problem(what=f"{len(own)} result lines with this run's number, where one is right")
    return _read(own[0], nonce)


def _read(line: str, nonce: str) -> Evidence | Problem:
    body = line.removeprefix(f"{MARKER} {nonce}").strip()
    try:
        evidence = decode(body, Evidence)
    except msgspec.ValidationError as error:
        return Problem(what=f"a result line of another shape: {error}")
    except (msgspec.DecodeError, RecursionError) as error:
        tail = "" if body.endswith("}") else f", and it ends in the middle: ...{body[-SHOWN:]}"
        return Problem(what=f"a result line that is not JSON ({error}){tail}")
    if evidence.nonce != nonce:
        return Problem(what="a result line whose contents carry another run's number")
    return evidence

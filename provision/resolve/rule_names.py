"""Every rule by name: what it speaks of, and what it says. A rule that is not here cannot be broken."""

from enum import Enum, auto
from typing import Final

from msgspec import Struct

from provision.compat import Self, StrEnum

REQUESTED: Final = "what was asked for"  # the source of a rule that speaks of the request alone


class Of(Enum):
    """What a rule speaks of, so what has to give way where it is broken."""

    WISH = auto()  # what was asked for, or what the site allows
    BASE = auto()  # the base image: a wish where one was asked for
    BUILD = auto()  # what is published, and how far it is confirmed
    DRIVER = auto()  # the driver's age alone: a newer one may satisfy it
    GPU = auto()  # the GPU, or the machine around it


class RuleName(StrEnum):
    """The name that rejections carry, in the order in which a conflict tells them. A test reaches each one."""

    of: Of
    words: str

    def __new__(cls, name: str, of: Of, words: str) -> Self:
        """Make a string with what the rule speaks of and what it says."""
        self = str.__new__(cls, name)
        self._value_, self.of, self.words = name, of, words
        return self

    REQUESTED_TENSORFLOW = "requested-tensorflow", Of.WISH, "the TensorFlow asked for"
    REQUESTED_PYTHON = "requested-python", Of.WISH, "the Python asked for"
    REQUESTED_BASE = "requested-base", Of.WISH, "the base image asked for"
    REQUESTED_CUDA = "requested-cuda", Of.WISH, "the CUDA asked for"
    REQUESTED_ROCM = "requested-rocm", Of.WISH, "the ROCm asked for"
    SITE_POLICY = "house", Of.WISH, "the site's own rules"
    MACHINE = "machine", Of.GPU, "the wheels or the image must have GPU code for the host's processor"
    TEGRA = "tegra", Of.GPU, "no wheel is known to serve a Jetson's own GPU"
    WSL = "wsl", Of.GPU, "AMD documents TensorFlow for Linux, not for WSL2; the catalogue has no other build for it"
    WSL_DRIVER = "wsl-driver", Of.DRIVER, "the Windows driver below WSL2 must be new enough for the CUDA"
    DRIVER_MINIMUM = (
        "driver-minimum",
        Of.DRIVER,
        "the driver must be new enough for the CUDA (minor-version compatibility)",
    )
    DRIVER_DRIVES_GPU = "driver-drives-gpu", Of.GPU, "the driver must drive this generation of GPUs"
    DRIVER_WINDOW = "driver-window", Of.DRIVER, "the amdgpu driver must run the ROCm"
    GPU_CODE = "gpu-code", Of.GPU, "the wheel must have machine code or PTX for the GPU"
    PTX_SPECIFIC = "ptx-specific", Of.GPU, "architecture-specific PTX loads on its own architecture alone"
    PTX_DRIVER = "ptx-driver", Of.DRIVER, "the driver must read the PTX that it is to compile"
    CUDA_FROM_BASE = (
        "cuda-from-base",
        Of.BUILD,
        "CUDA must come from wheels that TensorFlow knows, or from the base image",
    )
    CONFIRMED = "confirmed", Of.BUILD, "an unconfirmed row is used only when asked for by name"
    TOOLKIT_KNOWS_GPU = "toolkit-knows-gpu", Of.GPU, "the CUDA libraries must know the GPU"
    CUDA_VERSION = (
        "cuda-version",
        Of.BASE,
        "the CUDA must be of the major version that the framework was built with, and not older",
    )
    CUDNN_VERSION = (
        "cudnn-version",
        Of.BASE,
        "the cuDNN must be of the major version that the framework was built with, and not older",
    )
    CUDNN_CODE = "cudnn-code", Of.GPU, "cuDNN must have code for the GPU"
    REQUIRE_CUDA = "require-cuda", Of.BASE, "the CUDA image must start on this driver and product"
    PYTHON = "python", Of.BASE, "the framework must have wheels for the base's Python"
    GLIBC = "glibc", Of.BASE, "the base's glibc must be new enough for the framework"
    TENSORFLOW_ACCEPTS_GPU = "tensorflow-accepts-gpu", Of.GPU, "the TensorFlow build must accept the GPU"
    JAX_ACCEPTS_GPU = "jax-accepts-gpu", Of.GPU, "the JAX build must accept the GPU"
    TORCH_ACCEPTS_GPU = "torch-accepts-gpu", Of.GPU, "the torch build must accept the GPU"
    ROCM_SUPPORTS_GPU = "rocm-supports-gpu", Of.GPU, "ROCm must support the GPU"
    PARTITIONS = "partitions", Of.GPU, "ROCm must see the partitions of a GPU"


class Broken(Struct, frozen=True, gc=False):
    """A rule that a candidate does not satisfy, why, and where that is from."""

    rule: RuleName
    reason: str
    source: str


def bracketed(source: str) -> str:
    """Return a source as it ends a sentence; nothing for the request, which is no source to look up."""
    return "" if source == REQUESTED else f" [{source}]"

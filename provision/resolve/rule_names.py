"""Every rule by name: what it speaks of, and what it says. A rule that is not here cannot be broken.

The rules about a vendor's runtime are one for each row of `GPU_VENDORS`.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from msgspec import Struct

from provision.catalogue import LISTING
from provision.compat import Self, StrEnum
from provision.model import GPU_VENDORS, Vendor

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
    words: str  # in braces: maker, driver and runtime of the vendor

    def __new__(cls, name: str, of: Of, words: str) -> Self:
        """Make a string with what the rule speaks of and what it says."""
        self = str.__new__(cls, name)
        self._value_, self.of, self.words = name, of, words
        return self

    def told(self, vendor: Vendor) -> str:
        """Return what the rule says about a vendor's GPUs."""
        row = GPU_VENDORS.get(vendor)
        known = {"maker": row.title, "driver": row.kernel_driver, "runtime": row.runtime_title} if row else {}
        return self.words.format_map(known)

    _ignore_ = ["vendor", "row", "listing"]  # noqa: RUF012 - the names of the loops below, which are no members

    REQUESTED_TENSORFLOW = "requested-tensorflow", Of.WISH, "the TensorFlow asked for"
    REQUESTED_PYTHON = "requested-python", Of.WISH, "the Python asked for"
    REQUESTED_BASE = "requested-base", Of.WISH, "the base image asked for"
    for vendor, row in GPU_VENDORS.items():
        vars()[f"REQUESTED_{vendor.name}"] = f"requested-{vendor}", Of.WISH, f"the {row.runtime_title} asked for"
    SITE_POLICY = "site-policy", Of.WISH, "the site's own rules"
    MACHINE = "machine", Of.GPU, "the wheels or the image must have GPU code for the host's processor"
    TEGRA = "tegra", Of.GPU, "no wheel is known to serve a Jetson's own GPU"
    WSL = "wsl", Of.GPU, "{maker} must name framework and GPU for WSL2"
    WSL_DRIVER = "wsl-driver", Of.DRIVER, "the Windows driver below WSL2 must be new enough for the CUDA"
    DRIVER_MINIMUM = (
        "driver-minimum",
        Of.DRIVER,
        "the driver must be new enough for the CUDA (minor-version compatibility)",
    )
    DRIVER_DRIVES_GPU = "driver-drives-gpu", Of.GPU, "the driver must drive this generation of GPUs"
    DRIVER_WINDOW = "driver-window", Of.DRIVER, "the {driver} driver must run the {runtime}"
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
    for listing in LISTING:
        vars()[f"{listing.name}_SUPPORTS_GPU"] = (
            f"{listing}-supports-gpu",
            Of.GPU,
            f"{listing.row.runtime_title} must support the GPU",
        )
    PARTITIONS = "partitions", Of.GPU, "{runtime} must see the partitions of a GPU"


# Another version of the runtime than was asked for; and a GPU that the runtime itself does not list.
REQUESTED_RUNTIME: Final[Mapping[Vendor, RuleName]] = {one: RuleName[f"REQUESTED_{one.name}"] for one in GPU_VENDORS}
SUPPORTS_GPU: Final[Mapping[Vendor, RuleName]] = {one: RuleName[f"{one.name}_SUPPORTS_GPU"] for one in LISTING}


class Broken(Struct, frozen=True, gc=False):
    """A rule that a candidate does not satisfy, why, and where that is from."""

    rule: RuleName
    reason: str
    source: str


def bracketed(source: str) -> str:
    """Return a source as it ends a sentence; nothing for the request, which is no source to look up."""
    return "" if source == REQUESTED else f" [{source}]"

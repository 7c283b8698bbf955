"""What kinds of hosts get: one cell for a driver and a GPU, and what a row of the catalogue changes in it."""

from provision.model.base import Value
from provision.model.vendor import Vendor


class Cell(Value):
    """One kind of host, and the stack that it gets."""

    vendor: Vendor
    driver: str  # the first driver of a branch, or an amdgpu release
    gpu: str  # "sm_90", "gfx942"
    name: str  # "Hopper", "MI300X"
    backend: str = ""
    framework: str = ""  # "2.21.0" of TensorFlow, "JAX 0.12.0.1" of what stands in for it; empty: no stack
    runtime: str = ""
    route: str = ""
    summary: str = ""


class Effect(Value):
    """A kind of host, what it gets, and what it would get without a row."""

    driver: str
    gpu: str
    name: str
    stack: str
    without: str

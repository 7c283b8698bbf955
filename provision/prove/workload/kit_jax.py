"""Keras on JAX."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from typing import Any

from . import rows_jax
from .keras3 import Keras3
from .planes import planes
from .train_jax import JaxTrainer
from .words import index, place


class Jax(Keras3):
    """Keras on JAX."""

    def __init__(self) -> None:
        # Without this JAX takes three quarters of a GPU's memory, which others may be using.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        # An image may allow JAX its GPU only; the CPU is needed to compare with.
        platforms = os.environ.get("JAX_PLATFORMS", "")
        if platforms and "cpu" not in platforms.split(","):
            os.environ["JAX_PLATFORMS"] = f"{platforms},cpu"
        import jax
        import keras
        import numpy as np

        self.np, self.jax, self.keras = np, jax, keras
        self.known: dict[str, list[Any]] = {}
        # Off by default, and then sparse products do without cuSPARSE; a version without the option needs none.
        with contextlib.suppress(AttributeError):
            jax.config.update("jax_bcoo_cusparse_lowering", True)  # noqa: FBT003 - JAX's signature

    def versions(self) -> dict[str, str]:
        """Return the versions of the framework."""
        return {"jax": str(self.jax.__version__), **super().versions()}

    def build(self) -> dict[str, str]:
        """Return what is installed: JAX's GPU parts are packages of their own."""
        from importlib import metadata

        names = sorted({str(one.metadata["Name"]).lower() for one in metadata.distributions()})
        plugins = [name for name in names if name.startswith(("jax-cuda", "jax-rocm"))]
        kinds = {"is_cuda_build": "jax-cuda", "is_rocm_build": "jax-rocm"}
        found = {key: str(any(name.startswith(kind) for name in plugins)) for key, kind in kinds.items()}
        return {**found, "plugins": " ".join(plugins)}

    def devices(self, kind: str) -> list[Any]:
        """Return the devices of a kind, none where JAX cannot have them."""
        if kind not in self.known:
            try:
                self.known[kind] = list(self.jax.local_devices(backend=kind.lower()))
            except RuntimeError as error:
                sys.stderr.write(f"jax: {error}\n")
                self.known[kind] = []
        return self.known[kind]

    def listing(self, device: str) -> list[dict[str, Any]]:
        """Return the devices; keep to the CPU when it is asked for."""
        if device == "CPU":
            self.jax.config.update("jax_platforms", "cpu")
        return [
            {
                "name": f"/physical_device:{kind}:{i}",
                "type": kind,
                "description": str(one.device_kind) if kind == "GPU" else "",
                "compute_capability": str(getattr(one, "compute_capability", "")) or None if kind == "GPU" else None,
            }
            for kind in ("CPU", "GPU")
            for i, one in enumerate(self.devices(kind) if kind != "GPU" or device == "GPU" else [])
        ]

    def describe(self) -> list[dict[str, Any]]:
        """Return nothing: JAX does not tell PCI addresses, the driver library does."""
        return []

    def exact(self, on: bool) -> None:  # noqa: FBT001 - one setting, on or off
        """Compute float32 in full, or as the framework likes."""
        self.jax.config.update("jax_default_matmul_precision", "highest" if on else None)

    def device(self, name: str) -> Any:
        """Return JAX's device of a name."""
        found = self.devices("GPU" if "GPU" in name else "CPU")
        if index(name) >= len(found):
            raise RuntimeError(f"JAX lists {len(found)} devices of that kind, so there is no {name}")
        return found[index(name)]

    def on(self, name: str) -> Any:
        """Return a context in which work goes to a device."""
        return self.jax.default_device(self.device(name))

    def place(self, name: str, tensor: Any) -> dict[str, Any]:
        """Return where an array is: JAX keeps it where it was computed."""
        return place(name, self.names(tensor.devices()))

    def names(self, devices: Any) -> str:
        """Return "gpu:0" for the first GPU; of several devices all names, which is no name of a place."""
        found = [(one.platform, self.devices(one.platform.upper()).index(one)) for one in devices]
        return " ".join(f"{platform}:{number}" for platform, number in sorted(found))

    def trainer(self, name: str, arrays: tuple[Any, Any], weights: list[Any]) -> JaxTrainer:
        """Return a training that was set up on a device."""
        return JaxTrainer(self, name, arrays, weights)

    def memory(self, name: str) -> dict[str, int] | None:
        """Return current and peak bytes that the framework allocated on a device, None where it does not count."""
        info: dict[str, int] = {}
        with contextlib.suppress(RuntimeError):  # not every allocator of JAX counts
            info = self.device(name).memory_stats() or {}
        if "peak_bytes_in_use" not in info:
            return None
        return {"current": int(info.get("bytes_in_use", 0)), "peak": int(info["peak_bytes_in_use"])}

    def run(self, function: Any, name: str) -> tuple[Any, str]:
        """Return the result of a function on a device, as an array, and where it was computed."""
        with self.on(name):
            result = function()
            return self.np.asarray(result), self.place("", result)["device"]

    def operations(self) -> dict[str, Any]:
        """Return one function for each GPU library, by the name that its row gets."""
        return rows_jax.operations(self)

    def collective(self, names: list[str]) -> tuple[Any, Any, str]:
        """Return the sum over all devices, the expected one, and where it is."""
        return rows_jax.collective(self, names)

    def profiled(self, work: Any) -> dict[str, int]:
        """Return how many events the profiler saw on each plane while `work` ran."""
        with tempfile.TemporaryDirectory() as folder:
            self.jax.profiler.start_trace(folder)
            try:
                work()
            finally:
                self.jax.profiler.stop_trace()
            return planes(folder)

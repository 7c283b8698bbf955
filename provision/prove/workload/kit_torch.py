"""Keras on torch."""

from __future__ import annotations

from typing import Any, ClassVar

from . import rows_torch
from .keras3 import Keras3
from .train_torch import TorchTrainer
from .words import index, place


class Torch(Keras3):
    """Keras on torch; ROCm builds call their GPUs cuda too."""

    not_asked: ClassVar[dict[str, str]] = {"xla": "torch's own compiler is another one"}

    def __init__(self) -> None:
        import keras
        import numpy as np
        import torch

        self.np, self.torch, self.keras = np, torch, keras

    def versions(self) -> dict[str, str]:
        """Return the versions of the framework."""
        return {"torch": str(self.torch.__version__), **super().versions()}

    def build(self) -> dict[str, str]:
        """Return what the wheel was built for."""
        cuda, hip = self.torch.version.cuda, getattr(self.torch.version, "hip", None)
        return {
            "is_cuda_build": str(cuda is not None and hip is None),
            "is_rocm_build": str(hip is not None),
            "cuda_version": str(cuda),
            "hip_version": str(hip),
        }

    def listing(self, device: str) -> list[dict[str, Any]]:
        """Return the devices; keep to the CPU when it is asked for."""
        cuda = self.torch.cuda
        if device == "CPU":
            self.keras.src.backend.common.global_state.set_global_attribute("torch_device", "cpu")
        rows = [{"name": "/physical_device:CPU:0", "type": "CPU", "description": "", "compute_capability": None}]
        for i in range(cuda.device_count() if cuda.is_available() else 0):
            capability = ".".join(map(str, cuda.get_device_capability(i))) if not self.torch.version.hip else None
            rows.append(
                {
                    "name": f"/physical_device:GPU:{i}",
                    "type": "GPU",
                    "description": cuda.get_device_name(i),
                    "compute_capability": capability,
                }
            )
        return rows

    def describe(self) -> list[dict[str, Any]]:
        """Return the GPUs with their PCI address, where this version tells it."""
        found = []
        for i in range(self.torch.cuda.device_count() if self.torch.cuda.is_available() else 0):
            known = self.torch.cuda.get_device_properties(i)
            text = ""
            if hasattr(known, "pci_bus_id"):
                address = f"{known.pci_domain_id:04x}:{known.pci_bus_id:02x}:{known.pci_device_id:02x}.0"
                text = f"device: {i}, name: {known.name}, pci bus id: {address}"
            found.append({"name": f"/device:GPU:{i}", "type": "GPU", "text": text, "bytes": int(known.total_memory)})
        return found

    def exact(self, on: bool) -> None:  # noqa: FBT001 - one setting, on or off
        """Compute float32 in full, or as torch does by default: products in full, convolutions not."""
        self.torch.set_float32_matmul_precision("highest")
        self.torch.backends.cudnn.allow_tf32 = not on

    def device(self, name: str) -> str:
        """Return torch's name of a device."""
        return f"cuda:{index(name)}" if "GPU" in name else "cpu"

    def on(self, name: str) -> Any:
        """Return a context in which work goes to a device."""
        return self.keras.device(self.device(name))

    def place(self, name: str, tensor: Any) -> dict[str, Any]:
        """Return where a tensor is: torch keeps it where it was computed."""
        return place(name, tensor.device)

    def trainer(self, name: str, arrays: tuple[Any, Any], weights: list[Any]) -> TorchTrainer:
        """Return a training that was set up on a device."""
        return TorchTrainer(self, name, arrays, weights)

    def memory(self, name: str) -> dict[str, int] | None:
        """Return current and peak bytes that the framework allocated on a device, None where it does not count."""
        if "GPU" not in name:
            return None
        cuda, where = self.torch.cuda, index(name)
        return {"current": int(cuda.memory_allocated(where)), "peak": int(cuda.max_memory_allocated(where))}

    def run(self, function: Any, name: str) -> tuple[Any, str]:
        """Return the result of a function on a device, as an array, and where it was computed."""
        with self.on(name), self.torch.no_grad():
            result = function()
            return result.cpu().numpy(), str(result.device)

    def operations(self) -> dict[str, Any]:
        """Return one function for each GPU library, by the name that its row gets."""
        return rows_torch.operations(self)

    def collective(self, names: list[str]) -> tuple[Any, Any, str]:
        """Return the sum over all devices, the expected one, and where it is."""
        return rows_torch.collective(self, names)

    def profiled(self, work: Any) -> dict[str, int]:
        """Return how many events the profiler saw on each plane while `work` ran."""
        profiler = self.torch.profiler
        with profiler.profile() as profile:
            work()
        counts: dict[str, int] = {}
        for event in profile.events():
            kind = str(event.device_type).rsplit(".", 1)[-1]
            name = "/host:CPU" if kind == "CPU" else f"/device:GPU:{event.device_index}"
            counts[name] = counts.get(name, 0) + 1
        return counts

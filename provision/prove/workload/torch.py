"""Keras on torch."""

from __future__ import annotations

from typing import Any, ClassVar

from .keras3 import Keras3
from .library_inputs import inputs, ranks
from .makers import MAKERS
from .model import RATE, batches, sequential
from .record import index, number, place, rows_of


class TorchTrainer:
    """A model on one device, and the steps that train it there."""

    def __init__(self, backend: Torch, name: str, arrays: tuple[Any, Any], weights: list[Any]) -> None:
        self.backend, self.name, torch = backend, name, backend.torch
        device = backend.device(name)
        with backend.on(name):
            self.model = sequential(backend.keras)
            self.model.set_weights(weights)
        self.weights = backend.variables(self.model)
        self.batches = [(torch.tensor(x, device=device), torch.tensor(y, device=device)) for x, y in batches(arrays)]

    def step(self, batch: tuple[Any, Any]) -> dict[str, Any]:
        """Take one step of plain gradient descent, by hand, and return its tensors."""
        torch = self.backend.torch
        with self.backend.on(self.name):
            output = self.model(batch[0], training=True)
            loss = -torch.mean(torch.sum(batch[1] * torch.log(output + 1e-7), dim=-1))
            gradients = torch.autograd.grad(loss, self.weights)
            with torch.no_grad():
                for i, weight in enumerate(self.weights):
                    weight.sub_(RATE * gradients[i])
        return {"output": output, "loss": loss, "gradients": gradients}

    def losses(self) -> list[float | None]:
        """Train one epoch and return the loss of each batch."""
        return [number(self.step(batch)["loss"].detach()) for batch in self.batches]

    def witness(self, record: dict[str, Any]) -> None:
        """Record where one more step has its weights, its tensors and its operations."""
        from torch.utils._python_dispatch import TorchDispatchMode

        backend, counts = self.backend, {}  # type: ignore[var-annotated] # typed by its use below

        class Counting(TorchDispatchMode):  # type: ignore[misc] # torch is not there when types are checked
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                result = func(*args, **(kwargs or {}))
                first = result[0] if isinstance(result, (tuple, list)) and result else result
                if isinstance(first, backend.torch.Tensor):
                    key = (str(func), str(first.device), bool(first.is_floating_point()))
                    counts[key] = counts.get(key, 0) + 1
                return result

        with Counting():
            last = self.step(self.batches[0])
        names = [weight.path for weight in self.model.trainable_variables]
        record["weights"] = [backend.place(names[i], weight) for i, weight in enumerate(self.weights)]
        record["tensors"] = [backend.place(name, last[name]) for name in ("output", "loss")]
        record["gradients"] = [backend.place(names[i], gradient) for i, gradient in enumerate(last["gradients"])]
        record["ops"] = rows_of(counts)


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
        names = [maker["torch_version"] for maker in MAKERS.values()]
        told = {name: getattr(self.torch.version, name, None) for name in names}
        own = [name for name in names if told[name] is not None][-1:]  # CUDA's counts where no other is told
        return {
            **{maker["build_key"]: str(maker["torch_version"] in own) for maker in MAKERS.values()},
            **{f"{name}_version": str(version) for name, version in told.items()},
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
        given, tensor = inputs(self.np), self.keras.ops.convert_to_tensor

        def sparse() -> Any:
            return tensor(given.thin).to_sparse_csr() @ tensor(given.matrix)

        return {**super().operations(), "sparse": sparse}

    def collective(self, names: list[str]) -> tuple[Any, Any, str]:
        """Return the last device's sum over all, which NCCL or RCCL made, the expected one, and its place.

        In one process: what torch.distributed does with the same library takes a process for each device.
        """
        torch, (own, expected) = self.torch, ranks(self.np, len(names))
        there = [torch.tensor(own[i], device=self.device(name)) for i, name in enumerate(names)]
        torch.cuda.nccl.all_reduce(there)  # in place
        return there[-1].cpu().numpy(), expected, str(there[-1].device)

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

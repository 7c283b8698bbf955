"""A training on torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .model import RATE, batches, sequential
from .words import number, rows_of

if TYPE_CHECKING:
    from .kit_torch import Torch


class TorchTrainer:
    """A model on one device, and the steps that train it there."""

    def __init__(self, kit: Torch, name: str, arrays: tuple[Any, Any], weights: list[Any]) -> None:
        self.kit, self.name, torch = kit, name, kit.torch
        device = kit.device(name)
        with kit.on(name):
            self.model = sequential(kit.keras)
            self.model.set_weights(weights)
        self.weights = kit.variables(self.model)
        self.batches = [(torch.tensor(x, device=device), torch.tensor(y, device=device)) for x, y in batches(arrays)]

    def step(self, batch: tuple[Any, Any]) -> dict[str, Any]:
        """Take one step of plain gradient descent, by hand, and return its tensors."""
        torch = self.kit.torch
        with self.kit.on(self.name):
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

        kit, counts = self.kit, {}  # type: ignore[var-annotated] # typed by its use below

        class Counting(TorchDispatchMode):  # type: ignore[misc] # torch is not there when types are checked
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                result = func(*args, **(kwargs or {}))
                first = result[0] if isinstance(result, (tuple, list)) and result else result
                if isinstance(first, kit.torch.Tensor):
                    key = (str(func), str(first.device), bool(first.is_floating_point()))
                    counts[key] = counts.get(key, 0) + 1
                return result

        with Counting():
            last = self.step(self.batches[0])
        names = [weight.path for weight in self.model.trainable_variables]
        record["weights"] = [kit.place(names[i], weight) for i, weight in enumerate(self.weights)]
        record["tensors"] = [kit.place(name, last[name]) for name in ("output", "loss")]
        record["gradients"] = [kit.place(names[i], gradient) for i, gradient in enumerate(last["gradients"])]
        record["ops"] = rows_of(counts)

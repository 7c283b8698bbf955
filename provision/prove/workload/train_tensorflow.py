"""A training on TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .model import batches, sequential
from .words import number

if TYPE_CHECKING:
    from .kit_tensorflow import TensorFlow


class TensorFlowTrainer:
    """A model on one device, and the steps that train it there."""

    def __init__(self, kit: TensorFlow, name: str, arrays: tuple[Any, Any], weights: list[Any]) -> None:
        self.kit, self.name = kit, name
        # Making a model needs integers for its seeds, which have host kernels only; the steps themselves do not.
        kit.tf.config.set_soft_device_placement(True)
        with kit.tf.device(name):
            self.model = sequential(kit.keras)
            self.model.set_weights(weights)
            self.batches = [(kit.tf.constant(x), kit.tf.constant(y)) for x, y in batches(arrays)]
        self.weights = kit.variables(self.model)
        kit.tf.config.set_soft_device_placement(False)

    def losses(self) -> list[float | None]:
        """Train one epoch and return the loss of each batch."""
        with self.kit.tf.device(self.name):
            return [number(self.kit.step(self.model, self.weights, batch)["loss"]) for batch in self.batches]

    def witness(self, record: dict[str, Any]) -> None:
        """Record where one more step has its weights, its tensors and its operations."""
        kit = self.kit
        with kit.tf.device(self.name):
            last, record["ops"], record["ops_error"] = kit.traced(
                lambda: kit.step(self.model, self.weights, self.batches[0])
            )
        names = [weight.name for weight in self.weights]
        record["weights"] = [kit.place(weight.name, weight) for weight in self.weights]
        record["tensors"] = [kit.place("output", last["output"]), kit.place("loss", last["loss"])]
        record["gradients"] = [kit.place(names[i], gradient) for i, gradient in enumerate(last["gradients"])]

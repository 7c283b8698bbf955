"""A training on JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .model import RATE, batches, sequential
from .words import message, number, rows_of

if TYPE_CHECKING:
    from .kit_jax import Jax


def primitives(jaxpr: Any, device: str, counts: dict[tuple[str, str, bool], int]) -> None:
    """Count the operations of a traced function and of those that it calls."""
    for equation in jaxpr.eqns:
        inner = [getattr(value, "jaxpr", value) for value in equation.params.values()]
        for called in inner:
            if hasattr(called, "eqns"):
                primitives(called, device, counts)
        key = (str(equation.primitive), device, True)
        counts[key] = counts.get(key, 0) + 1


class JaxTrainer:
    """A model on one device, and the compiled step that trains it there."""

    def __init__(self, kit: Jax, name: str, arrays: tuple[Any, Any], weights: list[Any]) -> None:
        jax, device = kit.jax, kit.device(name)
        self.kit, self.name = kit, name
        with kit.on(name):
            self.model = sequential(kit.keras)
            self.model.set_weights(weights)
            self.weights = [jax.device_put(value, device) for value in kit.variables(self.model)]
            self.batches = [(jax.device_put(x, device), jax.device_put(y, device)) for x, y in batches(arrays)]
            self.compiled = jax.jit(self.step).lower(self.weights, *self.batches[0]).compile()

    def loss(self, weights: list[Any], x: Any, y: Any) -> tuple[Any, Any]:
        """Return the loss and the output."""
        jnp = self.kit.jax.numpy
        output, _ = self.model.stateless_call(weights, [], x, training=True)
        return -jnp.mean(jnp.sum(y * jnp.log(output + 1e-7), axis=-1)), output

    def step(self, weights: list[Any], x: Any, y: Any) -> dict[str, Any]:
        """Return the tensors of one step of plain gradient descent, and the new weights."""
        (loss, output), gradients = self.kit.jax.value_and_grad(self.loss, has_aux=True)(weights, x, y)
        new = [weight - RATE * gradients[i] for i, weight in enumerate(weights)]
        return {"output": output, "loss": loss, "gradients": gradients, "weights": new}

    def losses(self) -> list[float | None]:
        """Train one epoch and return the loss of each batch."""
        found = []
        for batch in self.batches:
            last = self.compiled(self.weights, *batch)
            self.weights = last["weights"]
            found.append(number(last["loss"]))
        return found

    def witness(self, record: dict[str, Any]) -> None:
        """Record where one more step has its weights, its tensors and its operations."""
        kit, last = self.kit, self.compiled(self.weights, *self.batches[0])
        names = [weight.path for weight in self.model.trainable_variables]
        record["weights"] = [kit.place(names[i], weight) for i, weight in enumerate(last["weights"])]
        record["tensors"] = [kit.place(name, last[name]) for name in ("output", "loss")]
        record["gradients"] = [kit.place(names[i], gradient) for i, gradient in enumerate(last["gradients"])]
        try:
            # One executable, and the runtime tells on which devices all of it runs.
            device = kit.names(self.compiled.runtime_executable().local_devices())
            counts: dict[tuple[str, str, bool], int] = {}
            primitives(kit.jax.make_jaxpr(self.step)(self.weights, *self.batches[0]).jaxpr, device, counts)
            record["ops"] = rows_of(counts)
        except AttributeError as error:
            record["ops_error"] = message(error)

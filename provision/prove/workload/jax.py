"""Keras on JAX."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from typing import Any

from .keras3 import Keras3
from .library_inputs import inputs, ranks
from .makers import MAKERS
from .model import RATE, batches, sequential
from .record import index, message, number, place, rows_of
from .xplane import planes


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

    def __init__(self, backend: Jax, name: str, arrays: tuple[Any, Any], weights: list[Any]) -> None:
        jax, device = backend.jax, backend.device(name)
        self.backend, self.name = backend, name
        with backend.on(name):
            self.model = sequential(backend.keras)
            self.model.set_weights(weights)
            self.weights = [jax.device_put(value, device) for value in backend.variables(self.model)]
            self.batches = [(jax.device_put(x, device), jax.device_put(y, device)) for x, y in batches(arrays)]
            self.compiled = jax.jit(self.step).lower(self.weights, *self.batches[0]).compile()

    def loss(self, weights: list[Any], x: Any, y: Any) -> tuple[Any, Any]:
        """Return the loss and the output."""
        jnp = self.backend.jax.numpy
        output, _ = self.model.stateless_call(weights, [], x, training=True)
        return -jnp.mean(jnp.sum(y * jnp.log(output + 1e-7), axis=-1)), output

    def step(self, weights: list[Any], x: Any, y: Any) -> dict[str, Any]:
        """Return the tensors of one step of plain gradient descent, and the new weights."""
        (loss, output), gradients = self.backend.jax.value_and_grad(self.loss, has_aux=True)(weights, x, y)
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
        backend, last = self.backend, self.compiled(self.weights, *self.batches[0])
        names = [weight.path for weight in self.model.trainable_variables]
        record["weights"] = [backend.place(names[i], weight) for i, weight in enumerate(last["weights"])]
        record["tensors"] = [backend.place(name, last[name]) for name in ("output", "loss")]
        record["gradients"] = [backend.place(names[i], gradient) for i, gradient in enumerate(last["gradients"])]
        try:
            # One executable, and the runtime tells on which devices all of it runs.
            device = backend.names(self.compiled.runtime_executable().local_devices())
            counts: dict[tuple[str, str, bool], int] = {}
            primitives(backend.jax.make_jaxpr(self.step)(self.weights, *self.batches[0]).jaxpr, device, counts)
            record["ops"] = rows_of(counts)
        except AttributeError as error:
            record["ops_error"] = message(error)


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
        kinds = {maker["build_key"]: f"jax-{vendor}" for vendor, maker in MAKERS.items()}
        plugins = [name for name in names if name.startswith(tuple(kinds.values()))]
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
        jax, given = self.jax, inputs(self.np)

        def xla() -> Any:
            # All of JAX runs through XLA, operation by operation; this is one fused program.
            return jax.jit(lambda x: jax.nn.relu(x @ x) + 1.0)(jax.numpy.asarray(given.matrix))

        return {**super().operations(), "sparse": lambda: self.sparse(given.thin, given.matrix), "xla": xla}

    def sparse(self, thin: Any, matrix: Any) -> Any:
        """Return the product of a sparse and a dense matrix.

        On a GPU JAX multiplies sparse matrices by gathering and adding unless cuSPARSE is asked for (by `__init__`),
        and falls back to that with a warning at most: so the program says whether it calls the library.

        Raises:
            RuntimeError: on a GPU, the program does without the library.
        """
        from jax.experimental.sparse import BCOO

        jax = self.jax
        given = BCOO.fromdense(jax.numpy.asarray(thin)), jax.numpy.asarray(matrix)
        program = jax.jit(lambda left, right: left @ right).lower(*given)
        if next(iter(given[1].devices())).platform != "cpu" and "sparse_coo" not in program.as_text():
            raise RuntimeError("JAX multiplies sparse matrices without the GPU's library")
        return program.compile()(*given)

    def collective(self, names: list[str]) -> tuple[Any, Any, str]:
        """Return the last device's sum over all, which NCCL or RCCL made, the expected one, and its place."""
        jax, (own, expected) = self.jax, ranks(self.np, len(names))
        devices = [self.device(name) for name in names]
        total = jax.pmap(lambda one: jax.lax.psum(one, "all"), axis_name="all", devices=devices)(own)
        last = next(shard.data for shard in total.addressable_shards if devices[-1] in shard.data.devices())
        return self.np.asarray(last).ravel(), expected, self.place("", last)["device"]

    def profiled(self, work: Any) -> dict[str, int]:
        """Return how many events the profiler saw on each plane while `work` ran."""
        with tempfile.TemporaryDirectory() as folder:
            self.jax.profiler.start_trace(folder)
            try:
                work()
            finally:
                self.jax.profiler.stop_trace()
            return planes(folder)

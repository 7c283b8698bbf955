"""Keras on TensorFlow."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from typing import Any, ClassVar

from . import rows_tensorflow
from .model import RATE, chain
from .planes import planes
from .train_tensorflow import TensorFlowTrainer
from .words import message, place, rows_of


class Trace:
    """Counts every operation that TensorFlow executes while it is active, by type, device and kind of result."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str, bool], int] = {}

    def __call__(  # noqa: PLR0913, PLR0917 - the six arguments that TensorFlow calls it with
        self,
        op_type: Any,
        inputs: Any,
        attrs: Any,  # noqa: ARG002 - TensorFlow passes it
        outputs: Any,
        op_name: Any = None,  # noqa: ARG002 - by position from C++, by this name from Python
        graph: Any = None,
    ) -> None:
        """Count one operation; TensorFlow calls this."""
        if graph is not None:
            return  # only being traced into a graph, not executed
        name = op_type.decode() if isinstance(op_type, bytes) else str(op_type)
        # An assignment has no result: it runs where the variable lies.
        tensor = outputs[0] if outputs else inputs[0]
        key = (name, str(tensor.device), bool(not outputs or tensor.dtype.is_floating))
        self.counts[key] = self.counts.get(key, 0) + 1


class TensorFlow:
    """Keras on TensorFlow: Keras 2 and 3."""

    not_asked: ClassVar[dict[str, str]] = {}  # rows of the library table that it cannot have, with the reason

    def __init__(self) -> None:
        import numpy as np
        import tensorflow as tf

        self.np, self.tf, self.keras = np, tf, tf.keras

    def versions(self) -> dict[str, str]:
        """Return the versions of the framework."""
        keras = sys.modules.get("keras") or self.keras
        return {"tensorflow": str(self.tf.__version__), "keras": str(getattr(keras, "__version__", ""))}

    def build(self) -> dict[str, str]:
        """Return what the wheel was built for."""
        return {key: str(value) for key, value in self.tf.sysconfig.get_build_info().items()}

    def listing(self, device: str) -> list[dict[str, Any]]:
        """Return the physical devices; hide the GPUs when the CPU is asked for."""
        tf, found = self.tf, []
        for physical in tf.config.list_physical_devices():
            details: dict[str, Any] = {}
            if physical.device_type == "GPU":
                # Without this the framework takes all memory of a GPU that others may be using.
                with contextlib.suppress(RuntimeError, ValueError):
                    tf.config.experimental.set_memory_growth(physical, True)  # noqa: FBT003 - TensorFlow's signature
                with contextlib.suppress(AttributeError, ValueError, tf.errors.OpError):
                    details = tf.config.experimental.get_device_details(physical)
            found.append(
                {
                    "name": physical.name,
                    "type": physical.device_type,
                    "description": str(details.get("device_name", "")),
                    "compute_capability": ".".join(map(str, details.get("compute_capability") or ())) or None,
                }
            )
        if device == "CPU":
            tf.config.set_visible_devices([], "GPU")
        return found

    def describe(self) -> list[dict[str, Any]]:
        """Return the logical devices with the framework's physical description, which holds the PCI address."""
        from tensorflow.python.client import device_lib

        options = self.tf.compat.v1.ConfigProto(gpu_options=self.tf.compat.v1.GPUOptions(allow_growth=True))
        return [
            {"name": one.name, "type": one.device_type, "text": one.physical_device_desc, "bytes": one.memory_limit}
            for one in device_lib.list_local_devices(options)
        ]

    def exact(self, on: bool) -> None:  # noqa: FBT001 - one setting, on or off
        """Compute float32 in full, or as the framework likes: on NVIDIA that is TensorFloat-32, of 10 bits."""
        with contextlib.suppress(AttributeError):
            self.tf.config.experimental.enable_tensor_float_32_execution(not on)

    def place(self, name: str, tensor: Any) -> dict[str, Any]:
        """Return where a tensor or a variable is."""
        return place(name, tensor.device, getattr(tensor, "backing_device", None))

    def variables(self, model: Any) -> list[Any]:
        """Return the TensorFlow variables behind a model's weights: Keras 3 wraps them, Keras 2 does not."""
        return [weight if callable(weight.value) else weight.value for weight in model.trainable_variables]

    def step(self, model: Any, weights: list[Any], batch: tuple[Any, Any]) -> dict[str, Any]:
        """Take one step of plain gradient descent, by hand, and return its tensors.

        No optimizer: their integer counters would need host kernels, which soft placement off forbids.
        """
        tf = self.tf
        with tf.GradientTape() as tape:
            output = model(batch[0], training=True)
            loss = -tf.reduce_mean(tf.reduce_sum(batch[1] * tf.math.log(output + 1e-7), axis=-1))
        gradients = tape.gradient(loss, weights)
        for i, weight in enumerate(weights):
            weight.assign_sub(RATE * gradients[i])
        return {"output": output, "loss": loss, "gradients": gradients}

    def traced(self, work: Any) -> tuple[Any, list[dict[str, Any]] | None, dict[str, str] | None]:
        """Do `work` and return its result, the operations executed, and the error when they cannot be had."""
        try:
            from tensorflow.python.framework import op_callbacks
        except ImportError as error:
            return work(), None, message(error)
        trace = Trace()
        op_callbacks.add_op_callback(trace)
        try:
            result = work()
        finally:
            op_callbacks.remove_op_callback(trace)
        return result, rows_of(trace.counts), None

    def trainer(self, name: str, arrays: tuple[Any, Any], weights: list[Any]) -> TensorFlowTrainer:
        """Return a training that was set up on a device."""
        return TensorFlowTrainer(self, name, arrays, weights)

    def memory(self, name: str) -> dict[str, int] | None:
        """Return current and peak bytes that the framework allocated on a device, None where it does not count."""
        try:
            info = self.tf.config.experimental.get_memory_info(name.lstrip("/"))
        except (ValueError, AttributeError, self.tf.errors.OpError):
            return None
        return {"current": int(info["current"]), "peak": int(info["peak"])}

    def before_fit(self) -> None:
        """Let the framework place as it does for its users."""
        self.tf.config.set_soft_device_placement(True)

    def after_fit(self, model: Any, batch: tuple[Any, Any], record: dict[str, Any]) -> None:
        """Record the operations of one more step as they were placed in its graphs."""
        from tensorflow.python.eager import context

        try:
            context.context().enable_run_metadata()
            model.train_on_batch(*batch)
            record["ops"] = self.partition_ops(context.context())
        except (AttributeError, RuntimeError, self.tf.errors.OpError) as error:
            record["ops_error"] = message(error)
        finally:
            context.context().disable_run_metadata()

    def partition_ops(self, context: Any) -> list[dict[str, Any]]:
        """Return the operations of the graphs that ran since run metadata was switched on, as placed."""
        counts: dict[tuple[str, str, bool], int] = {}
        for graph in context.export_run_metadata().partition_graphs:
            for node in graph.node:
                if node.op not in {"_Arg", "_Retval"}:
                    key = (node.op, node.device, True)
                    counts[key] = counts.get(key, 0) + 1
        return rows_of(counts)

    def run(self, function: Any, name: str) -> tuple[Any, str]:
        """Return the result of a function on a device, as an array, and where it was computed."""
        with self.tf.device(name):
            result = function()
            return result.numpy(), str(result.device)

    def product(self, matrix: Any) -> Any:
        """Return a function that multiplies a matrix with itself."""
        tf = self.tf

        def work() -> Any:
            there = tf.constant(matrix)
            return tf.matmul(there, there)

        return work

    def powers(self, matrix: Any, times: int) -> Any:
        """Return a function that multiplies `times` times and answers when the device is done."""
        return chain(self.tf.matmul, self.tf.constant(matrix), times)

    def on(self, name: str) -> Any:
        """Return a context in which work goes to a device."""
        return self.tf.device(name)

    def filled(self, mebibytes: int) -> float:
        """Write rows of 1 MiB, each with its own number, and return the mean of what is read back."""
        tf = self.tf
        rows = tf.reshape(tf.range(mebibytes, dtype="float32"), (-1, 1))
        return float(tf.reduce_mean(tf.reduce_mean(tf.tile(rows, (1, 1 << 18)), axis=1)))

    def profiled(self, work: Any) -> dict[str, int]:
        """Return how many events the profiler saw on each plane while `work` ran."""
        with tempfile.TemporaryDirectory() as folder:
            self.tf.profiler.experimental.start(folder)
            try:
                work()
            finally:
                self.tf.profiler.experimental.stop()
            return planes(folder)

    def operations(self) -> dict[str, Any]:
        """Return one function for each GPU library, by the name that its row gets."""
        return rows_tensorflow.operations(self)

    def collective(self, names: list[str]) -> tuple[Any, Any, str]:
        """Return the sum over all devices, the expected one, and where it is."""
        return rows_tensorflow.collective(self, names)

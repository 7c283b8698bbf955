"""Keras on TensorFlow."""

from __future__ import annotations

import contextlib
import inspect
import sys
import tempfile
from typing import Any, ClassVar

from .library_inputs import inputs, layer, network, ranks
from .model import RATE, batches, chain, sequential
from .record import message, number, place, rows_of
from .xplane import planes


class TensorFlowTrainer:
    """A model on one device, and the steps that train it there."""

    def __init__(self, backend: TensorFlow, name: str, arrays: tuple[Any, Any], weights: list[Any]) -> None:
        self.backend, self.name = backend, name
        # Making a model needs integers for its seeds, which have host kernels only; the steps themselves do not.
        backend.tf.config.set_soft_device_placement(True)
        with backend.tf.device(name):
            self.model = sequential(backend.keras)
            self.model.set_weights(weights)
            self.batches = [(backend.tf.constant(x), backend.tf.constant(y)) for x, y in batches(arrays)]
        self.weights = backend.variables(self.model)
        backend.tf.config.set_soft_device_placement(False)

    def losses(self) -> list[float | None]:
        """Train one epoch and return the loss of each batch."""
        with self.backend.tf.device(self.name):
            return [number(self.backend.step(self.model, self.weights, batch)["loss"]) for batch in self.batches]

    def witness(self, record: dict[str, Any]) -> None:
        """Record where one more step has its weights, its tensors and its operations."""
        backend = self.backend
        with backend.tf.device(self.name):
            last, record["ops"], record["ops_error"] = backend.traced(
                lambda: backend.step(self.model, self.weights, self.batches[0])
            )
        names = [weight.name for weight in self.weights]
        record["weights"] = [backend.place(weight.name, weight) for weight in self.weights]
        record["tensors"] = [backend.place("output", last["output"]), backend.place("loss", last["loss"])]
        record["gradients"] = [backend.place(names[i], gradient) for i, gradient in enumerate(last["gradients"])]


def counter(counts: dict[tuple[str, str, bool], int]) -> Any:
    """Return what counts every operation that TensorFlow executes, by type, device and kind of result."""

    def count(  # noqa: PLR0913, PLR0917 - the six arguments that TensorFlow calls it with
        op_type: Any,
        inputs: Any,
        attrs: Any,  # noqa: ARG001 - TensorFlow passes it
        outputs: Any,
        op_name: Any = None,  # noqa: ARG001 - by position from C++, by this name from Python
        graph: Any = None,
    ) -> None:
        if graph is not None:
            return  # only being traced into a graph, not executed
        name = op_type.decode() if isinstance(op_type, bytes) else str(op_type)
        # An assignment has no result: it runs where the variable lies.
        tensor = outputs[0] if outputs else inputs[0]
        key = (name, str(tensor.device), bool(not outputs or tensor.dtype.is_floating))
        counts[key] = counts.get(key, 0) + 1

    return count


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
        counts: dict[tuple[str, str, bool], int] = {}
        count = counter(counts)
        op_callbacks.add_op_callback(count)
        try:
            result = work()
        finally:
            op_callbacks.remove_op_callback(count)
        return result, rows_of(counts), None

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
        tf, keras, given = self.tf, self.keras, inputs(self.np)
        compiled = tf.function(lambda x: tf.nn.relu(tf.matmul(x, x)) + 1.0, jit_compile=True, autograph=False)

        def half() -> Any:
            # Keras 2 takes the policy, not its name.
            policy = keras.mixed_precision.Policy("mixed_float16")
            return tf.cast(layer(keras.layers.Dense(32, dtype=policy), given.matrix), "float32")

        def lstm() -> Any:
            # Keras 3 takes cuDNN wherever TensorFlow lists a GPU, also for the result that the CPU is to compute.
            here = "CPU" in tf.constant(0.0).device
            plain = here and "use_cudnn" in inspect.signature(keras.layers.LSTM.__init__).parameters
            return layer(keras.layers.LSTM(16, **({"use_cudnn": False} if plain else {})), given.series)

        def sparse() -> Any:
            there = tf.constant(given.thin)
            csr = tf.raw_ops.DenseToCSRSparseMatrix(dense_input=there, indices=tf.where(tf.not_equal(there, 0.0)))
            return tf.raw_ops.SparseMatrixMatMul(a=csr, b=tf.constant(given.matrix))

        return {
            "matmul": lambda: tf.matmul(tf.constant(given.matrix), tf.constant(given.matrix)),
            "conv2d": lambda: tf.nn.conv2d(tf.constant(given.images), tf.constant(given.kernel), 1, "SAME"),
            "conv2d network": lambda: network(keras, given.images),
            "lstm": lstm,
            "fft": lambda: tf.abs(tf.signal.rfft(tf.constant(given.matrix))),
            "solver": lambda: tf.linalg.solve(tf.constant(given.regular), tf.constant(given.matrix)),
            "sparse": sparse,
            "xla": lambda: compiled(tf.constant(given.matrix)),
            "mixed precision": half,
        }

    def collective(self, names: list[str]) -> tuple[Any, Any, str]:
        """Return the last device's sum over all, which NCCL or RCCL made, the expected one, and its place."""
        tf, (_, expected) = self.tf, ranks(self.np, len(names))
        ops = tf.distribute.NcclAllReduce()
        strategy = tf.distribute.MirroredStrategy([name.lstrip("/") for name in names], cross_device_ops=ops)

        def work() -> Any:
            context = tf.distribute.get_replica_context()
            own = tf.cast(context.replica_id_in_sync_group, "float32") + 1.0
            return context.all_reduce(tf.distribute.ReduceOp.SUM, own * tf.ones(expected.shape))

        result = strategy.experimental_local_results(strategy.run(tf.function(work, autograph=False)))[-1]
        return result.numpy(), expected, str(result.device)

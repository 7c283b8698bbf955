"""Train a Keras Sequential model and record where it ran. Recorded, never judged: the judge sits on the host.

Runs inside the container that is to be verified, so it needs nothing but the standard library and the framework:
Python 3.9 to 3.13; TensorFlow 2.10 to 2.22 (Keras 2 and 3), or Keras 3 on JAX or torch. Started as
``python -c SOURCE SPEC`` or ``python workload.py [SPEC]``; SPEC is JSON with the keys of `DEFAULTS`. The last line on
stdout is ``KGPU-ENV-RESULT <nonce> <json>``; everything else goes to stderr. One file, however long: it travels as an
argument.
"""

# ruff: noqa: ANN401 - the frameworks' modules, tensors and models have no common type: they are Any

from __future__ import annotations

import contextlib
import ctypes
import glob
import json
import math
import os
import platform
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MARKER = "KGPU-ENV-RESULT"
DEFAULTS: dict[str, Any] = {
    "nonce": "none",
    "device": "GPU",  # or "CPU"
    "indices": "all",  # or the framework's indices, [0, 1]
    "jit_compile": "auto",  # or the value for Keras' compile()
    "seed": 20,
    "epochs": 6,
    "backend": "tensorflow",  # or "jax", "torch": what Keras runs on
    "parts": ["reference", "product"],  # also "profile", "speed", "libraries"; the host chooses by level
    "minutes": 0,  # how long to soak each device after all else
}
# 10 prototypes drawn from N(0, 1) in 784 dimensions lie about sqrt(2 * 784) = 39.6 apart, and the noise of a
# sample along the line between two of them has deviation 1: the nearest prototype is wrong at 19.8 deviations,
# which never happens. So a model that learns reaches a cross-entropy of nearly 0. The classes are exactly balanced:
# a model that ignores its input cannot get below ln(10). A tenth of that, 0.23, is out of reach without learning,
# and the real training ends well below it (0.02 after 6 epochs).
BOUND = math.log(10) / 10
CLASSES, FEATURES, HIDDEN, SAMPLES, BATCH = 10, 784, 128, 2000, 100
RATE = 0.5
PRODUCT = 512  # rows of the fixed product that CPU and GPU both compute
SHOWN = 64  # values of a result that travel to the judge
SPEED = {"GPU": (4096, 10), "CPU": (1024, 4)}  # rows of a product and how often: about a tenth of a second each
BLOCK = {"GPU": 1024, "CPU": 64}  # MiB that a soak writes and reads back in each round
NODES = ("/dev/nvidia*", "/dev/kfd", "/dev/dri/renderD*", "/dev/dxg")
LIBRARIES = ("libcuda.so.1", "libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5")
# Names of GPU settings only: a broader net, such as all of TF_*, would catch other tools' secrets (TF_VAR_*).
VARIABLES = (
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
    *("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "AMD_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "HSA_OVERRIDE"),
    *("TF_CPP_", "TF_CUDNN_", "TF_ENABLE_", "TF_FORCE_", "TF_GPU_", "TF_MIN_GPU_", "TF_ROCM_", "TF_USE_", "TF_XLA_"),
    *("XLA_FLAGS", "LD_LIBRARY_PATH", "KERAS_BACKEND", "JAX_PLATFORMS"),
)


class Stopped(BaseException):
    """SIGTERM arrived; what was recorded so far is still printed."""


def message(error: BaseException) -> dict[str, str]:
    """Return the type and the text of an exception, cut to what a report can hold."""
    return {"type": type(error).__name__, "text": str(error)[:2000]}


def number(value: Any) -> float | None:
    """Return a float, or None for what JSON cannot hold: NaN and infinity."""
    value = float(value)
    return value if math.isfinite(value) else None


def read(path: str, limit: int | None = 4096) -> str | None:
    """Return the text of a small file, or None when it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")[:limit]
    except OSError:
        return None


def nodes() -> list[dict[str, Any]]:
    """Return the GPU device nodes that are inside, each with the error of opening it."""
    found = []
    for path in sorted(path for pattern in NODES for path in glob.glob(pattern)):  # noqa: PTH207 - absolute patterns, which Path.glob refuses
        error = None
        if not Path(path).is_dir():
            try:
                os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
            except OSError as problem:
                error = problem.strerror
            found.append({"path": path, "error": error})
    return found


def libraries() -> list[dict[str, Any]]:
    """Return which driver libraries can be loaded, and the loader's words for those that cannot."""
    found = []
    for name in LIBRARIES:
        error = None
        try:
            ctypes.CDLL(name)
        except OSError as problem:
            error = str(problem)
        found.append({"name": name, "error": error})
    return found


def mapped() -> list[str]:
    """Return the GPU libraries that this process has mapped now."""
    names = ("libcuda.so", "libamdhip64", "libcudart", "libcublas.so", "libcudnn.so", "libhsa-runtime64", "libdxcore")
    text = read("/proc/self/maps", limit=None) or ""
    paths = {line.split(maxsplit=5)[5] for line in text.splitlines() if len(line.split(maxsplit=5)) == 6}  # noqa: PLR2004 - the columns of proc_pid_maps(5)
    return sorted(path for path in paths if Path(path).name.startswith(names))


def capacity(lib: Any, ordinal: int) -> dict[str, int]:
    """Return what of a CUDA device its peak follows from; empty for a library that is not CUDA's or does not tell.

    The numbers are CUdevice_attribute's (cuda.h), which never change.
    """
    found, value = {}, ctypes.c_int(0)
    for name, number_ in {"clock_khz": 13, "multiprocessors": 16, "major": 75, "minor": 76}.items():
        with contextlib.suppress(AttributeError):
            if lib.cuDeviceGetAttribute(ctypes.byref(value), number_, ordinal) == 0:
                found[name] = value.value
    return found


def driver_devices(library: str, prefix: str) -> list[dict[str, Any]]:
    """Ask the driver library itself for its devices: ordinal, PCI address and UUID.

    The CUDA and the HIP entry points differ in their names only.
    """
    lib = ctypes.CDLL(library)
    if getattr(lib, prefix + "Init")(0) != 0:
        return []
    cuda = prefix == "cu"
    count = ctypes.c_int(0)
    getattr(lib, "cuDeviceGetCount" if cuda else "hipGetDeviceCount")(ctypes.byref(count))
    uuid_of = getattr(lib, "cuDeviceGetUuid_v2", None) or getattr(lib, prefix + "DeviceGetUuid", None)
    found = []
    for ordinal in range(count.value):
        pci, raw = ctypes.create_string_buffer(32), ctypes.create_string_buffer(16)
        pci_known = (
            getattr(lib, prefix + "DeviceGetPCIBusId" if not cuda else "cuDeviceGetPCIBusId")(pci, 32, ordinal) == 0
        )
        uuid_known = uuid_of is not None and uuid_of(raw, ordinal) == 0
        found.append(
            {
                "ordinal": ordinal,
                "pci": pci.value.decode("ascii", "replace") if pci_known else None,
                "uuid": (raw.raw.hex() if cuda else raw.raw.decode("ascii", "replace")) if uuid_known else None,
                "capacity": capacity(lib, ordinal),
            }
        )
    return found


def driver() -> list[dict[str, Any]]:
    """Return the devices of the first driver library that answers."""
    for library in LIBRARIES:
        with contextlib.suppress(OSError, AttributeError):
            found = driver_devices(library, "cu" if library.startswith("libcuda") else "hip")
            if found:
                return found
    return []


def environment() -> dict[str, Any]:
    """Return what the container shows of the GPU before the framework is asked."""
    information = sorted(glob.glob("/proc/driver/nvidia/gpus/*/information"))  # noqa: PTH207 - the same
    return {
        "variables": {key: value for key, value in sorted(os.environ.items()) if key.startswith(VARIABLES)},
        "nodes": nodes(),
        "libraries": libraries(),
        "nvidia_version": read("/proc/driver/nvidia/version"),
        "nvidia_information": [text for text in map(read, information) if text],
        "amdgpu_version": read("/sys/module/amdgpu/version"),
        "uid": os.getuid(),
        "gids": sorted({os.getgid(), *os.getgroups()}),
        "machine": platform.machine(),
    }


def data(np: Any, seed: int) -> tuple[Any, Any]:
    """Return inputs (SAMPLES, FEATURES) and one-hot labels (SAMPLES, CLASSES), float32; see `BOUND`."""
    rng = np.random.default_rng(seed)
    prototypes = rng.standard_normal((CLASSES, FEATURES))
    labels = np.arange(SAMPLES) % CLASSES
    inputs = prototypes[labels] + rng.standard_normal((SAMPLES, FEATURES))
    # Scaled to unit length on average, so that plain gradient descent at RATE is stable.
    scaled = inputs / math.sqrt(2 * FEATURES)
    return scaled.astype("float32"), np.eye(CLASSES, dtype="float32")[labels]


def initial(np: Any, seed: int) -> list[Any]:
    """Return the model's first weights: drawn here, so that every device and backend starts from the same."""
    rng = np.random.default_rng(seed + 1)
    found = []
    for rows, columns in ((FEATURES, HIDDEN), (HIDDEN, CLASSES)):
        limit = math.sqrt(6 / (rows + columns))  # Glorot's bound, Keras' default
        found += [rng.uniform(-limit, limit, (rows, columns)).astype("float32"), np.zeros(columns, "float32")]
    return found


def sequential(keras: Any) -> Any:
    """Return the model that every proof trains: Dense(128, relu) on 784 inputs, Dense(10, softmax)."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((FEATURES,)),
            layers.Dense(HIDDEN, activation="relu"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def batches(arrays: tuple[Any, Any]) -> list[tuple[Any, Any]]:
    """Cut inputs and labels into the batches of an epoch."""
    return [(arrays[0][i : i + BATCH], arrays[1][i : i + BATCH]) for i in range(0, SAMPLES, BATCH)]


def square(np: Any, rows: int) -> Any:
    """Return a matrix (rows, rows), float32, whose powers neither overflow nor vanish.

    A random block of 256 rows, repeated: drawing all of it would take longer than multiplying it.
    """
    block = np.random.default_rng(7).standard_normal((256, 256)).astype("float32") / 16
    times = rows // 256
    return np.tile(block, (times, times)) / np.float32(times)


def difference(np: Any, got: Any, expected: Any) -> float | None:
    """Return the largest difference relative to the largest expected value; None where anything is not finite."""
    if got.shape != expected.shape or not (np.isfinite(got).all() and np.isfinite(expected).all()):
        return None
    return number(np.abs(got - expected).max() / max(float(np.abs(expected).max()), 1e-30))


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a protobuf varint at an offset; return its value and the offset behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at


def fields(data: bytes) -> Any:
    """Yield the (number, bytes) of each length-delimited field of a protobuf message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            _, at = varint(data, at)
        elif kind == 2:  # noqa: PLR2004 - length-delimited
            size, at = varint(data, at)
            yield key >> 3, data[at : at + size]
            at += size
        else:
            at += 8 if kind == 1 else 4


def planes(folder: str) -> dict[str, int]:
    """Return the events per plane of the traces in a folder.

    Read by hand, since the message's module moves between versions: XSpace.planes is field 1; XPlane.name 2 and
    lines 3; XLine.events 4 (openxla xplane.proto).
    """
    found: dict[str, int] = {}
    for path in Path(folder).rglob("*.xplane.pb"):
        for number_, plane in fields(path.read_bytes()):
            if number_ == 1:
                parts = list(fields(plane))
                name = next((part.decode(errors="replace") for key, part in parts if key == 2), "")  # noqa: PLR2004 - see above
                count = sum(key == 4 for one, line in parts if one == 3 for key, _ in fields(line))  # noqa: PLR2004 - see above
                found[name] = found.get(name, 0) + count
    return found


def place(name: str, device: Any, memory: Any = None) -> dict[str, Any]:
    """Return where an operation ran (`device`) and where its result lies (`memory`)."""
    return {"name": name, "device": str(device), "memory": None if memory is None else str(memory)}


def index(name: str) -> int:
    """Return the number in a device's name: "/GPU:1" gives 1."""
    return int(name.rsplit(":", 1)[1])


def rows_of(counts: dict[tuple[str, str, bool], int]) -> list[dict[str, Any]]:
    """Return counted operations as rows, in a stable order."""
    return [
        {"op": op, "device": device, "floating": floating, "count": count}
        for (op, device, floating), count in sorted(counts.items())
    ]


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
        tf = self.tf
        there = tf.constant(matrix)

        def work() -> float:
            result = there
            for _ in range(times):
                result = tf.matmul(there, result)
            return float(result[0, 0])

        return work

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
        tf, np, keras = self.tf, self.np, self.keras
        rng = np.random.default_rng(3)
        matrix, image, series = (draw(rng, *shape) for shape in SHAPES)
        kernel, regular = draw(rng, 3, 3, 4, 8), matrix + 16 * np.eye(64, dtype="float32")
        thin = np.where(np.abs(matrix) > 1, matrix, 0).astype("float32")
        compiled = tf.function(lambda x: tf.nn.relu(tf.matmul(x, x)) + 1.0, jit_compile=True)

        def half() -> Any:
            # Keras 2 takes the policy, not its name.
            policy = keras.mixed_precision.Policy("mixed_float16")
            return tf.cast(layer(keras.layers.Dense(32, dtype=policy), matrix), "float32")

        def sparse() -> Any:
            there = tf.constant(thin)
            csr = tf.raw_ops.DenseToCSRSparseMatrix(dense_input=there, indices=tf.where(tf.not_equal(there, 0.0)))
            return tf.raw_ops.SparseMatrixMatMul(a=csr, b=tf.constant(matrix))

        return {
            "matmul": lambda: tf.matmul(tf.constant(matrix), tf.constant(matrix)),
            "conv2d": lambda: tf.nn.conv2d(tf.constant(image), tf.constant(kernel), 1, "SAME"),
            "conv2d network": lambda: network(keras, image),
            "lstm": lambda: layer(keras.layers.LSTM(16), series),
            "fft": lambda: tf.abs(tf.signal.rfft(tf.constant(matrix))),
            "solver": lambda: tf.linalg.solve(tf.constant(regular), tf.constant(matrix)),
            "sparse": sparse,
            "xla": lambda: compiled(tf.constant(matrix)),
            "mixed precision": half,
        }

    def collective(self, names: list[str]) -> tuple[Any, Any, str]:
        """Return the sum over all devices that NCCL or RCCL made, the expected one, and the strategy's name."""
        tf = self.tf
        ops = tf.distribute.NcclAllReduce()
        strategy = tf.distribute.MirroredStrategy([name.lstrip("/") for name in names], cross_device_ops=ops)

        def work() -> Any:
            context = tf.distribute.get_replica_context()
            own = tf.cast(context.replica_id_in_sync_group, "float32") + 1.0
            return context.all_reduce(tf.distribute.ReduceOp.SUM, own * tf.ones((1024,)))

        result = strategy.experimental_local_results(strategy.run(tf.function(work)))[-1]
        count = len(names)
        return result.numpy(), self.np.full((1024,), count * (count + 1) / 2, "float32"), str(result.device)


SHAPES = ((64, 64), (4, 16, 16, 4), (4, 12, 8))  # of a matrix, of images, of series


def draw(rng: Any, *shape: int) -> Any:
    """Return random float32 numbers."""
    return rng.standard_normal(shape).astype("float32")


def layer(made: Any, inputs: Any) -> Any:
    """Return what a Keras layer answers, with weights that are the same on every device."""
    import numpy as np

    if not made.built:
        made.build(inputs.shape)
    rng = np.random.default_rng(5)
    made.set_weights([(rng.standard_normal(weight.shape) / 8).astype("float32") for weight in made.get_weights()])
    return made(inputs)


def network(keras: Any, images: Any) -> Any:
    """Return the answer of a small Sequential model of convolutions."""
    layers = keras.layers
    stack = [layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(4)]
    return layer(keras.Sequential([keras.Input(images.shape[1:]), *stack]), images)


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


class Keras3:
    """What Keras 3 makes alike on JAX and torch."""

    np: Any
    keras: Any

    def versions(self) -> dict[str, str]:
        """Return the versions of the framework."""
        return {"keras": str(self.keras.__version__)}

    def before_fit(self) -> None:
        """Need nothing: these frameworks place by their default device."""

    def after_fit(self, model: Any, batch: tuple[Any, Any], record: dict[str, Any]) -> None:
        """Leave the operations unrecorded: these frameworks place a whole step at once."""

    def variables(self, model: Any) -> list[Any]:
        """Return the framework's arrays behind a model's weights."""
        return [weight.value for weight in model.trainable_variables]

    def collective(self, names: list[str]) -> tuple[Any, Any, str]:
        """Refuse: only TensorFlow's MirroredStrategy is tried."""
        raise NotImplementedError(f"no collective of {len(names)} devices is tried on this backend")

    def operations(self) -> dict[str, Any]:
        """Return one function for each GPU library, by the name that its row gets."""
        keras, ops, rng = self.keras, self.keras.ops, self.np.random.default_rng(3)
        matrix, image, series = (draw(rng, *shape) for shape in SHAPES)
        kernel, regular = draw(rng, 3, 3, 4, 8), matrix + 16 * self.np.eye(64, dtype="float32")

        def fft() -> Any:
            real, imaginary = ops.rfft(ops.convert_to_tensor(matrix))
            return ops.sqrt(real * real + imaginary * imaginary)

        return {
            "matmul": lambda: ops.matmul(matrix, matrix),
            "conv2d": lambda: ops.conv(ops.convert_to_tensor(image), ops.convert_to_tensor(kernel), 1, "same"),
            "conv2d network": lambda: network(keras, image),
            "lstm": lambda: layer(keras.layers.LSTM(16), series),
            "fft": fft,
            "solver": lambda: ops.solve(ops.convert_to_tensor(regular), ops.convert_to_tensor(matrix)),
            "mixed precision": lambda: ops.cast(
                layer(keras.layers.Dense(32, dtype="mixed_float16"), matrix), "float32"
            ),
        }

    def product(self, matrix: Any) -> Any:
        """Return a function that multiplies a matrix with itself."""
        return lambda: self.keras.ops.matmul(matrix, matrix)

    def powers(self, matrix: Any, times: int) -> Any:
        """Return a function that multiplies `times` times and answers when the device is done."""
        ops = self.keras.ops
        there = ops.convert_to_tensor(matrix)

        def work() -> float:
            result = there
            for _ in range(times):
                result = ops.matmul(there, result)
            return float(result[0, 0])

        return work

    def filled(self, mebibytes: int) -> float:
        """Write rows of 1 MiB, each with its own number, and return the mean of what is read back."""
        ops = self.keras.ops
        rows = ops.reshape(ops.arange(mebibytes, dtype="float32"), (-1, 1))
        return float(ops.mean(ops.mean(ops.tile(rows, (1, 1 << 18)), axis=1)))


class Jax(Keras3):
    """Keras on JAX."""

    def __init__(self) -> None:
        # Without this JAX takes three quarters of a GPU's memory, which others may be using.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        import jax
        import keras
        import numpy as np

        self.np, self.jax, self.keras = np, jax, keras

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
        try:
            return list(self.jax.local_devices(backend=kind.lower()))
        except RuntimeError as error:
            sys.stderr.write(f"jax: {error}\n")
            return []

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
        return place(name, " ".join(sorted(str(device) for device in tensor.devices())))

    def trainer(self, name: str, arrays: tuple[Any, Any], weights: list[Any]) -> JaxTrainer:
        """Return a training that was set up on a device."""
        return JaxTrainer(self, name, arrays, weights)

    def memory(self, name: str) -> dict[str, int] | None:
        """Return current and peak bytes that the framework allocated on a device, None where it does not count."""
        info = self.device(name).memory_stats() or {}
        if "peak_bytes_in_use" not in info:
            return None
        return {"current": int(info.get("bytes_in_use", 0)), "peak": int(info["peak_bytes_in_use"])}

    def run(self, function: Any, name: str) -> tuple[Any, str]:
        """Return the result of a function on a device, as an array, and where it was computed."""
        with self.on(name):
            result = function()
            return self.np.asarray(result), self.place("", result)["device"]

    def profiled(self, work: Any) -> dict[str, int]:
        """Return how many events the profiler saw on each plane while `work` ran."""
        with tempfile.TemporaryDirectory() as folder:
            self.jax.profiler.start_trace(folder)
            try:
                work()
            finally:
                self.jax.profiler.stop_trace()
            return planes(folder)


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
            device = " ".join(sorted(str(one) for one in self.compiled.runtime_executable().local_devices()))
            counts: dict[tuple[str, str, bool], int] = {}
            primitives(kit.jax.make_jaxpr(self.step)(self.weights, *self.batches[0]).jaxpr, device, counts)
            record["ops"] = rows_of(counts)
        except AttributeError as error:
            record["ops_error"] = message(error)


class Torch(Keras3):
    """Keras on torch; ROCm builds call their GPUs cuda too."""

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
        """Compute float32 in full, or as the framework likes."""
        self.torch.set_float32_matmul_precision("highest" if on else "high")
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


KITS: dict[str, Any] = {"tensorflow": TensorFlow, "jax": Jax, "torch": Torch}


def explicit(kit: Any, spec: dict[str, Any], name: str, record: dict[str, Any]) -> None:
    """Train on the device `name`, and nowhere else, into `record`."""
    kit.exact(True)  # noqa: FBT003 - on
    kit.keras.utils.set_random_seed(spec["seed"])
    trainer = kit.trainer(name, data(kit.np, spec["seed"]), initial(kit.np, spec["seed"]))
    begun = time.monotonic()
    for _ in range(spec["epochs"]):
        losses = trainer.losses()
        known = [loss for loss in losses if loss is not None]
        record["losses"].append(sum(known) / len(known) if len(known) == len(losses) else None)
    record["seconds"] = time.monotonic() - begun
    trainer.witness(record)
    record["memory"] = kit.memory(name)


def implicit(kit: Any, spec: dict[str, Any], record: dict[str, Any]) -> None:
    """Train as users write it, compile and fit without a device, into `record`."""
    kit.exact(False)  # noqa: FBT003 - off
    kit.before_fit()
    kit.keras.utils.set_random_seed(spec["seed"])
    inputs, labels = data(kit.np, spec["seed"])
    model = sequential(kit.keras)
    jit = {} if spec["jit_compile"] == "auto" else {"jit_compile": spec["jit_compile"]}
    model.compile(optimizer="adam", loss="categorical_crossentropy", **jit)
    begun = time.monotonic()
    history = model.fit(inputs, labels, epochs=spec["epochs"], batch_size=BATCH, shuffle=False, verbose=0)
    record["seconds"] = time.monotonic() - begun
    record["losses"] = [number(loss) for loss in history.history["loss"]]
    record["weights"] = [
        kit.place(str(getattr(weight, "name", None) or i), weight) for i, weight in enumerate(kit.variables(model))
    ]
    record["tensors"] = [kit.place("output", model(inputs[:BATCH]))]
    kit.after_fit(model, (inputs[:BATCH], labels[:BATCH]), record)


def training(kind: str, device: str, work: Any) -> dict[str, Any]:
    """Run one training and keep whatever it recorded, also when it fails."""
    record: dict[str, Any] = {"kind": kind, "device": device, "losses": [], "seconds": None, "error": None}
    record.update({"weights": [], "tensors": [], "gradients": [], "ops": None, "ops_error": None, "memory": None})
    try:
        work(record)
    except Exception as error:  # noqa: BLE001 - whatever a framework raises is evidence; the judge decides
        record["error"] = message(error)
    return record


def products(kit: Any, names: list[str]) -> list[dict[str, Any]]:
    """Return the same fixed product from every device: some of its values, and how far it is from NumPy's."""
    kit.exact(True)  # noqa: FBT003 - on
    matrix = square(kit.np, PRODUCT)
    expected = matrix.astype("float64") @ matrix.astype("float64")
    found = []
    for name in names:
        row: dict[str, Any] = {"device": name, "place": "", "values": [], "difference": None, "error": None}
        try:
            got, row["place"] = kit.run(kit.product(matrix), name)
            row["values"] = [number(value) for value in got.ravel()[:: PRODUCT * PRODUCT // SHOWN]]
            row["difference"] = difference(kit.np, got.astype("float64"), expected)
        except Exception as error:  # noqa: BLE001 - whatever a framework raises is evidence
            row["error"] = message(error)
        found.append(row)
    return found


def rate(kit: Any, name: str) -> float:
    """Return the floating-point operations per second of a chain of products on a device."""
    rows, times = SPEED["GPU" if "GPU" in name else "CPU"]
    with kit.on(name):
        work = kit.powers(square(kit.np, rows), times)
        work()  # the first call loads, chooses and compiles
        begun = time.monotonic()
        work()
        return 2.0 * rows**3 * times / (time.monotonic() - begun)


def speeds(kit: Any, names: list[str]) -> list[dict[str, Any]]:
    """Return the rate of every device."""
    kit.exact(False)  # noqa: FBT003 - off: as users get it
    found = []
    for name in names:
        row: dict[str, Any] = {"device": name, "flops": None, "error": None}
        try:
            row["flops"] = number(rate(kit, name))
        except Exception as error:  # noqa: BLE001 - whatever a framework raises is evidence
            row["error"] = message(error)
        found.append(row)
    return found


def library_row(name: str, device: str) -> dict[str, Any]:
    """Return a row of the library table in which nothing is known yet."""
    return {"name": name, "device": device, "place": "", "difference": None, "seconds": None, "error": None}


def library_rows(kit: Any, names: list[str]) -> list[dict[str, Any]]:
    """Return what each GPU library computes on each device, against the CPU."""
    kit.exact(True)  # noqa: FBT003 - on
    kit.before_fit()
    found = []
    for name in names:
        for what, function in kit.operations().items():
            row = library_row(what, name)
            try:
                expected, _ = kit.run(function, "/CPU:0")
                kit.run(function, name)  # the first call loads, chooses and compiles
                begun = time.monotonic()
                got, row["place"] = kit.run(function, name)
                row["seconds"] = time.monotonic() - begun
                row["difference"] = difference(kit.np, got, expected)
            except Exception as error:  # noqa: BLE001 - whatever a framework raises is evidence
                row["error"] = message(error)
            found.append(row)
    return found


def collective(kit: Any, names: list[str]) -> dict[str, Any]:
    """Return what all devices together make of a sum."""
    row = library_row("collective", " ".join(names))
    begun = time.monotonic()
    try:
        got, expected, row["place"] = kit.collective(names)
        row["difference"] = difference(kit.np, got, expected)
        row["seconds"] = time.monotonic() - begun
    except Exception as error:  # noqa: BLE001 - whatever a framework raises is evidence
        row["error"] = message(error)
    return row


def soak(kit: Any, name: str, minutes: float) -> dict[str, Any]:
    """Work on a device for some minutes; return rounds, wrong results, and how its rate went."""
    row: dict[str, Any] = {"device": name, "rounds": 0, "wrong": 0, "rates": [], "seconds": 0.0, "error": None}
    begun = time.monotonic()
    size = BLOCK["GPU" if "GPU" in name else "CPU"]
    try:
        first, _ = kit.run(kit.product(square(kit.np, PRODUCT)), name)
        while time.monotonic() - begun < minutes * 60:
            again, _ = kit.run(kit.product(square(kit.np, PRODUCT)), name)
            with kit.on(name):
                filled = kit.filled(size)
            # The mean of 0 .. size - 1 is exact to a few parts in 10 million in float32.
            row["wrong"] += int(not (again == first).all()) + int(abs(filled / ((size - 1) / 2) - 1) > 1e-3)  # noqa: PLR2004 - said above
            row["rates"].append(rate(kit, name))
            row["rounds"] += 1
    except Exception as error:  # noqa: BLE001 - a device that is lost raises anything
        row["error"] = message(error)
    # A long soak has thousands of rounds: the judge needs how it began, its worst and how it ended.
    rates = row["rates"]
    row["rates"] = [rates[0], min(rates), rates[-1]] if rates else []
    row["seconds"] = time.monotonic() - begun
    return row


def profile(kit: Any, spec: dict[str, Any], names: list[str], record: dict[str, Any]) -> None:
    """Record what the framework's profiler sees on the devices during one epoch on each."""
    try:
        arrays, weights = data(kit.np, spec["seed"]), initial(kit.np, spec["seed"])
        trainers = [kit.trainer(name, arrays, weights) for name in names]
        record["planes"] = kit.profiled(lambda: [trainer.losses() for trainer in trainers])
    except Exception as error:  # noqa: BLE001 - a profiler needs rights and libraries that a training does not
        record["planes_error"] = message(error)


def more(kit: Any, spec: dict[str, Any], names: list[str], record: dict[str, Any]) -> None:
    """Do the parts beyond the trainings that the spec asks for."""
    parts = spec["parts"]
    both = list(dict.fromkeys([*names, "/CPU:0"]))
    if "product" in parts:
        record["products"] = products(kit, both)
    if "profile" in parts:
        profile(kit, spec, names, record)
    if "speed" in parts:
        record["speeds"] = speeds(kit, both)
    if "libraries" in parts:
        record["libraries"] = library_rows(kit, names)
        if len(names) > 1:
            record["libraries"].append(collective(kit, names))
    if spec["minutes"]:
        record["soaks"] = [soak(kit, name, spec["minutes"]) for name in names]


def asked(listed: list[dict[str, Any]], spec: dict[str, Any]) -> list[str]:
    """Return the names of the devices to train on, at least one: a missing GPU must fail, not vanish."""
    indices = spec["indices"]
    if indices == "all":
        indices = range(sum(row["type"] == spec["device"] for row in listed) or 1)
    return [f"/{spec['device']}:{one}" for one in indices]


def trainings(kit: Any, spec: dict[str, Any], names: list[str]) -> Any:
    """Yield the trainings: on each device, on the CPU for comparison, and without a device."""
    kinds = [("explicit", name) for name in names]
    if "reference" in spec["parts"] and spec["device"] != "CPU":
        kinds.append(("reference", "/CPU:0"))
    for kind, name in kinds:
        yield training(kind, name, lambda into, name=name: explicit(kit, spec, name, into))
    yield training("implicit", "", lambda into: implicit(kit, spec, into))


def work(spec: dict[str, Any], record: dict[str, Any]) -> None:
    """Fill `record`, in the order of what a reader asks first."""
    record["environment"] = environment()
    record["driver"] = driver() if spec["device"] == "GPU" else []
    # The framework's own words tell why it skipped a GPU: an image must not silence them.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
    os.environ["KERAS_BACKEND"] = spec["backend"]
    begun = time.monotonic()
    try:
        kit = KITS[spec["backend"]]()
    except Exception as error:  # noqa: BLE001 - a broken installation raises anything at import
        record["import_error"] = message(error)
        return
    record["import_seconds"] = time.monotonic() - begun
    record["versions"] = {
        "python": platform.python_version(),
        **kit.versions(),
        "numpy": str(kit.np.__version__),
    }
    record["build"] = kit.build()
    record["listing"] = kit.listing(spec["device"])
    names = asked(record["listing"], spec)
    for one in trainings(kit, spec, names):
        record["trainings"].append(one)
    record["mapped"] = mapped()
    more(kit, spec, names, record)
    try:
        record["devices"] = kit.describe()
    except Exception as error:  # noqa: BLE001 - a description is welcome, its absence is recorded
        record["devices_error"] = message(error)


def stop(*_: object) -> None:
    """Turn SIGTERM into an exception, so that the evidence so far is printed."""
    raise Stopped


def main() -> int:
    """Record and print the one line."""
    result = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Frameworks print to stdout, some from C++: only the result line may arrive there.
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, stop)
    begun = time.monotonic()
    spec = {**DEFAULTS, **(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})}
    record: dict[str, Any] = {"schema": "kgpu-env/evidence/1", "nonce": spec["nonce"], "spec": spec, "bound": BOUND}
    record.update({"trainings": [], "import_error": None, "stopped": False})
    try:
        work(spec, record)
    except Stopped:
        record["stopped"] = True
    record["seconds"] = time.monotonic() - begun
    result.write(f"{MARKER} {spec['nonce']} {json.dumps(record, allow_nan=False)}\n")
    result.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

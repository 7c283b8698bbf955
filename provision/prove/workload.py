"""Train a Keras Sequential model and record where it ran. Recorded, never judged: the judge sits on the host.

Runs inside the container that is to be verified, so it needs nothing but the standard library and TensorFlow:
Python 3.9 to 3.13, TensorFlow 2.10 to 2.22 (Keras 2 and 3). Started as ``python -c SOURCE SPEC`` or
``python workload.py [SPEC]``; SPEC is JSON with the keys of `DEFAULTS`. The last line on stdout is
``KGPU-ENV-RESULT <nonce> <json>``; everything else goes to stderr. One file, however long: it travels as an argument.
"""

# ruff: noqa: ANN401 - TensorFlow ships no types: its modules, tensors and models are Any

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
}
# 10 prototypes drawn from N(0, 1) in 784 dimensions lie about sqrt(2 * 784) = 39.6 apart, and the noise of a
# sample along the line between two of them has deviation 1: the nearest prototype is wrong at 19.8 deviations,
# which never happens. So a model that learns reaches a cross-entropy of nearly 0. The classes are exactly balanced:
# a model that ignores its input cannot get below ln(10). A tenth of that, 0.23, is out of reach without learning,
# and the real training ends well below it (0.02 after 6 epochs).
BOUND = math.log(10) / 10
CLASSES, FEATURES, SAMPLES, BATCH = 10, 784, 2000, 100
RATE = 0.5
NODES = ("/dev/nvidia*", "/dev/kfd", "/dev/dri/renderD*", "/dev/dxg")
LIBRARIES = ("libcuda.so.1", "libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5")
# Names of GPU settings only: a broader net, such as all of TF_*, would catch other tools' secrets (TF_VAR_*).
VARIABLES = (
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
    *("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "AMD_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "HSA_OVERRIDE"),
    *("TF_CPP_", "TF_CUDNN_", "TF_ENABLE_", "TF_FORCE_", "TF_GPU_", "TF_MIN_GPU_", "TF_ROCM_", "TF_USE_", "TF_XLA_"),
    *("XLA_FLAGS", "LD_LIBRARY_PATH", "KERAS_BACKEND"),
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


def sequential(tf: Any) -> Any:
    """Return the model that every proof trains: Dense(128, relu) on 784 inputs, Dense(10, softmax)."""
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            tf.keras.Input((FEATURES,)),
            layers.Dense(128, activation="relu"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def variables(model: Any) -> list[Any]:
    """Return the TensorFlow variables behind a model's weights: Keras 3 wraps them, Keras 2 does not."""
    return [weight if callable(weight.value) else weight.value for weight in model.trainable_variables]


def place(name: str, tensor: Any) -> dict[str, Any]:
    """Return where an operation ran (`device`) and where its result lies (`memory`)."""
    return {
        "name": name,
        "device": str(tensor.device),
        "memory": str(tensor.backing_device) if hasattr(tensor, "backing_device") else None,
    }


def step(tf: Any, model: Any, weights: list[Any], batch: tuple[Any, Any]) -> dict[str, Any]:
    """Take one step of plain gradient descent, by hand, and return its tensors.

    No optimizer: their integer counters would need host kernels, which soft placement off forbids.
    """
    inputs, labels = batch
    with tf.GradientTape() as tape:
        output = model(inputs, training=True)
        loss = -tf.reduce_mean(tf.reduce_sum(labels * tf.math.log(output + 1e-7), axis=-1))
    gradients = tape.gradient(loss, weights)
    for i, weight in enumerate(weights):
        weight.assign_sub(RATE * gradients[i])
    return {"output": output, "loss": loss, "gradients": gradients}


class Trace:
    """Counts every operation that is executed while it is active, by type, device and kind of result."""

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

    def rows(self) -> list[dict[str, Any]]:
        """Return the counts as rows, in a stable order."""
        return [
            {"op": op, "device": device, "floating": floating, "count": count}
            for (op, device, floating), count in sorted(self.counts.items())
        ]


def traced(work: Any) -> tuple[Any, list[dict[str, Any]] | None, dict[str, str] | None]:
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
    return result, trace.rows(), None


def explicit(tf: Any, np: Any, spec: dict[str, Any], name: str, record: dict[str, Any]) -> None:
    """Train on the device `name`, soft placement off, into `record`."""
    tf.config.set_soft_device_placement(False)
    tf.keras.utils.set_random_seed(spec["seed"])
    inputs, labels = data(np, spec["seed"])
    with tf.device(name):
        model = sequential(tf)
        weights = variables(model)
        starts = range(0, SAMPLES, BATCH)
        batches = [(tf.constant(inputs[i : i + BATCH]), tf.constant(labels[i : i + BATCH])) for i in starts]
        begun = time.monotonic()
        for _ in range(spec["epochs"]):
            losses = [number(step(tf, model, weights, batch)["loss"]) for batch in batches]
            known = [loss for loss in losses if loss is not None]
            record["losses"].append(sum(known) / len(known) if len(known) == len(losses) else None)
        record["seconds"] = time.monotonic() - begun
        last, record["ops"], record["ops_error"] = traced(lambda: step(tf, model, weights, batches[0]))
    names = [weight.name for weight in weights]
    record["weights"] = [place(weight.name, weight) for weight in weights]
    record["tensors"] = [place("output", last["output"]), place("loss", last["loss"])]
    record["gradients"] = [place(names[i], gradient) for i, gradient in enumerate(last["gradients"])]
    record["memory"] = memory(tf, name)


def memory(tf: Any, name: str) -> dict[str, int] | None:
    """Return current and peak bytes that the framework allocated on a device, None where it does not count."""
    try:
        info = tf.config.experimental.get_memory_info(name.lstrip("/"))
    except (ValueError, AttributeError, tf.errors.OpError):
        return None
    return {"current": int(info["current"]), "peak": int(info["peak"])}


def partition_ops(context: Any) -> list[dict[str, Any]]:
    """Return the operations of the graphs that ran since run metadata was switched on, as placed."""
    counts: dict[tuple[str, str], int] = {}
    for graph in context.export_run_metadata().partition_graphs:
        for node in graph.node:
            counts[node.op, node.device] = counts.get((node.op, node.device), 0) + 1
    return [
        {"op": op, "device": device, "floating": True, "count": count}
        for (op, device), count in sorted(counts.items())
        if op not in {"_Arg", "_Retval"}
    ]


def implicit(tf: Any, np: Any, spec: dict[str, Any], record: dict[str, Any]) -> None:
    """Train as users write it, compile and fit without a device, into `record`."""
    from tensorflow.python.eager import context

    tf.config.set_soft_device_placement(True)
    tf.keras.utils.set_random_seed(spec["seed"])
    inputs, labels = data(np, spec["seed"])
    model = sequential(tf)
    jit = {} if spec["jit_compile"] == "auto" else {"jit_compile": spec["jit_compile"]}
    model.compile(optimizer="adam", loss="categorical_crossentropy", **jit)
    begun = time.monotonic()
    history = model.fit(inputs, labels, epochs=spec["epochs"], batch_size=BATCH, shuffle=False, verbose=0)
    record["seconds"] = time.monotonic() - begun
    record["losses"] = [number(loss) for loss in history.history["loss"]]
    record["weights"] = [place(weight.name, weight) for weight in variables(model)]
    record["tensors"] = [place("output", model(inputs[:BATCH]))]
    try:
        context.context().enable_run_metadata()
        model.train_on_batch(inputs[:BATCH], labels[:BATCH])
        record["ops"] = partition_ops(context.context())
    except (AttributeError, RuntimeError, tf.errors.OpError) as error:
        record["ops_error"] = message(error)
    finally:
        context.context().disable_run_metadata()


def training(kind: str, device: str, work: Any) -> dict[str, Any]:
    """Run one training and keep whatever it recorded, also when it fails."""
    record: dict[str, Any] = {"kind": kind, "device": device, "losses": [], "seconds": None, "error": None}
    record.update({"weights": [], "tensors": [], "gradients": [], "ops": None, "ops_error": None, "memory": None})
    try:
        work(record)
    except Exception as error:  # noqa: BLE001 - whatever a framework raises is evidence; the judge decides
        record["error"] = message(error)
    return record


def listing(tf: Any, device: str) -> list[dict[str, Any]]:
    """Return the physical devices of the framework; hide the GPUs when the CPU is asked for."""
    found = []
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


def describe(tf: Any) -> list[dict[str, Any]]:
    """Return the logical devices with the framework's physical description, which holds the PCI address."""
    from tensorflow.python.client import device_lib

    options = tf.compat.v1.ConfigProto(gpu_options=tf.compat.v1.GPUOptions(allow_growth=True))
    return [
        {"name": found.name, "type": found.device_type, "text": found.physical_device_desc, "bytes": found.memory_limit}
        for found in device_lib.list_local_devices(options)
    ]


def versions(tf: Any, np: Any) -> dict[str, str]:
    """Return the versions of everything that took part."""
    keras = sys.modules.get("keras") or tf.keras
    return {
        "python": platform.python_version(),
        "tensorflow": str(tf.__version__),
        "keras": str(getattr(keras, "__version__", "")),
        "numpy": str(np.__version__),
    }


def asked(tf: Any, spec: dict[str, Any]) -> list[str]:
    """Return the names of the devices to train on, at least one: a missing GPU must fail, not vanish."""
    indices = spec["indices"]
    if indices == "all":
        indices = range(len(tf.config.list_physical_devices(spec["device"])) or 1)
    return [f"/{spec['device']}:{index}" for index in indices]


def work(spec: dict[str, Any], record: dict[str, Any]) -> None:
    """Fill `record`, in the order of what a reader asks first."""
    record["environment"] = environment()
    record["driver"] = driver() if spec["device"] == "GPU" else []
    # The framework's own words tell why it skipped a GPU: an image must not silence them.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    begun = time.monotonic()
    try:
        import numpy as np
        import tensorflow as tf
    except Exception as error:  # noqa: BLE001 - a broken installation raises anything at import
        record["import_error"] = message(error)
        return
    record["import_seconds"] = time.monotonic() - begun
    record["versions"] = versions(tf, np)
    record["build"] = {key: str(value) for key, value in tf.sysconfig.get_build_info().items()}
    record["listing"] = listing(tf, spec["device"])
    for name in asked(tf, spec):
        record["trainings"].append(
            training("explicit", name, lambda into, name=name: explicit(tf, np, spec, name, into))
        )
    record["trainings"].append(training("implicit", "", lambda into: implicit(tf, np, spec, into)))
    record["mapped"] = mapped()
    try:
        record["devices"] = describe(tf)
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

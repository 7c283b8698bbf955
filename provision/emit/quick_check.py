"""Trains a small Keras model for a second, and tells on which device it did.

Exit 0: it trained on what was expected, and learned. Exit 1: it did not, and the one line on stdout says why.
It runs in the container with the standard library, Keras and its framework; `kgpu-env verify` is the thorough proof.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

STAMP = Path(tempfile.gettempdir(), "kgpu-env-checked")
NODES = ("nvidia[0-9]*", "kfd", "dri/renderD*", "dxg")  # below /dev
LEARNED = 0.9  # the last loss against the first


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expect", choices=("gpu", "cpu", "any"), default="any")
    parser.add_argument("--jit", choices=("auto", "true", "false"), default="auto")
    parser.add_argument("--once", action="store_true", help="after a success only open the GPU's device nodes")
    options = parser.parse_args()
    closed = [str(node) for pattern in NODES for node in sorted(Path("/dev").glob(pattern)) if not opens(node)]
    if closed and options.expect == "gpu":
        say(f"FAILED: the GPU's device nodes may not be opened: {', '.join(closed)}")
        return 1
    if options.once and STAMP.exists():
        say("checked before; the device nodes open")
        return 0
    code = train(options.expect, "auto" if options.jit == "auto" else options.jit == "true")
    if code == 0 and options.once:
        STAMP.touch()
    return code


def say(text: str) -> None:
    """Print the one line of the result."""
    sys.stdout.write(f"{text}\n")


def opens(node: Path) -> bool:
    """Tell whether this process may use a device node."""
    try:
        os.close(os.open(node, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def train(expected: str, jit: "bool | str") -> int:
    """Train as a user would, where the framework puts it by itself, and judge that."""
    keras, framework, gpus = BACKENDS[os.environ.get("KERAS_BACKEND", "tensorflow")](expected)
    if expected == "gpu" and not gpus:
        say(f"FAILED: {framework.split()[0]} sees no GPU in this container; kgpu-env doctor tells why on the host")
        return 1
    losses, kind = fit(keras, jit)
    words = f"trained on the {kind}, loss {losses[0]:.2f} -> {losses[-1]:.2f}, {framework}"
    if losses[-1] > LEARNED * losses[0]:
        say(f"FAILED: {words}: it did not learn")
        return 1
    if expected == "gpu" and kind != "GPU":
        say(f"FAILED: {words}: the GPU was expected")
        return 1
    say(words if gpus or expected == "cpu" else f"{words}: no GPU is visible here, and none was used")
    return 0


def fit(keras: Any, jit: "bool | str") -> "tuple[list[float], str]":  # noqa: ANN401 - a module, of one of two packages
    """Return the losses of a short training, and the kind of device that the weights are on."""
    import numpy as np  # noqa: PLC0415 - every backend brings it

    layers = keras.layers
    keras.utils.set_random_seed(20)
    stack = [layers.Input((784,)), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")]
    model = keras.Sequential(stack)
    # Keras 2 knows no "auto".
    model.compile("adam", "categorical_crossentropy", **({} if jit == "auto" else {"jit_compile": jit}))
    draw = np.random.default_rng(20)
    labels = draw.integers(10, size=512)
    data = (draw.standard_normal((512, 784)) + labels[:, None] / 5).astype("float32")
    targets = np.eye(10, dtype="float32")[labels]
    losses = model.fit(data, targets, epochs=4, verbose=0).history["loss"]
    variable = model.trainable_variables[0]
    # Keras 3 wraps the framework's variable; in Keras 2 it is TensorFlow's, and `value` a method.
    value = variable if callable(variable.value) else variable.value
    # An array of JAX names a set of devices: cuda:0, rocm:0. Keras 2's name has the job before the device.
    where = str(value.devices() if hasattr(value, "devices") else value.device).lower()
    return losses, "GPU" if any(word in where for word in ("gpu", "cuda", "rocm")) else "CPU"


def with_tensorflow(expected: str) -> tuple[Any, str, int]:
    """Return Keras, the framework's name and version, and how many GPUs it sees."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # beside other work on the same GPU
    import tensorflow as tf  # noqa: PLC0415 - reads the settings above

    gpus = tf.config.list_physical_devices("GPU")
    if expected == "cpu":
        tf.config.set_visible_devices([], "GPU")
    return tf.keras, f"TensorFlow {tf.__version__}", len(gpus)


def with_jax(expected: str) -> tuple[Any, str, int]:
    """Return the same of JAX."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # beside other work on the same GPU
    if expected == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"
    import jax  # noqa: PLC0415 - reads the settings above
    import keras  # noqa: PLC0415 - the same

    return keras, f"JAX {jax.__version__}", sum(device.platform != "cpu" for device in jax.devices())


def with_torch(expected: str) -> tuple[Any, str, int]:
    """Return the same of torch."""
    if expected == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ["HIP_VISIBLE_DEVICES"] = ""
    import keras  # noqa: PLC0415 - reads the settings above
    import torch  # noqa: PLC0415 - the same

    return keras, f"torch {torch.__version__}", torch.cuda.device_count() if torch.cuda.is_available() else 0


BACKENDS = {"tensorflow": with_tensorflow, "jax": with_jax, "torch": with_torch}


if __name__ == "__main__":
    sys.exit(main())

"""Trains a small Keras model for a second, and tells on which device it did.

Exit 0: it trained on what was expected, and learned. Exit 1: it did not, and the one line on stdout says why.
It runs in the container with the standard library and TensorFlow alone; `kgpu-env verify` is the thorough proof.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

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
    """Train as a user would, where TensorFlow puts it by itself, and judge that."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # beside other work on the same GPU
    import tensorflow as tf  # noqa: PLC0415 - reads the settings above

    gpus = tf.config.list_physical_devices("GPU")
    if expected == "gpu" and not gpus:
        say("FAILED: TensorFlow sees no GPU in this container; kgpu-env doctor tells why on the host")
        return 1
    if expected == "cpu":
        tf.config.set_visible_devices([], "GPU")
    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(20)
    stack = [layers.Input((784,)), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")]
    model = tf.keras.Sequential(stack)
    # Keras 2 knows no "auto".
    model.compile("adam", "categorical_crossentropy", **({} if jit == "auto" else {"jit_compile": jit}))
    labels = tf.random.uniform((512,), maxval=10, dtype=tf.int32, seed=20)
    data = tf.random.normal((512, 784), seed=20) + tf.cast(labels, tf.float32)[:, None] / 5
    losses = model.fit(data, tf.one_hot(labels, 10), epochs=4, verbose=0).history["loss"]
    variable = model.trainable_variables[0]
    # Keras 3 wraps TensorFlow's variable; in Keras 2 it is one, and `value` a method.
    where = str(variable.device if callable(variable.value) else variable.value.device)
    kind = "GPU" if "GPU" in where else "CPU"
    words = f"trained on the {kind}, loss {losses[0]:.2f} -> {losses[-1]:.2f}, TensorFlow {tf.__version__}"
    if losses[-1] > LEARNED * losses[0]:
        say(f"FAILED: {words}: it did not learn")
        return 1
    if expected == "gpu" and kind != "GPU":
        say(f"FAILED: {words}: the GPU was expected")
        return 1
    say(words if gpus or expected == "cpu" else f"{words}: no GPU is visible here, and none was used")
    return 0


if __name__ == "__main__":
    sys.exit(main())

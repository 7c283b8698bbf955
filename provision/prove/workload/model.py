"""The data that can be learned, the model that learns it, and the product that every device computes."""

from __future__ import annotations

import math
from typing import Any

from .record import number

# 10 prototypes drawn from N(0, 1) in 784 dimensions lie about sqrt(2 * 784) = 39.6 apart, and the noise of a
# sample along the line between two of them has deviation 1: the nearest prototype is wrong at 19.8 deviations,
# which never happens. So a model that learns reaches a cross-entropy of nearly 0. The classes are exactly balanced:
# a model that ignores its input cannot get below ln(10). A tenth of that, 0.23, is out of reach without learning,
# and the real training ends well below it (0.02 after 6 epochs).
BOUND = math.log(10) / 10
CLASSES, FEATURES, HIDDEN, SAMPLES, BATCH = 10, 784, 128, 2000, 100
RATE = 0.5


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


def chain(multiply: Any, matrix: Any, times: int) -> Any:
    """Return a function that multiplies by a matrix `times` times and answers when the device is done."""

    def work() -> float:
        result = matrix
        for _ in range(times):
            result = multiply(matrix, result)
        return float(result[0, 0])

    return work


def difference(np: Any, got: Any, expected: Any) -> float | None:
    """Return the largest difference relative to the largest expected value; None where anything is not finite."""
    if got.shape != expected.shape or not (np.isfinite(got).all() and np.isfinite(expected).all()):
        return None
    return number(np.abs(got - expected).max() / max(float(np.abs(expected).max()), 1e-30))

"""What the rows of the library table are computed from: the same numbers and the same layers on every device."""

from __future__ import annotations

from typing import Any, NamedTuple


class Inputs(NamedTuple):
    """Arrays in float32, of NumPy."""

    matrix: Any  # (64, 64)
    regular: Any  # the same, far from singular
    thin: Any  # the same with about a third of its values, the rest 0
    images: Any  # (4, 16, 16, 4)
    kernel: Any  # (3, 3, 4, 8)
    series: Any  # (4, 12, 8)


def inputs(np: Any) -> Inputs:
    """Return random arrays, the same each time."""
    rng = np.random.default_rng(3)
    matrix, images, series, kernel = (
        rng.standard_normal(shape).astype("float32") for shape in ((64, 64), (4, 16, 16, 4), (4, 12, 8), (3, 3, 4, 8))
    )
    regular = matrix + 16 * np.eye(64, dtype="float32")
    thin = np.where(np.abs(matrix) > 1, matrix, 0).astype("float32")
    return Inputs(matrix, regular, thin, images, kernel, series)


def layer(made: Any, values: Any) -> Any:
    """Return what a Keras layer answers, with weights that are the same on every device."""
    import numpy as np

    if not made.built:
        made.build(values.shape)
    rng = np.random.default_rng(5)
    made.set_weights([(rng.standard_normal(weight.shape) / 8).astype("float32") for weight in made.get_weights()])
    return made(values)


def network(keras: Any, images: Any) -> Any:
    """Return the answer of a small Sequential model of convolutions."""
    layers = keras.layers
    stack = [layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(4)]
    return layer(keras.Sequential([keras.Input(images.shape[1:]), *stack]), images)


def ranks(np: Any, count: int) -> tuple[Any, Any]:
    """Return what each of `count` devices adds, (count, 1024), and the sum that each of them then has, (1024,)."""
    own = np.arange(1, count + 1, dtype="float32")[:, None] * np.ones((1, 1024), "float32")
    return own, own.sum(axis=0)

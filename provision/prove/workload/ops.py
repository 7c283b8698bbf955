"""What the library rows are computed from, and layers that are the same on every device."""

from __future__ import annotations

from typing import Any

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

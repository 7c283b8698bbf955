"""The rows of the library table that Keras 3 makes alike on JAX and torch."""

from __future__ import annotations

from typing import Any

from .rows import inputs, layer, network


def operations(kit: Any) -> dict[str, Any]:
    """Return one function for each GPU library, by the name that its row gets."""
    keras, ops, given = kit.keras, kit.keras.ops, inputs(kit.np)
    tensor = ops.convert_to_tensor

    def fft() -> Any:
        real, imaginary = ops.rfft(tensor(given.matrix))
        return ops.sqrt(real * real + imaginary * imaginary)

    def half() -> Any:
        return ops.cast(layer(keras.layers.Dense(32, dtype="mixed_float16"), given.matrix), "float32")

    return {
        "matmul": lambda: ops.matmul(tensor(given.matrix), tensor(given.matrix)),
        "conv2d": lambda: ops.conv(tensor(given.images), tensor(given.kernel), 1, "same"),
        "conv2d network": lambda: network(keras, given.images),
        "lstm": lambda: layer(keras.layers.LSTM(16), given.series),
        "fft": fft,
        "solver": lambda: ops.solve(tensor(given.regular), tensor(given.matrix)),
        "mixed precision": half,
    }

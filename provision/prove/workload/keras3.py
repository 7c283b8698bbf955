"""What Keras 3 makes alike on JAX and torch."""

from __future__ import annotations

from typing import Any, ClassVar

from .library_inputs import inputs, layer, network
from .model import chain


class Keras3:
    """What Keras 3 makes alike on JAX and torch."""

    np: Any
    keras: Any
    not_asked: ClassVar[dict[str, str]] = {}  # rows of the library table that it cannot have, with the reason

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

    def product(self, matrix: Any) -> Any:
        """Return a function that multiplies a matrix with itself."""
        return lambda: self.keras.ops.matmul(matrix, matrix)

    def powers(self, matrix: Any, times: int) -> Any:
        """Return a function that multiplies `times` times and answers when the device is done."""
        ops = self.keras.ops
        return chain(ops.matmul, ops.convert_to_tensor(matrix), times)

    def filled(self, mebibytes: int) -> float:
        """Write rows of 1 MiB, each with its own number, and return the mean of what is read back."""
        ops = self.keras.ops
        rows = ops.reshape(ops.arange(mebibytes, dtype="float32"), (-1, 1))
        return float(ops.mean(ops.mean(ops.tile(rows, (1, 1 << 18)), axis=1)))

    def operations(self) -> dict[str, Any]:
        """Return one function for each GPU library, by the name that its row gets."""
        keras, ops, given = self.keras, self.keras.ops, inputs(self.np)
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

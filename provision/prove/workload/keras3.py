"""What Keras 3 makes alike on JAX and torch."""

from __future__ import annotations

from typing import Any

from .ops import SHAPES, draw, layer, network


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

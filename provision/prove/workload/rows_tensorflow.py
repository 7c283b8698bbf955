"""The library table on TensorFlow."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from .rows import inputs, layer, network, ranks

if TYPE_CHECKING:
    from .kit_tensorflow import TensorFlow


def operations(kit: TensorFlow) -> dict[str, Any]:
    """Return one function for each GPU library, by the name that its row gets."""
    tf, keras, given = kit.tf, kit.keras, inputs(kit.np)
    compiled = tf.function(lambda x: tf.nn.relu(tf.matmul(x, x)) + 1.0, jit_compile=True, autograph=False)

    def half() -> Any:
        # Keras 2 takes the policy, not its name.
        policy = keras.mixed_precision.Policy("mixed_float16")
        return tf.cast(layer(keras.layers.Dense(32, dtype=policy), given.matrix), "float32")

    def lstm() -> Any:
        # Keras 3 takes cuDNN wherever TensorFlow lists a GPU, also for the result that the CPU is to compute.
        here = "CPU" in tf.constant(0.0).device
        plain = here and "use_cudnn" in inspect.signature(keras.layers.LSTM.__init__).parameters
        return layer(keras.layers.LSTM(16, **({"use_cudnn": False} if plain else {})), given.series)

    def sparse() -> Any:
        there = tf.constant(given.thin)
        csr = tf.raw_ops.DenseToCSRSparseMatrix(dense_input=there, indices=tf.where(tf.not_equal(there, 0.0)))
        return tf.raw_ops.SparseMatrixMatMul(a=csr, b=tf.constant(given.matrix))

    return {
        "matmul": lambda: tf.matmul(tf.constant(given.matrix), tf.constant(given.matrix)),
        "conv2d": lambda: tf.nn.conv2d(tf.constant(given.images), tf.constant(given.kernel), 1, "SAME"),
        "conv2d network": lambda: network(keras, given.images),
        "lstm": lstm,
        "fft": lambda: tf.abs(tf.signal.rfft(tf.constant(given.matrix))),
        "solver": lambda: tf.linalg.solve(tf.constant(given.regular), tf.constant(given.matrix)),
        "sparse": sparse,
        "xla": lambda: compiled(tf.constant(given.matrix)),
        "mixed precision": half,
    }


def collective(kit: TensorFlow, names: list[str]) -> tuple[Any, Any, str]:
    """Return the last device's sum over all, which NCCL or RCCL made, the expected one, and its place."""
    tf, (_, expected) = kit.tf, ranks(kit.np, len(names))
    ops = tf.distribute.NcclAllReduce()
    strategy = tf.distribute.MirroredStrategy([name.lstrip("/") for name in names], cross_device_ops=ops)

    def work() -> Any:
        context = tf.distribute.get_replica_context()
        own = tf.cast(context.replica_id_in_sync_group, "float32") + 1.0
        return context.all_reduce(tf.distribute.ReduceOp.SUM, own * tf.ones(expected.shape))

    result = strategy.experimental_local_results(strategy.run(tf.function(work, autograph=False)))[-1]
    return result.numpy(), expected, str(result.device)

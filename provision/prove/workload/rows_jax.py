"""The library table on JAX: the rows of Keras 3, and those that JAX has its own words for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import rows_keras3
from .rows import inputs, ranks

if TYPE_CHECKING:
    from .kit_jax import Jax


def operations(kit: Jax) -> dict[str, Any]:
    """Return one function for each GPU library, by the name that its row gets."""
    jax, given = kit.jax, inputs(kit.np)

    def xla() -> Any:
        # All of JAX runs through XLA, operation by operation; this is one fused program.
        return jax.jit(lambda x: jax.nn.relu(x @ x) + 1.0)(jax.numpy.asarray(given.matrix))

    return {**rows_keras3.operations(kit), "sparse": lambda: sparse(kit, given.thin, given.matrix), "xla": xla}


def sparse(kit: Jax, thin: Any, matrix: Any) -> Any:
    """Return the product of a sparse and a dense matrix.

    On a GPU JAX multiplies sparse matrices by gathering and adding unless cuSPARSE is asked for (see `Jax`), and falls
    back to that with a warning at most: so the program says whether it calls the library.

    Raises:
        RuntimeError: on a GPU, the program does without the library.
    """
    from jax.experimental.sparse import BCOO

    jax = kit.jax
    given = BCOO.fromdense(jax.numpy.asarray(thin)), jax.numpy.asarray(matrix)
    program = jax.jit(lambda left, right: left @ right).lower(*given)
    if next(iter(given[1].devices())).platform != "cpu" and "sparse_coo" not in program.as_text():
        raise RuntimeError("JAX multiplies sparse matrices without the GPU's library")
    return program.compile()(*given)


def collective(kit: Jax, names: list[str]) -> tuple[Any, Any, str]:
    """Return the last device's sum over all, which NCCL or RCCL made, the expected one, and its place."""
    jax, (own, expected) = kit.jax, ranks(kit.np, len(names))
    devices = [kit.device(name) for name in names]
    total = jax.pmap(lambda one: jax.lax.psum(one, "all"), axis_name="all", devices=devices)(own)
    last = next(shard.data for shard in total.addressable_shards if devices[-1] in shard.data.devices())
    return kit.np.asarray(last).ravel(), expected, kit.place("", last)["device"]

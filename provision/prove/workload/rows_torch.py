"""The library table on torch: the rows of Keras 3, and those that torch has its own words for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import rows_keras3
from .rows import inputs, ranks

if TYPE_CHECKING:
    from .kit_torch import Torch


def operations(kit: Torch) -> dict[str, Any]:
    """Return one function for each GPU library, by the name that its row gets."""
    given, tensor = inputs(kit.np), kit.keras.ops.convert_to_tensor

    def sparse() -> Any:
        return tensor(given.thin).to_sparse_csr() @ tensor(given.matrix)

    return {**rows_keras3.operations(kit), "sparse": sparse}


def collective(kit: Torch, names: list[str]) -> tuple[Any, Any, str]:
    """Return the last device's sum over all, which NCCL or RCCL made, the expected one, and its place.

    In one process: what torch.distributed does with the same library takes a process for each device.
    """
    torch, (own, expected) = kit.torch, ranks(kit.np, len(names))
    there = [torch.tensor(own[i], device=kit.device(name)) for i, name in enumerate(names)]
    torch.cuda.nccl.all_reduce(there)  # in place
    return there[-1].cpu().numpy(), expected, str(there[-1].device)

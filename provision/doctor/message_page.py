"""A known message in full: what it is recognised by, how it looks, its causes and fixes, its source."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from provision.catalogue.messages import Condition, KnownError, When
from provision.model.complete import complete

ONLY_A_PERSON: Final = "what only a person can see"
# What a condition asks for: of a flag the words for yes and for no, of others a template.
_WORDS: Final[Mapping[str, str | tuple[str, str]]] = {
    "vendor": "on a {} host",
    "wsl": ("on WSL2", "not on WSL2"),
    "architecture": "on {}",
    "kernel_below": "with a kernel before {}",
    "guest": "in a guest ({})",
    "finding": "where the probe finds {}",
    "gpu_on_bus": ("with a GPU on the bus", "without a GPU on the bus"),
    "gpu_held_by": "where {} holds the GPU",
    "geforce": ("with a GeForce", "without a GeForce"),
    "laptop": ("on a laptop", "not on a laptop"),
    "sxm": ("with SXM GPUs", "without SXM GPUs"),
    "pcie": ("with PCIe cards", "without PCIe cards"),
    "nvswitch": ("with NVSwitch", "without NVSwitch"),
    "nvlink5": ("with B200, B300 and the like", "with GPUs before B200"),
    "vgpu": ("with a vGPU", "without a vGPU"),
    "mig": ("with MIG on", "with MIG off"),
    "partitioned": ("with a partitioned GPU", "with whole GPUs"),
    "integrated_and_discrete": ("with an integrated GPU beside a card", "without such a pair of GPUs"),
    "cc_below": "with a GPU of a compute capability below {}",
    "cc_at_least": "with a GPU of compute capability {} or newer",
    "gfx_in": "with {}",
    "module_loaded": ("where the kernel module is loaded", "where the kernel module is not loaded"),
    "module_flavour": "with the {} kernel module",
    "release_at_least": "with driver release {} or newer",
    "engine": "with {}",
    "engine_below": "before version {} of it",
    "engine_kind": "with an engine of the kind {}",
    "rootless": ("with a rootless engine", "with an engine that runs as root"),
    "toolkit": ("with the container toolkit installed", "without the container toolkit"),
    "cdi_spec": "with CDI specification: {}",
    "node_missing": "without {}",
    "device_inside": ("with the GPU's nodes inside", "without the GPU's nodes inside"),
    "hidden": ("where a variable hides every GPU", "where no variable hides the GPUs"),
    "variable": "with {} set",
    "variable_empty": "with {} set and empty",
    "capabilities": "with NVIDIA_DRIVER_CAPABILITIES {}",
    "tensorflow_below": "with TensorFlow before {}",
    "tensorflow_at_least": "with TensorFlow {} or newer",
}
complete("_WORDS", _WORDS, When.__struct_fields__)


def asked(when: When | None) -> str:
    """Return in words what a condition asks for."""
    if when is None:
        return ONLY_A_PERSON
    values = {name: value for name, value in msgspec.structs.asdict(when).items() if value not in (None, ())}
    return ", ".join(_asked(_WORDS[name], value) for name, value in values.items())


def _asked(words: str | tuple[str, str], value: Any) -> str:  # noqa: ANN401 - of the field's own type
    if isinstance(words, tuple):
        return words[0] if value else words[1]
    return words.format(" or ".join(value) if isinstance(value, tuple) else value)


def parts(row: KnownError) -> Iterator[tuple[str, str]]:
    """Yield what there is to say of a message, part by part, with the name of each part."""
    yield "looks", row.examples[0] if row.examples else row.match
    yield from (("or", line) for line in row.examples[1:])
    yield "speaker", row.speaker
    yield "severity", row.severity
    yield "cause", row.cause
    yield "fix", row.fix
    for one in row.conditions:
        yield from _case(one)
    yield "check", row.check
    yield "match", row.match
    yield "source", row.source
    yield "sure", f"{row.confidence}, checked {row.checked}" + (f": {row.note}" if row.note else "")


def _case(one: Condition) -> Iterator[tuple[str, str]]:
    yield "where", asked(one.when)
    yield "cause", one.cause
    yield "fix", one.fix


def lines(row: KnownError) -> list[str]:
    """Return a message's page for a terminal."""
    return [row.id, *(f"  {name:<9} {text}" for name, text in parts(row) if text)]

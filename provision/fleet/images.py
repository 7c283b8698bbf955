"""What makes two stacks the same image, and one stack for all the nodes that get it."""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from provision.model import Stack, StackWarning
from provision.model.fleet import FleetImage

# A ROCm wheel names its GPUs by extras: "rocm[libraries,device-gfx90a,device-gfx942]==7.14.1".
_DEVICES: Final = re.compile(r"device-gfx\w+(?:,device-gfx\w+)*")
_DEVICE: Final = re.compile(r"device-gfx\w+")
# Of a stack what is told of one host, or follows from its GPUs: two hosts may share an image that differs in these.
_OF_HOST: Final = {"schema", "settings", "gpus", "warnings", "rejected", "upgrades", "why", "summary"}


def digest_of(stack: Stack, machine: str) -> str:
    """Return the digest of what an image of `stack` has in it, for a processor; GPUs do not count.

    Two stacks with the same digest can share the image that `joined` gives.
    """
    content = {name: value for name, value in msgspec.to_builtins(stack).items() if name not in _OF_HOST}
    content["packages"] = [_DEVICES.sub("device-", package) for package in stack.packages]
    content["env"] = sorted(stack.settings.env.items())
    content["machine"] = machine
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def id_of(tag: str) -> str:
    """Return an image's id: its tag without the repository's folder."""
    return tag.rpartition("/")[2].replace(":", "-")


def ids_of(image: FleetImage) -> tuple[str, ...]:
    """Return what engines may call an image that was built: each is a digest of all that is in it.

    With containerd's image store, the default of Docker 29, that is its manifest's, of which a registry's has packed
    layers and a bundle's has none; else its configuration's.
    """
    digest = image.reference.rpartition("@")[2]
    return tuple(dict.fromkeys(one for one in (image.image_id, *image.ids, digest) if one))


def joined(stacks: Sequence[Stack]) -> Stack:
    """Return the stack that serves all GPUs which stacks of one digest serve.

    Args:
        stacks: at least one; the first one's words are kept.
    """
    first = stacks[0]
    every = sorted({one for stack in stacks for text in stack.packages for one in _DEVICE.findall(text)})
    devices = ",".join(every)
    off = any(stack.settings.jit_compile is False for stack in stacks)
    warnings: dict[StackWarning, None] = dict.fromkeys(one for stack in stacks for one in stack.warnings)
    return replace(
        first,
        packages=tuple(_DEVICES.sub(devices, package) for package in first.packages),
        settings=replace(first.settings, jit_compile=False if off else first.settings.jit_compile),
        gpus=tuple(sorted({gpu for stack in stacks for gpu in stack.gpus})),
        warnings=tuple(warnings),
        rejected=(),
        upgrades=(),
        why="",
    )

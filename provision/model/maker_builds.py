"""How a maker publishes builds that list their GPUs, in place of code for compute capabilities."""

from typing import NamedTuple


class MakerBuilds(NamedTuple):
    """What resolving knows of a maker beside its facts: `images/<maker>.yaml` and `images/<maker>_devices.yaml`.

    The rows there are those of `TargetFacts` and `TargetChip` in `provision.catalogue`; a release of the runtime is
    called by the vendor's name in them: `rocm: "7.2"`.
    """

    machines: tuple[str, ...]  # processors that the images and wheels are for
    wsl_unknown: tuple[str, str]  # why WSL2 may not tell the architecture, and the next step
    partitions: tuple[str, str]  # the first release of the runtime that sees the partitions of a GPU, and the source
    wheel_folders: tuple[str, ...]  # of site-packages, with libraries of the runtime that the loader does not find

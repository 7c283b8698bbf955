"""Building with progress on stderr, for `build` and `up`."""

import os
from typing import TYPE_CHECKING

from provision.cli.output import say
from provision.cli.session import Plan
from provision.model import BuildResult

if TYPE_CHECKING:
    from provision.engine.protocol import Engine


def build_plan(
    connected: "Engine", found: Plan, *, push: bool = False, locked: dict[str, bytes] | None = None
) -> BuildResult:
    """Build what was planned, with progress on stderr."""
    from provision.build import BuildOrder, build_image
    from provision.cli.progress import Progress
    from provision.engine.network import build_network

    network = build_network(found.settings.network, os.environ)
    for name in dict.fromkeys(network.left_out):
        say(f"note      {name}, which a build cannot reach, is left out")
    order = BuildOrder(
        stack=found.stack,
        request=found.request,
        network=network,
        registries=found.settings.network.registries,
        tag=found.settings.tag,
        push=push,
        locked=locked or {},
    )
    progress = Progress()
    try:
        result = build_image(connected, found.catalogue, order, lambda text: say(f"base      {text}"), progress)
    finally:
        progress.close()
    say(f"Build     {summary(result)}")
    return result


def summary(result: BuildResult) -> str:
    """Return a build in one line."""
    cached = f"cached: {result.steps_cached} of {result.steps_total} steps"
    return f"{result.tag}  {result.size_bytes / 1e9:.2f} GB  {result.seconds:.1f} s  ({cached})"

"""Building with progress on stderr, for `build` and `up`."""

from typing import TYPE_CHECKING

from provision import library
from provision.cli.output import say
from provision.cli.session import Plan
from provision.model import BuildResult

if TYPE_CHECKING:
    from provision.engine.protocol import Engine


def build_plan(
    found: Plan, *, push: bool = False, locked: dict[str, bytes] | None = None, engine: "Engine | None" = None
) -> BuildResult:
    """Build what was planned, with progress on stderr."""
    from provision.cli.progress import Progress

    progress = Progress()
    try:
        result = library.build(
            found.stack,
            found.request,
            tag=found.settings.tag,
            network=found.settings.network,
            push=push,
            locked=locked,
            engine=engine,
            catalogue=found.catalogue,
            say=lambda text: say(f"Build     {text}"),
            on_step=progress,
        )
    finally:
        progress.close()
    say(f"Build     {summary(result)}")
    return result


def summary(result: BuildResult) -> str:
    """Return a build in one line."""
    cached = f"cached: {result.steps_cached} of {result.steps_total} steps"
    return f"{result.tag}  {result.size_bytes / 1e9:.2f} GB  {result.seconds:.1f} s  ({cached})"

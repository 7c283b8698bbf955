"""Builds a stack's image: base, plan, BuildKit, tag, push."""

import time
from collections.abc import Callable

import msgspec

from provision.catalogue import Catalogue
from provision.engine.base_image import provide_base
from provision.engine.describe import need_buildkit
from provision.engine.network import BuildNetwork
from provision.engine.protocol import BuildStep, Context, Engine
from provision.model import BuildResult, Pin, Request, Stack
from provision.model.base import Value
from provision.render import render


class BuildOrder(Value):
    """What is to be built, and where it goes."""

    stack: Stack
    request: Request
    network: BuildNetwork = msgspec.field(default_factory=BuildNetwork)
    registries: dict[str, str] = msgspec.field(default_factory=dict)
    tag: str | None = None  # None: the tag that tells the stack
    push: bool = False
    pins: tuple[Pin, ...] | None = None  # as of BuildOptions


def build_stack_image(
    engine: Engine,
    catalogue: Catalogue,
    order: BuildOrder,
    say: Callable[[str], None],
    on_step: Callable[[BuildStep], None],
) -> BuildResult:
    """Build, tag and, if asked, push an image. An unchanged plan is found in BuildKit's cache, step by step.

    Raises:
        BuildError: the base is not to be had, a step failed, or the registry refused the push. No tag is
            left behind, and an older image keeps its tag.
        EngineError: KGE-303, the engine has no BuildKit.
    """
    begun = time.monotonic()
    need_buildkit(engine.describe())  # before a base is fetched or made
    base, local = provide_base(engine, order.stack, order.registries, say)
    plan = render(
        catalogue,
        order.stack,
        order.request,
        base=base,
        network=order.network.files,
        pins=order.pins,
    )
    tag = order.tag or plan.tag
    built = engine.build(Context(files=plan.files), tag, on_step, order.network.arguments)
    if order.push:
        engine.push(tag, say)
    return BuildResult(
        image_id=built.image_id,
        tag=tag,
        plan_digest=plan.digest,
        seconds=round(time.monotonic() - begun, 3),
        cached=built.steps_total == built.steps_cached,
        size_bytes=built.size_bytes,
        steps_total=built.steps_total,
        steps_cached=built.steps_cached,
        pushed=order.push,
        base_built_locally=local,
    )

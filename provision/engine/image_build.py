"""Builds a stack's image: base, plan, BuildKit, tag, push."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from provision.catalogue import Catalogue
from provision.engine.base_image import moving, provide_base
from provision.engine.describe import need_builder
from provision.engine.network import BuildNetwork
from provision.engine.protocol import BuildStep, Built, Context, Engine, Image
from provision.errors import BuildError
from provision.model import BuildResult, Pin, Request, Stack
from provision.model.base import Value
from provision.model.labels import plan_of
from provision.model.reference import parse_reference, reference_of, rewrite
from provision.model.request import WheelCache
from provision.model.size import parse_size
from provision.render import render
from provision.render.dockerfile import UV, default_tag


class BuildOrder(Value):
    """What is to be built, and where it goes."""

    stack: Stack
    request: Request
    network: BuildNetwork = msgspec.field(default_factory=BuildNetwork)
    registries: dict[str, str] = msgspec.field(default_factory=dict)
    tag: str | None = None  # None: the tag that tells the stack
    push: bool = False
    pins: tuple[Pin, ...] | None = None  # as of BuildOptions
    context: dict[str, bytes] = msgspec.field(default_factory=dict)  # the same
    uv: Path | None = None  # the program; None: the Dockerfile fetches it itself
    cache: WheelCache = "layer"
    cache_from: tuple[str, ...] = ()
    no_cache: bool = False
    pull: bool = False  # the base is fetched again, though the engine has it
    max_size: str | None = None
    base: str | None = None  # an image that the engine has, in place of the stack's own
    programs: dict[str, Path] = msgspec.field(default_factory=dict)  # as of Context
    offline: bool = False  # the same
    origin: dict[str, str] = msgspec.field(default_factory=dict)  # labels, beside that of the base's digest


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
    if order.max_size is not None:
        parse_size(order.max_size)  # before an hour's work
    builder = engine.describe()
    need_builder(builder)  # before a base is fetched or made
    if builder.name == "podman" and order.cache_from:
        say("--cache-from is not used: Podman's builder knows no inline cache")
    base, local = (order.base or "", False)
    if not base:
        base, local = provide_base(engine, order.stack, order.registries, say, on_step, again=order.pull)
    found = engine.image(base)
    uv = order.uv
    files = order.network.files | order.context | ({UV: b""} if uv else {})
    plan = render(
        catalogue,
        order.stack,
        order.request,
        base=base,
        network=files,
        pins=order.pins,
        cache=order.cache,
        # With containerd's image store an image that no registry has seen has a digest, too.
        origin=order.origin | ({} if local or order.base else _base_label(found, base)),
    )
    tag = order.tag or plan.tag
    own = {name: content for name, content in plan.files.items() if name != UV}
    context = Context(
        files=own,
        programs=order.programs | ({UV: uv} if uv else {}),
        host_network=order.network.host_network,
        cache_from=tuple(rewrite(one, order.registries) for one in order.cache_from),
        inline_cache=order.push,  # for the next build, wherever it runs: --cache-from TAG
        no_cache=order.no_cache,
        offline=order.offline,
    )
    before = engine.image(tag)
    built = engine.build(context, tag, on_step, order.network.arguments)
    _check_size(engine, order, tag, built, before)
    if not order.tag:
        _name_last(engine, default_tag(order.stack), built.image_id, say)
    if order.push:
        with moving(f"pushing {tag}", on_step) as told:
            engine.push(tag, told)
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
        base=base,
        base_id=found.image_id if found else "",
        manifest=(_digest_of(engine.image(tag), tag) or None) if order.push else None,
    )


def _name_last(engine: Engine, alias: str, image_id: str, say: Callable[[str], None]) -> None:
    """Let the tag without a digest mean this build, and say so where it meant another."""
    before = engine.image(alias)
    if before and before.image_id == image_id:
        return
    if before:
        say(f"{alias} means this build now; it meant {plan_of(before.labels)[:19] or before.image_id[:19]}")
    engine.tag(image_id, alias)


def _base_label(image: Image | None, base: str) -> dict[str, str]:
    """Return the label with the base's digest in its registry; none for one that was made here."""
    digest = _digest_of(image, base)
    return {"org.opencontainers.image.base.digest": digest} if digest else {}


def _digest_of(image: Image | None, name: str) -> str:
    """Return the digest by which the registry of a reference knows an image; empty where it knows none."""
    wanted = parse_reference(name)
    known = filter(None, map(reference_of, image.digests if image else ()))
    return next((one.digest for one in known if one.name == wanted.name), wanted.digest)


def _check_size(engine: Engine, order: BuildOrder, tag: str, built: Built, before: Image | None) -> None:
    """Raise BuildError KGE-419 for an image that is larger than was allowed; its tag goes back to what had it."""
    if order.max_size is None or built.size_bytes <= parse_size(order.max_size):
        return
    if before is None or before.image_id != built.image_id:
        engine.remove(tag)
    if before is not None and before.image_id != built.image_id:
        engine.tag(before.image_id, tag)
    raise BuildError(
        "KGE-419",
        f"the image has {built.size_bytes / 1e9:.2f} GB, and {order.max_size} is the limit",
        fix="build it without the limit: kgpu-env size IMAGE tells what takes space; --contents one-gpu keeps least",
    )

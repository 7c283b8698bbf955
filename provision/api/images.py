"""Images: built here, or looked up without a pull."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

import provision.catalogue as facts
from provision import model
from provision.api.build_causes import explained
from provision.api.hosts import engine as connection
from provision.api.hosts import local_image
from provision.api.preflight import watch
from provision.errors import BuildError, EngineError
from provision.model.reference import Reference, parse_reference, reference_of, rewrite
from provision.redaction import refuse_passwords

if TYPE_CHECKING:
    from provision.engine.image_build import BuildOrder
    from provision.engine.image_probe import LocalImage
    from provision.engine.protocol import BuildStep, Engine, Image
    from provision.model.size import ImageSize
    from provision.registry import RemoteImage

_REACHABLE = "let it listen at an address that containers reach (172.17.0.1 on most hosts), and name that"
_QUICK = (2.0, 4.0)  # seconds to connect and to wait, where an answer is welcome and not needed


def build(
    stack: model.Stack,
    options: model.BuildOptions | None = None,
    *,
    engine: "Engine | None" = None,
    catalogue: facts.Catalogue | None = None,
    log: Callable[[str], None] = lambda _: None,
    detail: Callable[[str], None] = lambda _: None,
    on_step: "Callable[[BuildStep], None]" = lambda _: None,
) -> model.BuildResult:
    """Build and tag the image of `stack`. An unchanged plan takes a second or two.

    What the options' network leaves open is taken from this host: its pip, uv and proxy settings, in files and in
    this process's environment.

    Args:
        stack: what goes into the image.
        options: what is put in beside it, the image's name, the network, and whether it is pushed.
        engine: by default the first that answers.
        catalogue: the facts; by default those that ship.
        log: gets a line of text about what is done about the base image and the network.
        detail: gets a line of text about what needs no action.
        on_step: hears each step of the build, more than once while it runs.

    Raises:
        EngineError: no engine answers, or it has no BuildKit.
        BuildError: the base is not to be had, a step failed, or the push was refused; no tag is left behind.
        InputError: the request or the network settings cannot be used.
    """
    from provision.engine.describe import need_machine  # noqa: PLC0415 - 1 ms
    from provision.engine.image_build import BuildOrder, build_stack_image  # noqa: PLC0415 - 8 ms
    from provision.engine.network import Surroundings, build_network  # noqa: PLC0415 - 3 ms
    from provision.resolve.request import check_names, check_request  # noqa: PLC0415 - 5 ms
    from provision.supply.origin import origin_labels  # noqa: PLC0415 - 30 ms

    wanted = options or model.BuildOptions()
    check_names(wanted.tag, wanted.network.registries, wanted.cache_from)
    refuse_passwords(wanted.request)
    request = check_request(wanted.request)
    if os.environ.get("BUILDX_BUILDER"):
        log("BUILDX_BUILDER is set and is not used: the engine's own BuildKit builds")
    with connection(engine) as connected:
        described = connected.describe()
        need_machine(model.PLATFORMS.get(wanted.platform or ""), described)
        reached = build_network(wanted.network, os.environ, Surroundings(folder=_here(), engine=described))
        if reached.left_out:
            left = "; ".join(dict.fromkeys(reached.left_out))
            log(f"left out, since a build of this engine cannot reach it: {left}; {_REACHABLE}")
        order = BuildOrder(
            stack=stack,
            request=request,
            network=reached,
            registries=wanted.network.registries,
            tag=wanted.tag,
            push=wanted.push,
            pins=wanted.pins,
            context=wanted.context,
            cache=wanted.cache,
            cache_from=wanted.cache_from,
            no_cache=wanted.no_cache,
            pull=wanted.pull,
            max_size=wanted.max_size,
            origin=origin_labels(os.environ, _here() if wanted.context else None),
        )
        known = catalogue or facts.load()
        watching = watch(order, connected, known, wanted.network, log)

        def step(one: "BuildStep") -> None:
            on_step(one)
            watching(one)

        try:
            uv = _uv(known, order, described.architecture, detail, watching.begin)
            return build_stack_image(connected, known, replace(order, uv=uv), log, step)
        except BuildError as error:
            raise watching.explained(explained(error, known)) from error
        finally:
            watching.end()


def _here() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return None


def _uv(
    known: facts.Catalogue,
    order: "BuildOrder",
    architecture: str,
    log: Callable[[str], None],
    on_fetch: Callable[[], None],
) -> Path | None:
    """Return uv for the engine's machine; None where the base brings the framework, or the build has to fetch it."""
    from provision.lock.uv_program import provide_uv  # noqa: PLC0415 - 8 ms

    if order.stack.framework_in_base:
        return None
    version = next(tool.version for tool in known.images.tools if tool.id == "uv")
    pins = order.pins or ()
    files = order.network.files
    return provide_uv(version, pins, architecture, cache=known.cache, files=files, log=log, on_fetch=on_fetch)


def image_size(image: str, *, engine: "Engine | None" = None) -> "ImageSize":
    """Return what the bytes of an image are made of, by layer and by Python package.

    The packages are asked in a container, without network.

    Args:
        image: its reference.
        engine: by default the first that answers.

    Raises:
        BuildError: KGE-408, the engine has no such image.
        EngineError: no engine answers.
    """
    from provision.engine.image_size import measure  # noqa: PLC0415 - 8 ms

    with connection(engine) as connected:
        return measure(connected, image)


def look_up(
    image: str, machine: str, network: model.Network | None = None, *, seconds: tuple[float, float] | None = None
) -> "RemoteImage":
    """Return an image's configuration and digest from its registry; no layer is read.

    The login is the one that `docker login` stored (DOCKER_CONFIG) or a credential helper tells, the CA bundle that of
    `network` or of REQUESTS_CA_BUNDLE or SSL_CERT_FILE in this process's environment.

    Args:
        image: its reference; the registry is replaced as `network.registries` says.
        machine: the processor as the kernel names it, "x86_64", for an index of several images.
        network: CA bundle and registries.
        seconds: limits on a connection and on each wait for an answer; by default 5 and 20.

    Raises:
        UsageError: KGE-411, that is no reference.
        BuildError: KGE-421, the registry does not answer; KGE-422, it refuses or does not
            have the image; KGE-423, its answer is no image's.
    """
    from provision.engine.certificates import trusted_bundle  # noqa: PLC0415 - 3 ms
    from provision.engine.connection import config_folder  # noqa: PLC0415 - 14 ms
    from provision.engine.logins import stored_login  # noqa: PLC0415 - 140 ms, with the SDK
    from provision.registry import http, read_image  # noqa: PLC0415 - 4 ms

    reached = network or model.Network()
    logins = config_folder(os.environ)
    transport = http.Http(trusted_bundle(reached.ca_bundle, os.environ), seconds or http.SECONDS)
    try:
        reference = parse_reference(rewrite(image, reached.registries))
        return read_image(reference, machine, transport, lambda name: stored_login(name, logins).basic)
    finally:
        transport.close()


def pinned(image: str, machine: str, network: model.Network | None = None, *, remote: bool = True) -> str:
    """Return `image` with its digest, NAME:TAG@sha256:..., so that all who read it get the same one.

    The engine of this host (at DOCKER_HOST, or a usual socket) knows the digest of what it pulled or pushed. The
    registry is asked only where the engine does not have the image: beside one that was built since, the registry's
    would be an older one.

    Args:
        image: its reference; one with a digest is returned as it is.
        machine: as of `look_up`.
        network: CA bundle and registries.
        remote: whether a registry may be asked: a name that this host made up may be a stranger's there.

    Returns:
        The reference; without a digest where the engine has the image and knows none, or nobody may be asked.

    Raises:
        UsageError: KGE-411, that is no reference.
        BuildError: KGE-421 to KGE-423, the registry does not tell the digest.
    """
    requested = parse_reference(image)
    if requested.digest:
        return image
    local = _reported(image)
    digest = _own_digest(local, requested) if local else None
    # With containerd's image store a digest is an image's id, and proves neither a pull nor a push.
    doubtful = local is not None and digest == local.image_id
    if digest and not doubtful:
        return f"{image}@{digest}"
    if not remote or (local and not digest):
        return image
    found = look_up(f"{image}@{digest}" if digest else image, machine, network, seconds=_QUICK)
    return f"{image}@{digest or found.digest}"


def _own_digest(local: "LocalImage", requested: Reference) -> str | None:
    """Return the digest by which the registry of the reference that was asked for knows the image."""
    for known in filter(None, map(reference_of, local.digests)):  # an image without a name is "<none>@<none>"
        if (known.registry, known.repository) == (requested.registry, requested.repository):
            return known.digest
    return None


def _reported(image: str) -> "LocalImage | None":
    try:
        return local_image(image)
    except (OSError, EngineError):  # no engine: the registry may answer
        return None


class Configuration(model.Value):
    """What an image sets for its containers, and where that was read."""

    origin: str  # "the engine", "the registry 127.0.0.1:5000"
    digest: str  # the engine's id of the image, or the digest in the registry
    environment: dict[str, str]
    bytes_read: int = 0
    labels: dict[str, str] = msgspec.field(default_factory=dict)


def read_configuration(
    image: str, machine: str, network: model.Network | None = None, *, engine: "Engine | None" = None
) -> Configuration:
    """Return an image's configuration: of the engine's copy, which a run would use, or else of the registry's.

    Args:
        image: its reference, rewritten as `network.registries` says.
        machine: as of `look_up`.
        network: CA bundle and registries.
        engine: by default the first that answers; where none does, the registry is asked.

    Raises:
        UsageError, BuildError: as of `look_up`.
    """
    name = rewrite(image, (network or model.Network()).registries)
    reference = parse_reference(name)
    local = _local(name, engine)
    if local:
        environment = dict(word.partition("=")[::2] for word in local.env)
        return Configuration(origin="the engine", digest=local.image_id, environment=environment, labels=local.labels)
    found = look_up(image, machine, network)
    return Configuration(
        origin=f"the registry {reference.registry}",
        digest=found.digest,
        environment=found.env,
        bytes_read=found.bytes_read,
        labels=found.labels,
    )


def _local(image: str, engine: "Engine | None") -> "Image | None":
    try:
        with connection(engine) as connected:
            return connected.image(image)
    except EngineError:  # no engine: a registry answers as well
        return None

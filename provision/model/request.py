"""What people ask for, from flags, variables and the project file together.

A field with an `Option` is declared here alone: its flag, its key of the project file and its variable follow.
"""

from types import new_class
from typing import Annotated, Final, Literal, get_args

import msgspec

from provision.model.base import Value
from provision.model.cluster import Cluster
from provision.model.compose import Compose
from provision.model.devcontainer import DevContainer
from provision.model.host import PLATFORMS
from provision.model.option import Option, Setting, keys_of, settings_of
from provision.model.pins import Pin
from provision.model.shape import Shape
from provision.model.vendor import RUNTIMES, VENDORS, Vendor

Backend = Literal["tensorflow", "jax", "torch"]
Contents = Literal["one-gpu", "runtime", "devel", "full"]  # each has all that the one before it has
# Where wheels are unpacked: in the layer itself, or in a cache that outlives the build and is copied from.
WheelCache = Literal["layer", "mount"]
TITLES: Final[dict[Backend, str]] = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "torch"}  # for people


class User(Value):
    """The account that the image runs as."""

    name: str = "keras"
    uid: int = 1000
    gid: int = 1000


class Network(Value):
    """How a build reaches package indexes and registries; nothing of it stays in the image."""

    ca_bundle: Annotated[
        str | None,  # path of a PEM file on this host
        Option(
            flag="--ca-bundle",
            help="CA certificates that the build trusts; not kept in the image.",
            metavar="FILE",
            kind="path",
        ),
    ] = None
    index_url: Annotated[str | None, Option(kind="address")] = None
    extra_index_urls: Annotated[tuple[str, ...], Option(kind="address")] = ()
    proxy: Annotated[str | None, Option(kind="address")] = None
    # "docker.io" -> "mirror.example:5000"
    registries: Annotated[dict[str, str], Option(kind="address")] = msgspec.field(default_factory=dict)


def _runtime(vendor: Vendor) -> Option:
    """Return the option that asks for a version of a vendor's runtime."""
    only = f"This {vendor.row.runtime_title} only"
    example = vendor.row.runtime_example
    return Option(f'{only}: "{example}".', flag=f"--{vendor}", help=f"{only}.", metavar="VERSION", kind="version")


class Request(Value):
    """One wish for an environment. Empty fields leave the choice to the resolver."""

    vendor: Annotated[
        Vendor,
        Option(
            "GPU vendor of the environment; auto takes the host's.",
            flag="--vendor",
            help="GPU vendor of the environment; nvidia and amd mean cuda and rocm.",
            metavar="|".join(Vendor),
            choices=tuple(VENDORS),
        ),
    ] = Vendor.AUTO
    fallback: Annotated[
        Literal["cpu"] | None,
        Option(
            "What to build on a host without a GPU; without this it is an error.",
            flag="--fallback",
            help="What to build when the host has no GPU.",
            metavar="cpu",
            choices=("cpu",),
        ),
    ] = None
    tensorflow: Annotated[
        str | None,  # "2.21" or "2.21.0"
        Option(
            'This TensorFlow only: "2.21". Quote versions: YAML reads 2.10 as 2.1.',
            flag="--tensorflow",
            help="This TensorFlow only.",
            metavar="VERSION",
            kind="version",
            example="2.21",
        ),
    ] = None
    python: Annotated[
        str | None,
        Option(
            'This Python only: "3.12".',
            flag="--python",
            help="This Python only.",
            metavar="VERSION",
            kind="version",
            example="3.12",
        ),
    ] = None
    base: Annotated[
        str | None,  # an image reference of the catalogue
        Option(
            "This base image of the catalogue only (kgpu-env catalogue list).",
            flag="--base",
            help="This base image of the catalogue only.",
            metavar="IMAGE",
        ),
    ] = None
    cuda: Annotated[str | None, _runtime(Vendor.CUDA)] = None
    rocm: Annotated[str | None, _runtime(Vendor.ROCM)] = None
    backend: Annotated[
        Backend | None,
        Option(
            "The backend of Keras.",
            flag="--backend",
            help="What Keras runs on; by default TensorFlow, or what serves a GPU that no TensorFlow build serves.",
            metavar="|".join(TITLES),
            choices=tuple(TITLES),
        ),
    ] = None
    gpus: Annotated[
        str,  # as `selection.select` takes them
        Option(
            "The GPUs that the environment is for: all usable ones, or numbers, UUIDs, PCI addresses, architectures.",
            flag="--gpus",
            help="The GPUs to use: all usable ones, or by number, UUID, PCI address or architecture.",
            metavar="all|0,1|UUID|PCI|gfx1030",
            example="sm_90",
        ),
    ] = "all"
    packages: Annotated[
        tuple[str, ...],  # PEP 508 requirements
        Option(
            "Python packages to add, as PEP 508 writes them; the framework's own versions stay.",
            flag="--package",
            help="Python package to add (PEP 508); repeatable.",
            section="Packages",
            metavar="REQUIREMENT",
            example=("pandas>=2.2",),
        ),
    ] = ()
    requirements: Annotated[
        tuple[str, ...],  # paths, each with extras and groups behind it where it has some: "pyproject.toml[train]"
        Option(
            "Files of Python packages to add: requirements.txt, pyproject.toml[extra], a lock, a folder of code.",
            flag="--requirements",
            short="-r",
            help="File of Python packages to add (requirements.txt, pyproject.toml[extra], uv.lock, pylock.toml), or a "
            "project's folder; repeatable.",
            section="Packages",
            metavar="FILE",
            kind="path",
            example=("requirements.txt",),
        ),
    ] = ()
    apt: Annotated[
        tuple[str, ...],  # Debian package names
        Option(
            "Debian packages to add.",
            flag="--apt",
            help="Debian package to add; repeatable.",
            section="Packages",
            metavar="NAME",
            example=("git",),
        ),
    ] = ()
    contents: Annotated[
        Contents,
        Option(
            "What of the wheels stays: what runs (runtime, on one GPU one-gpu), what compiles too (devel), all (full).",
            flag="--contents",
            help="What of the wheels stays in the image: what runs (one-gpu: without NCCL), what compiles too, or all.",
            metavar="|".join(get_args(Contents)),
            choices=get_args(Contents),
        ),
    ] = "runtime"
    user: Annotated[User, Option("The account that the image runs as.")] = msgspec.field(default_factory=User)
    labels: Annotated[dict[str, str], Option("Labels of the image.")] = msgspec.field(default_factory=dict)
    env: Annotated[dict[str, str], Option("Environment variables of the image.", example={"TZ": "UTC"})] = (
        msgspec.field(default_factory=dict)
    )


def _with_every_runtime(kind: type[Request]) -> type[Request]:
    """Return the class with the options of the vendors that it does not name."""
    others = [one for one in RUNTIMES if one not in kind.__struct_fields__]
    types = {one: Annotated[str | None, _runtime(Vendor(one))] for one in others}
    body: dict[str, object] = {"__doc__": kind.__doc__, "__module__": kind.__module__, "__annotations__": types}
    body |= dict.fromkeys(others)
    return new_class(kind.__name__, (kind,), exec_body=lambda names: names.update(body)) if others else kind


Request = _with_every_runtime(Request)  # type: ignore[misc] # the same class, or one with more fields of the same kind


class BuildOptions(Value):
    """What is put into an image beside the stack, its name, and how the build reaches what it needs."""

    request: Request = msgspec.field(default_factory=Request)
    tag: Annotated[
        str | None,  # None: one that tells the stack
        Option(
            "The image's name.",
            flag="--tag",
            help="Name of the image.",
            section="Build",
            metavar="NAME:TAG",
            example="registry.example/team/keras:1",
        ),
    ] = None
    network: Annotated[
        Network,
        Option(
            "How a build reaches registries and package indexes; nothing of it stays in the image.",
            example={"ca_bundle": "ca.pem", "registries": {"docker.io": "mirror.example:5000"}},
        ),
    ] = msgspec.field(default_factory=Network)
    cache: Annotated[
        WheelCache,
        Option(
            "Where wheels are unpacked: in the layer (quick where none are kept), or in a cache that is kept (mount).",
            flag="--cache",
            help="Where wheels are unpacked: in the layer, or in a cache of the engine that is kept.",
            section="Build",
            metavar="|".join(get_args(WheelCache)),
            choices=get_args(WheelCache),
        ),
    ] = "layer"
    cache_from: Annotated[
        tuple[str, ...],  # image references
        Option(
            "Images whose inline caches the build uses; every image that is pushed has one.",
            flag="--cache-from",
            help="Image whose inline cache the build uses (every pushed one has it); repeatable.",
            section="Build",
            metavar="IMAGE",
            example=("registry.example/team/keras:1",),
        ),
    ] = ()
    max_size: Annotated[
        str | None,  # "3GB"
        Option(
            "The largest size of the image; a build that makes a larger one fails and leaves no tag.",
            flag="--max-size",
            help="Fail when the image is larger: 3GB, 4500MB, 4.2GiB.",
            section="Build",
            metavar="SIZE",
            kind="size",
            example="6GB",
        ),
    ] = None
    platform: Annotated[
        str | None,  # a key of PLATFORMS; None: unknown
        Option(
            "The processor that the environment is for, where it is not the host's.",
            flag="--platform",
            help="The processor that the environment is for; by default the host's.",
            metavar="|".join(PLATFORMS),
            choices=tuple(PLATFORMS),
        ),
    ] = None
    push: bool = False  # to the registry that `tag` names, with an inline cache
    no_cache: bool = False  # every step runs, whatever was built before
    pull: bool = False  # the base is fetched again
    pins: tuple[Pin, ...] | None = None  # all that is installed, and uv; None: the Dockerfile itself resolves, once
    machine: str = ""  # the processor that the pins are for, as the kernel names it: "x86_64"; empty: not known
    context: dict[str, bytes] = msgspec.field(
        default_factory=dict
    )  # files that pins lie in, by their path in the context


class CommandOptions(Value):
    """What the command line alone takes: a program hands over the catalogue itself."""

    catalogue: Annotated[
        str | None,
        Option(
            "Folder with catalogue rows of your own, such as your company's base images.", kind="path", example="facts"
        ),
    ] = None
    run: Annotated[
        Shape,
        Option(
            "What a container of run, shell, jupyter and of the exports gets besides its GPUs.",
            example={"mounts": ["/data:/data:ro"], "env": ["WANDB_MODE=offline"], "shm_size": "8g"},
        ),
    ] = msgspec.field(default_factory=Shape)
    kubernetes: Annotated[
        Cluster,
        Option(
            "What export kubernetes writes beside the image and its GPUs.",
            example={"node_selector": ["gpu=a100"], "pull_secrets": ["registry-login"]},
        ),
    ] = msgspec.field(default_factory=Cluster)
    compose: Annotated[
        Compose,
        Option("What export compose writes beside the environment.", example={"services": ["tensorboard"]}),
    ] = msgspec.field(default_factory=Compose)
    devcontainer: Annotated[
        DevContainer,
        Option(
            "What export devcontainer writes beside the image and its GPUs.",
            example={"sudo": True, "features": ["ghcr.io/devcontainers/features/node:1"]},
        ),
    ] = msgspec.field(default_factory=DevContainer)


_KINDS: Final = (Request, BuildOptions, CommandOptions)
# All that people can set, in the order in which help, project file and messages name it; and the file's keys.
SETTINGS: Final[dict[str, Setting]] = {one.name: one for kind in _KINDS for one in settings_of(kind)}
KEYS: Final[dict[str, Option]] = keys_of(Request) | keys_of(BuildOptions) | keys_of(CommandOptions)

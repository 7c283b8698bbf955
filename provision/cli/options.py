"""The options that several commands share, one by one and in groups."""

import re
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from provision.cli.groups import Options
from provision.errors import nearest
from provision.model import LEVELS, TITLES, VENDORS
from provision.model import Backend as BackendName
from provision.model import Level as LevelName
from provision.model import Vendor as VendorName
from provision.variables import KEY

Name = TypeVar("Name", bound=str)


def _vendor(text: str) -> str:
    if text in VENDORS:
        return text
    hint = nearest(text, [*VENDORS]) or f"choose from {', '.join(VendorName)}."
    raise typer.BadParameter(f"{text!r} is no vendor: {hint}")


def _version(text: str) -> str:
    if re.fullmatch(r"\d+(\.\d+)*", text, flags=re.ASCII):
        return text
    raise typer.BadParameter(f"{text!r} is no version number, such as 2.21 or 12.5.1.")


def _level(text: str) -> LevelName:
    return _one_of(text, LEVELS, "level")


def _backend(text: str) -> BackendName:
    return _one_of(text, tuple(TITLES), "backend")


def _one_of(text: str, known: tuple[Name, ...], kind: str) -> Name:
    found = next((one for one in known if one == text), None)
    if found is not None:
        return found
    hint = nearest(text, known) or f"choose from {', '.join(known)}."
    raise typer.BadParameter(f"{text!r} is no {kind}: {hint}")


def _seconds(text: str | float) -> float:
    return _between(text, 1, 604_800, "time in seconds")


def _minutes(text: str | float) -> float:
    return _between(text, 0.01, 10_080, "time in minutes")


def _between(text: str | float, least: float, most: float, kind: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if least <= value <= most:  # which no NaN is
        return value
    raise typer.BadParameter(f"{text!r} is no {kind} from {least:g} to {most:g}.")


def _fallback(text: str) -> str:
    if text == "cpu":
        return text
    raise typer.BadParameter(f"{text!r} is no fallback: the only one is cpu.")


def _complete_vendor(incomplete: str) -> list[str]:
    return [vendor for vendor in VendorName if vendor.startswith(incomplete)]


Vendor = Annotated[
    str | None,
    typer.Option(
        parser=_vendor,
        metavar="|".join(VendorName),
        help="GPU vendor of the environment; nvidia and amd mean cuda and rocm.",
        autocompletion=_complete_vendor,
    ),
]
Host = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Take the host from this file (kgpu-env probe --json) instead of probing."),
]
Fallback = Annotated[
    str | None, typer.Option(parser=_fallback, metavar="cpu", help="What to build when the host has no GPU.")
]
TensorFlow = Annotated[str | None, typer.Option(parser=_version, metavar="VERSION", help="This TensorFlow only.")]
Python = Annotated[str | None, typer.Option(parser=_version, metavar="VERSION", help="This Python only.")]
Base = Annotated[str | None, typer.Option(metavar="IMAGE", help="This base image of the catalogue only.")]
Cuda = Annotated[str | None, typer.Option(parser=_version, metavar="VERSION", help="This CUDA only.")]
Rocm = Annotated[str | None, typer.Option(parser=_version, metavar="VERSION", help="This ROCm only.")]
Package = Annotated[
    list[str] | None,
    typer.Option("--package", metavar="REQUIREMENT", help="Python package to add (PEP 508); repeatable."),
]
Apt = Annotated[list[str] | None, typer.Option("--apt", metavar="NAME", help="Debian package to add; repeatable.")]
Tag = Annotated[str | None, typer.Option(metavar="NAME:TAG", help="Name of the image.")]
CaBundle = Annotated[
    Path | None, typer.Option(metavar="FILE", help="CA certificates that the build trusts; not kept in the image.")
]
Profile = Annotated[str | None, typer.Option(metavar="NAME", help="A profile of the project file.")]
Config = Annotated[Path | None, typer.Option(metavar="FILE", help="Project file; otherwise the nearest kgpu-env.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
ShowConfig = Annotated[bool, typer.Option("--show-config", help="Print each option with its origin, and stop.")]
Catalogue = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Add the rows of this folder to the catalogue, or replace rows by id."),
]
Gpus = Annotated[str, typer.Option(metavar="all|0,1|UUID", help="The GPUs to use.")]
Report = Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write the whole proof to this file.")]
Html = Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write the proof as a page to this file.")]
Timeout = Annotated[float, typer.Option(parser=_seconds, metavar="SECONDS", help="End the training after this time.")]
Here = Annotated[
    bool, typer.Option("--here", help="The Python environment of this process instead of an image; needs no engine.")
]
Interpreter = Annotated[
    Path | None,
    typer.Option(
        "--python", metavar="FILE", help="With --here: the Python that is meant; by default the active environment's."
    ),
]
Level = Annotated[
    LevelName, typer.Option(parser=_level, metavar="|".join(LEVELS), help="How much is tried.", show_default=True)
]
Minutes = Annotated[
    float | None, typer.Option(parser=_minutes, metavar="N", help="With --level soak: for how long, on each GPU.")
]
Backend = Annotated[
    BackendName | None,
    typer.Option(
        parser=_backend,
        metavar="|".join(TITLES),
        help="What Keras runs on; by default as the image's stack says, else tensorflow.",
    ),
]
StackBackend = Annotated[
    BackendName | None,
    typer.Option(
        parser=_backend,
        metavar="|".join(TITLES),
        help="What Keras runs on; by default TensorFlow, or what serves a GPU that no TensorFlow build serves.",
    ),
]
Junit = Annotated[Path | None, typer.Option(metavar="FILE.xml", help="Write the checks as JUnit XML to this file.")]
Ctrf = Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write the checks as CTRF JSON to this file.")]
Key = Annotated[
    Path | None,
    typer.Option(metavar="FILE", envvar=KEY, help="A secret that signs the record of this proof."),
]


class StackOptions(Options):
    """What the environment is made of: one line of options serves `resolve`, `render`, `build`, `up` and the others."""

    vendor: Vendor = None
    host: Host = None
    fallback: Fallback = None
    tensorflow: TensorFlow = None
    python: Python = None
    base: Base = None
    cuda: Cuda = None
    rocm: Rocm = None
    backend: StackBackend = None
    package: Package = None
    apt: Apt = None
    tag: Tag = None
    ca_bundle: CaBundle = None
    profile: Profile = None
    config: Config = None
    catalogue: Catalogue = None
    show_config: ShowConfig = False


class ProofOptions(Options):
    """What is to be proved, and within which limits."""

    gpus: Gpus = "all"
    level: Level = "standard"
    minutes: Minutes = None
    backend: Backend = None
    timeout: Timeout = 600.0
    key: Key = None


class ReportOptions(Options):
    """The files that a proof is written to."""

    report: Report = None
    html: Html = None
    junit: Junit = None
    ctrf: Ctrf = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that were asked for."""
        return tuple(path for path in (self.report, self.html, self.junit, self.ctrf) if path)

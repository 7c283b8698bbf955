"""The options that several commands share, one by one and in groups.

An option of the environment is declared in `provision.model.request`: its flag is made here from what stands there,
and is one of every command that takes its group.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import typer

from provision.cli.completion import profiles
from provision.cli.help import LAST
from provision.cli.output import PROGRESS
from provision.cli.output import Progress as ProgressName
from provision.cli.parsers import flag, minutes, one_of, seconds
from provision.cli.spread import Flags, Options
from provision.model import LEVELS, TITLES
from provision.model import Backend as BackendName
from provision.model import Level as LevelName
from provision.variables import KEY

Vendor = Annotated[str | None, flag("vendor")]
Package = Annotated[list[str] | None, flag("packages")]
Host = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Take the host from this file (kgpu-env probe --json) instead of probing; - reads stdin.",
        rich_help_panel="Environment",
    ),
]
Profile = Annotated[
    str | None, typer.Option(metavar="NAME", help="A profile of the project file.", autocompletion=profiles)
]
Config = Annotated[Path | None, typer.Option(metavar="FILE", help="Project file; otherwise the nearest kgpu-env.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.", rich_help_panel=LAST)]
ShowConfig = Annotated[bool, typer.Option("--show-config", help="Print each option with its origin, and stop.")]
Catalogue = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Add the rows of this folder to the catalogue, or replace rows by id."),
]
Push = Annotated[bool, typer.Option("--push", help="Push the image to the registry that its tag names.")]
Locked = Annotated[bool, typer.Option("--locked", help="Build what kgpu.lock says, every wheel checked by its hash.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files of others, and those changed since.")]
Gpus = Annotated[str | None, flag("gpus")]
Report = Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write the whole proof to this file.")]
Html = Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write the proof as a page to this file.")]
Timeout = Annotated[float, typer.Option(parser=seconds, metavar="SECONDS", help="End the training after this time.")]
Here = Annotated[
    bool, typer.Option("--here", help="The Python environment of this process instead of an image; needs no engine.")
]
Interpreter = Annotated[
    Path | None,
    typer.Option(
        "--python",
        metavar="FILE",
        help="The Python that is meant: inside the image, or with --here of this machine; by default the active "
        "environment's.",
    ),
]
Level = Annotated[
    LevelName,
    typer.Option(
        parser=one_of("level", LEVELS), metavar="|".join(LEVELS), help="How much is tried.", show_default=True
    ),
]
Minutes = Annotated[
    float | None, typer.Option(parser=minutes, metavar="N", help="With --level soak: for how long, on each GPU.")
]
Backend = Annotated[
    BackendName | None,
    typer.Option(
        parser=one_of("backend", tuple(TITLES)),
        metavar="|".join(TITLES),
        help="What Keras runs on; by default as the image's stack says, else tensorflow.",
    ),
]
Junit = Annotated[Path | None, typer.Option(metavar="FILE.xml", help="Write the checks as JUnit XML to this file.")]
Ctrf = Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write the checks as CTRF JSON to this file.")]
Anonymous = Annotated[
    bool, typer.Option("--anonymous", help="Name this host in reports by a name that does not tell which it is.")
]
Key = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        envvar=KEY,
        help="The private key that signs (kgpu-env key); by default this node's own.",
    ),
]

Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but warnings and errors.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say also what needs no action.")]
Bundle = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="From this bundle (kgpu-env bundle), without a network."),
]
Sbom = Annotated[
    Path | None,
    typer.Option(metavar="FILE.json", help="Write what is in the image to this file, as CycloneDX 1.6 (SBOM)."),
]
Provenance = Annotated[
    Path | None,
    typer.Option(metavar="FILE.json", help="Write how it was built to this file: in-toto, SLSA v1, signed (DSSE)."),
]


class Verbosity(Options):
    """How much is said on stderr: options of every command, also before its name; `output.settle_talk` reads them."""

    section: ClassVar[str] = LAST
    quiet: Quiet = False
    verbose: Verbose = False


class TalkOptions(Options):
    """What long work says of itself on stderr; `output.settle_talk` reads it before the command runs."""

    section: ClassVar[str] = LAST
    progress: Annotated[
        ProgressName,
        typer.Option(
            parser=one_of("way to show progress", PROGRESS),
            metavar="|".join(PROGRESS),
            help="How long work shows itself: as fits, as a living line (rich), lines, JSON lines, or not at all.",
            show_default=True,
        ),
    ] = "auto"
    timings: Annotated[bool, typer.Option("--timings", help="Print at the end how long each step took.")] = False


class StackOptions(Options):
    """What the environment is made of: `resolve`, `render`, `build`, `up` and the others take all of it."""

    section: ClassVar[str] = "Project file"
    vendor: Vendor = None
    host: Host = None
    settings: Annotated[dict[str, Any], Flags()] = msgspec.field(default_factory=dict)  # the others, by name
    profile: Profile = None
    config: Config = None
    catalogue: Catalogue = None
    show_config: ShowConfig = False


class NetworkOptions(Options):
    """How registries are reached, for commands that ask them about any image."""

    section: ClassVar[str] = "Project file"
    settings: Annotated[dict[str, Any], Flags(group="network")] = msgspec.field(default_factory=dict)
    profile: Profile = None
    config: Config = None
    catalogue: Catalogue = None


class BuildOptions(Options):
    """From what a build takes the environment, and where its image goes."""

    section: ClassVar[str] = "Build"
    push: Push = False
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run every step, whatever was built before.")] = False
    pull: Annotated[bool, typer.Option("--pull", help="Fetch the base image again, though it is here.")] = False
    locked: Locked = False
    bundle: Bundle = None
    sbom: Sbom = None
    provenance: Provenance = None


class ProofOptions(Options):
    """What is to be proved, and within which limits."""

    section: ClassVar[str] = "Proof"
    gpus: Gpus = None
    level: Level = "standard"
    minutes: Minutes = None
    backend: Backend = None
    timeout: Timeout = 600.0
    anonymous: Anonymous = False
    key: Key = None


class ReportOptions(Options):
    """The files that a proof is written to."""

    section: ClassVar[str] = "Reports"
    report: Report = None
    html: Html = None
    junit: Junit = None
    ctrf: Ctrf = None
    force: Force = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that were asked for."""
        return tuple(path for path in (self.report, self.html, self.junit, self.ctrf) if path)

"""The documents that commands print as JSON, beside those of `provision.model`."""

from typing import Any, Literal

import msgspec

from provision.catalogue.sources import Source
from provision.model import Change, Finding, Rejection, Value
from provision.model.examination import Message, Start, Step
from provision.model.matrix import Cell, Effect
from provision.model.preparation import Preparation
from provision.model.published import FreshnessDocument
from provision.model.support import SupportArchive
from provision.model.unused import Unused


class ErrorDocument(Value):
    """What a failed command prints."""

    schema: Literal["kgpu-env/error/1"] = "kgpu-env/error/1"
    code: str
    exit_code: int
    text: str
    cause: str = ""
    fix: str = ""
    log: tuple[str, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    conflict: tuple[str, ...] = ()  # a smallest set of rules that remove every candidate
    changes: tuple[Change, ...] = ()


class RenderDocument(Value):
    """What `render` prints."""

    schema: Literal["kgpu-env/render/1"] = "kgpu-env/render/1"
    plan_digest: str
    tag: str
    dockerfile: str


class BaseDocument(Value):
    """What `base` prints."""

    schema: Literal["kgpu-env/base/1"] = "kgpu-env/base/1"
    tag: str
    image_id: str
    size_bytes: int


class DoctorDocument(Value):
    """What `doctor` prints."""

    schema: Literal["kgpu-env/doctor/1"] = "kgpu-env/doctor/1"
    findings: tuple[Finding, ...] = ()
    primary: Finding | None = None  # what to fix first; null on a healthy host
    steps: tuple[Step, ...] = ()
    commands: tuple[str, ...] = ()
    check: str = ""
    messages: tuple[Message, ...] = ()
    start: Start | None = None  # of the container that was really started, if one was


class CodeDocument(Value):
    """What `doctor CODE` prints."""

    schema: Literal["kgpu-env/code/1"] = "kgpu-env/code/1"
    code: str
    text: str


class Option(Value):
    """An option that is not at its default, and where its value came from."""

    value: Any
    origin: str


class ConfigDocument(Value):
    """What `--show-config` prints."""

    schema: Literal["kgpu-env/config/1"] = "kgpu-env/config/1"
    options: dict[str, Option] = msgspec.field(default_factory=dict)


class ExportedFile(Value):
    """A file of an output."""

    path: str  # relative to the folder that -o names
    text: str


class ExportDocument(Value):
    """What `export` prints."""

    schema: Literal["kgpu-env/export/1"] = "kgpu-env/export/1"
    kind: str
    image: str  # empty for a fleet, of which each file names its own
    plan_digest: str  # the same
    files: tuple[ExportedFile, ...] = ()


class CheckDocument(Value):
    """What `check` prints of an image that starts; one that does not is an error document with exit code 4."""

    schema: Literal["kgpu-env/check/1"] = "kgpu-env/check/1"
    image: str
    origin: str  # where the configuration was read: "the engine", "the registry 127.0.0.1:5000"
    digest: str
    bytes_read: int = 0
    conditions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    environment: dict[str, str] = msgspec.field(default_factory=dict)


class WhyDocument(Value):
    """What `catalogue why` prints."""

    schema: Literal["kgpu-env/why/1"] = "kgpu-env/why/1"
    row: dict[str, Any]
    effects: tuple[Effect, ...] = ()  # hosts that get another stack without the row
    serves: tuple[Cell, ...] = ()  # of a driver or GPU: what hosts with it get
    named_by: tuple[str, ...] = ()  # rows that need this one
    sources: tuple[Source, ...] = ()  # what the short names in the row's source stand for


class DriftDocument(Value):
    """What `lock --check` prints when nothing has drifted; a drift is an error document with exit code 3."""

    schema: Literal["kgpu-env/drift/1"] = "kgpu-env/drift/1"
    lock: str
    drifts: tuple[str, ...] = ()


class Outdated(Value):
    """One thing that a renewal of the lock would change. An empty text stands for nothing there."""

    kind: Literal["file", "plan", "wheel"]
    what: str  # a package, "stack", "base digest"
    locked: str
    now: str


class OutdatedDocument(Value):
    """What `outdated` prints."""

    schema: Literal["kgpu-env/outdated/1"] = "kgpu-env/outdated/1"
    lock: str
    changes: tuple[Outdated, ...] = ()


class MatrixDocument(Value):
    """What `catalogue matrix` prints."""

    schema: Literal["kgpu-env/matrix/1"] = "kgpu-env/matrix/1"
    cells: tuple[Cell, ...]


class RunDocument(Value):
    """What `run` prints; the command's own output goes to stderr."""

    schema: Literal["kgpu-env/run/1"] = "kgpu-env/run/1"
    image: str
    exit_code: int  # the command's, and so this process's
    seconds: float
    access: str  # how the GPU was handed over: cdi, nvidia-runtime, device-nodes, wsl, none


class JupyterDocument(Value):
    """What `jupyter` prints as soon as the server answers."""

    schema: Literal["kgpu-env/jupyter/1"] = "kgpu-env/jupyter/1"
    image: str
    url: str
    port: int
    token: str


class InitDocument(Value):
    """What `init` prints."""

    schema: Literal["kgpu-env/init/1"] = "kgpu-env/init/1"
    files: tuple[str, ...]
    vendor: str
    packages: tuple[str, ...] = ()


class PruneDocument(Value):
    """What `prune` prints."""

    schema: Literal["kgpu-env/prune/1"] = "kgpu-env/prune/1"
    dry_run: bool
    found: tuple[Unused, ...]  # nobody names them
    kept: dict[str, str] = msgspec.field(default_factory=dict)  # of them what could not be removed, and why


SCHEMAS: dict[str, type[msgspec.Struct]] = {
    "error-1": ErrorDocument,
    "render-1": RenderDocument,
    "base-1": BaseDocument,
    "doctor-1": DoctorDocument,
    "code-1": CodeDocument,
    "config-1": ConfigDocument,
    "check-1": CheckDocument,
    "why-1": WhyDocument,
    "matrix-1": MatrixDocument,
    "drift-1": DriftDocument,
    "freshness-1": FreshnessDocument,
    "outdated-1": OutdatedDocument,
    "export-1": ExportDocument,
    "run-1": RunDocument,
    "jupyter-1": JupyterDocument,
    "init-1": InitDocument,
    "prune-1": PruneDocument,
    "prepare-1": Preparation,
    "report-1": SupportArchive,
}

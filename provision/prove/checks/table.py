"""The table of checks, in the order in which one rests on the other. To add a check, add its row and its function.

The judge asks them, `reason` takes codes, headlines and fixes from here, the page its questions, the summary what it
tells, `kgpu-env doctor` its codes, and docs/proof.md its table (`tests/regenerate.py` writes it).
"""

from provision.model import LEVELS, Vendor, Verdict
from provision.prove.checks import container, curve, devices, libraries, load, numerics, placement
from provision.prove.checks.case import nothing
from provision.prove.checks.row import (
    ALWAYS,
    BOTH,
    CONTROL_PASSED,
    DISTRUST,
    ELSEWHERE,
    GPU,
    NO_GPU,
    NO_REPORT,
    NO_VERDICT,
    NOT_VISIBLE,
    ON_GPUS,
    ON_GPUS_WITH_TIME,
    OTHER_CODES,
    PASSED_WITHOUT_GPU,
    READ_LOG,
    UPGRADE,
    Code,
    Row,
    Scope,
    table_of,
)

CHECKS: tuple[Row, ...] = table_of(
    Row(
        name="started",
        question="Did the workload start?",
        description="did the engine start the container",
        function=container.started,
        without_record=container.started,
        scope=ALWAYS,
        required_for=BOTH,
        code=Code("KGE-502", "Not proved: the engine did not start the container with the GPU."),
        headline="the engine did not start the container, in words that no row of the catalogue knows",
        fix="What is wrong is not known: the engine's own log may tell (journalctl -u docker --since -5min).",
        in_summary=False,
    ),
    Row(
        name="reported",
        question="Did the workload end and report?",
        description="did the workload end well (before the teardown of its framework), and print one result with this "
        "run's number and a clock that can be right",
        function=container.reported,
        without_record=container.reported,
        scope=ALWAYS,
        required_for=BOTH,
        code=NO_REPORT,
        headline="{report}: {detail}",
        fix=READ_LOG,
        in_summary=False,
    ),
    Row(
        name="build",
        question="Is the framework a build for that vendor?",
        description="is the framework a CUDA or ROCm build",
        function=container.build,
        without_record=nothing,
        scope=Scope(only_gpus=True, levels=LEVELS, otherwise="every build trains on a CPU"),
        required_for=NO_VERDICT,
        code=Code("KGE-506", "Not proved: the framework was not built for that GPU vendor."),
        headline="{subject}'s {framework} is not built for {maker} GPUs{on_cpu}",
        fix=container.build_fix,
        in_summary=False,
    ),
    Row(
        name="label",
        question="Is the framework the one on the image's label?",
        description="is the framework inside of the label's version; a package may have put another over it",
        function=container.label,
        without_record=nothing,
        scope=ALWAYS,
        required_for=NO_VERDICT,
        code=Code("KGE-599", "Not proved: the framework inside is not the one on the image's label."),
        headline="{subject}'s label promises another {framework} than runs in it",
        fix="Build the image anew: kgpu-env build resolves the packages together, so that none replaces the framework.",
        in_summary=False,
    ),
    Row(
        name="visible",
        question="Is the GPU there, and its driver?",
        description="device nodes that open, a driver library that loads, as many GPUs listed as were asked for",
        function=container.visible,
        without_record=container.unasked,
        scope=ON_GPUS,
        required_for=GPU,
        code=NOT_VISIBLE,
        headline="the GPU is not usable {inside}{on_cpu}",
        fix=READ_LOG,
        in_summary=False,
    ),
    Row(
        name="host",
        question="Has this host the GPU, and was it handed in?",
        description="the host has a usable GPU of that maker, and the container was given it, whatever the image says",
        function=container.host,
        without_record=container.host,
        scope=ON_GPUS,
        required_for=GPU,
        code=NO_GPU,
        headline="{detail}{on_cpu}",
        fix=container.host_fix,
        in_summary=False,
    ),
    Row(
        name="machine",
        question="Did it train on this machine?",
        description="the kernel inside is this host's: the same boot id, or its process seen; unknown if neither tells",
        function=container.machine,
        without_record=nothing,
        scope=ON_GPUS,
        required_for=NO_VERDICT,
        code=Code("KGE-595", "Not proved: it trained on another machine than this host."),
        headline="it trained on another machine than this host",
        fix="Run kgpu-env verify on the machine whose engine that is, or point DOCKER_HOST at an engine of this one.",
        in_summary=False,
    ),
    Row(
        name="identity",
        question="Is it the GPU that was asked for?",
        description="each device inside is another GPU of those asked for, and none is missing: by UUID, PCI address "
        "or device node; architecture, memory and name do not say otherwise; unknown where one side does not tell",
        function=devices.identity,
        without_record=nothing,
        scope=ON_GPUS,
        required_for=NO_VERDICT,
        code=ELSEWHERE,
        headline="it trained on another GPU than the one asked for",
        fix="Name it by its UUID (--gpus GPU-...): the numbers count in PCI order.",
        in_summary=False,
    ),
    Row(
        name="placement",
        question="Did it train where it was told to?",
        description="every weight, gradient, loss and operation of the explicit step on the GPU, soft placement off",
        function=placement.placement,
        without_record=nothing,
        scope=ALWAYS,
        required_for=BOTH,
        code=ELSEWHERE,
        headline="not every part of the training was on the device asked for{on_cpu}",
        fix=READ_LOG,
        in_summary=False,
    ),
    Row(
        name="implicit",
        question="Does plain compile and fit use it?",
        description="`compile` and `fit` without a device use the GPU too",
        function=placement.implicit,
        without_record=nothing,
        scope=ALWAYS,
        required_for=BOTH,
        code=ELSEWHERE,
        headline="a model that names no device does not train on the device asked for{on_cpu}",
        fix=placement.implicit_fix,
        in_summary=False,
    ),
    Row(
        name="training",
        question="Did the model learn?",
        description="every loss curve falls below a bound that the data guarantee",
        function=placement.training,
        without_record=nothing,
        scope=ALWAYS,
        required_for=BOTH,
        code=Code("KGE-509", "Not proved: the training did not learn what its data can teach."),
        headline="the model did not learn",
        fix="Run it again; if it stays so, try another GPU of the host, then upgrade driver and firmware.",
        in_summary=False,
    ),
    Row(
        name="numerics",
        question="Does it compute what the CPU computes?",
        description="the same training on the CPU of the same container agrees within 0.001 per epoch, a fixed product "
        "within 0.0001",
        function=numerics.numerics,
        without_record=nothing,
        scope=Scope(only_gpus=True, levels=LEVELS, otherwise="the CPU has nothing to be compared with"),
        required_for=GPU,
        code=Code("KGE-580", "Not proved: the GPU does not compute what the CPU computes."),
        headline="the GPU does not compute what the CPU computes",
        fix=UPGRADE,
        in_summary=True,
    ),
    Row(
        name="curve",
        question="Is it the training that was asked for?",
        description="as many epochs as asked for, and each loss near the recorded one: within 5 % on a named device, "
        "25 % in `fit`, whose first weights are the framework's",
        function=curve.curve,
        without_record=nothing,
        scope=ALWAYS,
        required_for=BOTH,
        code=Code("KGE-596", "Not proved: its losses are not those of this model on this data."),
        headline="the losses are not those of this model on this data",
        fix=READ_LOG,
        in_summary=False,
    ),
    Row(
        name="work",
        question="Did it hold the model and run kernels?",
        description="peak device memory above the model's 407 080 bytes; the profiler's kernels where it may look",
        function=load.work,
        without_record=nothing,
        scope=ON_GPUS,
        required_for=NO_VERDICT,
        code=Code("KGE-581", "Not proved: the GPU was named, but did not hold the model."),
        headline="the GPU was named, but it did not hold the model",
        fix=READ_LOG,
        in_summary=False,
    ),
    Row(
        name="outside",
        question="Did the host see the process on it?",
        description="the host saw the process hold GPU memory (nvidia-smi, or amdgpu's KFD); unknown where it cannot",
        function=load.outside,
        without_record=nothing,
        scope=ON_GPUS,
        required_for=NO_VERDICT,
        code=None,
        headline="",
        fix="",
        in_summary=False,
    ),
    Row(
        name="speed",
        question="Is it as fast as it should be?",
        description="float32 products against the CPU beside it, and against the GPU's own peak; slower, below a "
        "fifth of the peak, or beyond it is a warning",
        function=load.speed,
        without_record=nothing,
        scope=ON_GPUS,
        required_for=NO_VERDICT,
        code=None,
        headline="",
        fix="",
        in_summary=True,
    ),
    Row(
        name="libraries",
        question="Do the GPU libraries work?",
        description="BLAS, convolution, LSTM, FFT, solver, sparse, XLA, mixed precision, collectives: works, wrong, "
        "missing, slow, not asked",
        function=libraries.libraries,
        without_record=nothing,
        scope=ON_GPUS_WITH_TIME,
        required_for=NO_VERDICT,
        code=Code("KGE-582", "Not proved: a GPU library is missing or computes wrong."),
        headline="a GPU library is missing or computes wrong",
        fix="A missing library: install the version that the stack pins. A wrong result: kgpu-env resolve --explain.",
        in_summary=False,
    ),
    Row(
        name="soak",
        question="Did it keep up for minutes?",
        description="with `--level soak`: results, memory patterns and rate over minutes",
        function=load.soak,
        without_record=nothing,
        scope=Scope(only_gpus=False, levels=("soak",), otherwise="asked for with --level soak --minutes N"),
        required_for=NO_VERDICT,
        code=Code("KGE-583", "Not proved: the GPU did not keep up under load."),
        headline="the GPU did not keep up under load",
        fix=UPGRADE,
        in_summary=True,
    ),
    Row(
        name="control",
        question="Does it fail without the GPU?",
        description="the same without its GPU is judged not proved; when it passes, the verdict is `invalid`",
        function=None,
        without_record=nothing,
        scope=ON_GPUS,
        required_for=GPU,
        code=CONTROL_PASSED,
        headline=PASSED_WITHOUT_GPU,
        fix=DISTRUST,
        in_summary=True,
    ),
)


def rows() -> tuple[Row, ...]:
    """Return the rows of the table, in its order."""
    return CHECKS


def row_of(name: str) -> Row | None:
    """Return the row of a check; None for a name that a proof of another version may hold."""
    return next((row for row in rows() if row.name == name), None)


def success_of(vendor: Vendor) -> Verdict:
    """Return the verdict of a training that did what was asked of it."""
    return Verdict.CPU if vendor is Vendor.CPU else Verdict.PROVED


def required(verdict: Verdict) -> frozenset[str]:
    """Return the checks of one run that must pass for a verdict; the control is a run of its own."""
    return frozenset(row.name for row in rows() if row.function and verdict in row.required_for)


def meanings() -> dict[str, str]:
    """Return what each code of a proof means."""
    codes = (*(row.code for row in rows() if row.code), *OTHER_CODES)
    return {code.id: code.meaning for code in sorted(set(codes))}

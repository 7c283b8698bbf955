"""The table of checks, in the order in which one rests on the other. To add a check, add its row and its function.

The judge asks them, `reason` takes codes, headlines and fixes from here, the page its questions, the summary what it
tells, `kgpu-env doctor` its codes, and docs/proof.md its table (`tests/regenerate.py` writes it).
"""

from typing import Final

from provision.model import LEVELS, Vendor, Verdict
from provision.prove.checks import container, devices, libraries, load, numerics, placement
from provision.prove.checks.case import Case, nothing
from provision.prove.checks.row import Asked, Code, Failure, Row

READ_LOG: Final = "Read the last lines of the log below; kgpu-env doctor checks the host."
PASSED_WITHOUT_GPU: Final = "the control run without the GPU passed as well: this proof shows nothing"
DISTRUST: Final = "Do not trust its results: it says GPU where there is none. Report it with --report."
UPGRADE: Final = "Upgrade driver and firmware, or take another stack: kgpu-env resolve --explain."

NO_CHECK: Final = frozenset[Verdict]()
GPU: Final = frozenset({Verdict.PROVED})
BOTH: Final = frozenset({Verdict.PROVED, Verdict.CPU})
ALWAYS: Final = Asked(only_gpus=False, levels=LEVELS, otherwise="")
ON_GPUS: Final = Asked(only_gpus=True, levels=LEVELS, otherwise="no GPU was asked for")

# Codes of causes that are no check, and those that several causes share.
NO_GPU: Final = Code(
    "KGE-501", "Not proved: the host has no usable GPU of that vendor, so the model trained on the CPU."
)
NO_REPORT: Final = Code(
    "KGE-503", "Not proved: the workload was killed, timed out, ran out of memory, or did not report."
)
NO_PYTHON: Final = Code("KGE-504", "Not proved: the image has no Python.")
NO_FRAMEWORK: Final = Code("KGE-505", "Not proved: the image has no framework to train with.")
NOT_VISIBLE: Final = Code("KGE-507", "Not proved: the GPU is not visible or not usable where the workload ran.")
ELSEWHERE: Final = Code("KGE-508", "Not proved: part of the training ran elsewhere than on the GPU asked for.")
CONTROL_PASSED: Final = Code(
    "KGE-584", "Invalid: the control run without the GPU passed too, so that the proof says nothing."
)
NOT_CONTROLLED: Final = Code("KGE-585", "Not proved: the control run without the GPU did not report.")


def _build_fix(case: Case) -> str:
    if case.expectation.here:
        return "Install the framework's build for that maker into this Python: kgpu-env resolve names its packages."
    return f"Build the image with kgpu-env build --vendor {case.expectation.vendor}."


def _implicit_fix(case: Case) -> str:
    record = placement.implicit_of(case.evidence)
    if record is not None and record.error:
        return READ_LOG
    return "Unset the variable or setting by which models that name no device go to the CPU."


CHECKS: tuple[Row, ...] = (
    Row(
        name="started",
        question="Did the workload start?",
        looks_at="did the engine start the container",
        judged=container.started,
        unrecorded=container.started,
        asked=ALWAYS,
        verdicts=BOTH,
        failure=Failure(
            Code("KGE-502", "Not proved: the engine did not start the container with the GPU."),
            "the engine did not start the container",
            "kgpu-env doctor checks engine and devices.",
        ),
        told=False,
    ),
    Row(
        name="reported",
        question="Did the workload end and report?",
        looks_at="did the workload end well (before the teardown of its framework), and print one result with this "
        "run's number and a clock that can be right",
        judged=container.reported,
        unrecorded=container.reported,
        asked=ALWAYS,
        verdicts=BOTH,
        failure=Failure(NO_REPORT, "{report}: {detail}", READ_LOG),
        told=False,
    ),
    Row(
        name="build",
        question="Is the framework a build for that vendor?",
        looks_at="is the framework a CUDA or ROCm build, of the version on the image's label",
        judged=container.build,
        unrecorded=nothing,
        asked=Asked(only_gpus=True, levels=LEVELS, otherwise="every build trains on a CPU"),
        verdicts=NO_CHECK,
        failure=Failure(
            Code("KGE-506", "Not proved: the framework was not built for that GPU vendor."),
            "{subject}'s {framework} is not built for {maker} GPUs{on_cpu}",
            _build_fix,
        ),
        told=False,
    ),
    Row(
        name="visible",
        question="Is the GPU there, and its driver?",
        looks_at="device nodes that open, a driver library that loads, as many GPUs listed as were asked for",
        judged=container.visible,
        unrecorded=container.unasked,
        asked=ON_GPUS,
        verdicts=GPU,
        failure=Failure(NOT_VISIBLE, "the GPU is not usable {inside}{on_cpu}", READ_LOG),
        told=False,
    ),
    Row(
        name="identity",
        question="Is it the GPU that was asked for?",
        looks_at="are UUID or PCI address inside those of the host; unknown where one side does not tell",
        judged=devices.identity,
        unrecorded=nothing,
        asked=ON_GPUS,
        verdicts=NO_CHECK,
        failure=Failure(
            ELSEWHERE,
            "it trained on another GPU than the one asked for",
            "Name it by its UUID (--gpus GPU-...): the numbers count in PCI order.",
        ),
        told=False,
    ),
    Row(
        name="placement",
        question="Did it train where it was told to?",
        looks_at="every weight, gradient, loss and operation of the explicit step on the GPU, soft placement off",
        judged=placement.placement,
        unrecorded=nothing,
        asked=ALWAYS,
        verdicts=BOTH,
        failure=Failure(ELSEWHERE, "not every part of the training was on the device asked for{on_cpu}", READ_LOG),
        told=False,
    ),
    Row(
        name="implicit",
        question="Does plain compile and fit use it?",
        looks_at="`compile` and `fit` without a device use the GPU too",
        judged=placement.implicit,
        unrecorded=nothing,
        asked=ALWAYS,
        verdicts=BOTH,
        failure=Failure(
            ELSEWHERE,
            "a model that names no device does not train on the device asked for{on_cpu}",
            _implicit_fix,
        ),
        told=False,
    ),
    Row(
        name="training",
        question="Did the model learn?",
        looks_at="every loss curve falls below a bound that the data guarantee",
        judged=placement.training,
        unrecorded=nothing,
        asked=ALWAYS,
        verdicts=BOTH,
        failure=Failure(
            Code("KGE-509", "Not proved: the training did not learn what its data can teach."),
            "the model did not learn",
            "Run it again; if it stays so, try another GPU of the host, then upgrade driver and firmware.",
        ),
        told=False,
    ),
    Row(
        name="numerics",
        question="Does it compute what the CPU computes?",
        looks_at="the same training on the CPU of the same container agrees within 0.001 per epoch, a fixed product "
        "within 0.0001",
        judged=numerics.numerics,
        unrecorded=nothing,
        asked=Asked(only_gpus=True, levels=LEVELS, otherwise="the CPU has nothing to be compared with"),
        verdicts=GPU,
        failure=Failure(
            Code("KGE-580", "Not proved: the GPU does not compute what the CPU computes."),
            "the GPU does not compute what the CPU computes",
            UPGRADE,
        ),
        told=True,
    ),
    Row(
        name="work",
        question="Did it hold the model and run kernels?",
        looks_at="peak device memory above the model's 407 080 bytes; the profiler's kernels where it may look",
        judged=load.work,
        unrecorded=nothing,
        asked=ON_GPUS,
        verdicts=NO_CHECK,
        failure=Failure(
            Code("KGE-581", "Not proved: the GPU was named, but did not hold the model."),
            "the GPU was named, but it did not hold the model",
            READ_LOG,
        ),
        told=False,
    ),
    Row(
        name="outside",
        question="Did the host see the process on it?",
        looks_at="the host saw the process hold GPU memory (nvidia-smi, or amdgpu's KFD); unknown where it cannot tell",
        judged=load.outside,
        unrecorded=nothing,
        asked=ON_GPUS,
        verdicts=NO_CHECK,
        failure=None,
        told=False,
    ),
    Row(
        name="speed",
        question="Is it as fast as it should be?",
        looks_at="float32 products against the CPU beside it, and against the GPU's own peak; slower, below a fifth of "
        "the peak, or beyond it is a warning",
        judged=load.speed,
        unrecorded=nothing,
        asked=ON_GPUS,
        verdicts=NO_CHECK,
        failure=None,
        told=True,
    ),
    Row(
        name="libraries",
        question="Do the GPU libraries work?",
        looks_at="BLAS, convolution, LSTM, FFT, solver, sparse, XLA, mixed precision, collectives: works, wrong, "
        "missing, slow, not asked",
        judged=libraries.libraries,
        unrecorded=nothing,
        asked=Asked(
            only_gpus=True,
            levels=("standard", "soak"),
            otherwise="tried on GPUs at the levels standard and soak",
        ),
        verdicts=NO_CHECK,
        failure=Failure(
            Code("KGE-582", "Not proved: a GPU library is missing or computes wrong."),
            "a GPU library is missing or computes wrong",
            "A missing library: install it in the version that the stack pins. A wrong result: kgpu-env resolve "
            "--explain.",
        ),
        told=False,
    ),
    Row(
        name="soak",
        question="Did it keep up for minutes?",
        looks_at="with `--level soak`: results, memory patterns and rate over minutes",
        judged=load.soak,
        unrecorded=nothing,
        asked=Asked(only_gpus=False, levels=("soak",), otherwise="asked for with --level soak --minutes N"),
        verdicts=NO_CHECK,
        failure=Failure(
            Code("KGE-583", "Not proved: the GPU did not keep up under load."),
            "the GPU did not keep up under load",
            UPGRADE,
        ),
        told=True,
    ),
    Row(
        name="control",
        question="Does it fail without the GPU?",
        looks_at="the same without its GPU is judged not proved; when it passes, the verdict is `invalid`",
        judged=None,
        unrecorded=nothing,
        asked=ON_GPUS,
        verdicts=GPU,
        failure=Failure(CONTROL_PASSED, PASSED_WITHOUT_GPU, DISTRUST),
        told=True,
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
    return frozenset(row.name for row in rows() if row.judged and verdict in row.verdicts)


def meanings() -> dict[str, str]:
    """Return what each code of a proof means."""
    codes = (*(row.failure.code for row in rows() if row.failure), NO_GPU, NO_PYTHON, NO_FRAMEWORK, NOT_CONTROLLED)
    return {code.id: code.meaning for code in sorted(set(codes))}

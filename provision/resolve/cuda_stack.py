"""Resolving for NVIDIA: runs the rules over the releases and assembles the stack."""

from provision.catalogue import Catalogue, rows
from provision.model import (
    Base,
    DriverVersion,
    Framework,
    Gpu,
    Host,
    Rejection,
    Request,
    Route,
    Settings,
    Stack,
    StackWarning,
    Vendor,
)
from provision.resolve import cuda
from provision.resolve.bases import choose_base, glibc, house_allows
from provision.resolve.common import confidence, machine, missing, names, site
from provision.resolve.cuda_rules import RELEASE_RULES, RUNTIME_RULES
from provision.resolve.outcome import Failure, Outcome, none_left, rejection, why_not_newer
from provision.resolve.require import brands_of
from provision.resolve.rules import Broken, all_broken


def cuda_facts(catalogue: Catalogue, host: Host, request: Request) -> cuda.Facts | Failure:
    """Return what the rules look at, or why they cannot be asked."""
    lacking = missing(host, "nvidia", "NVIDIA")
    driver = host.driver("nvidia")
    if lacking or driver is None or driver.version is None:
        return lacking or Failure("KGE-211", "The NVIDIA driver does not tell its version.")
    version = DriverVersion(driver.version)
    branch = catalogue.branch_of(version)
    reads = branch.cuda if branch else "0"
    return cuda.Facts(catalogue, request, version, reads, host.gpus_of("nvidia"), machine(host), host.wsl)


def resolve_cuda(catalogue: Catalogue, host: Host, request: Request) -> Outcome:
    """Return the newest stack for the host's NVIDIA GPUs, or why there is none."""
    facts = cuda_facts(catalogue, host, request)
    if isinstance(facts, Failure):
        return facts
    rejected: list[Rejection] = []
    for release in catalogue.tensorflow:
        chosen = cuda.choose(facts, release)
        if not isinstance(chosen, cuda.Candidate):
            rejected.append(rejection(chosen[0].label, chosen[1]))
            continue
        base = base_of(chosen)
        if isinstance(base, Broken):
            rejected.append(rejection(chosen.label, base))
            continue
        return _cuda_stack(chosen, base, rejected)
    return none_left(rejected, f"driver {facts.driver} with {names(facts.gpus)}")


def base_of(chosen: cuda.TensorFlow) -> rows.BaseImage | rows.CudaBase | Broken:
    """Return the image that a candidate starts from, or the rule that no image satisfies."""
    base, request = chosen.base, chosen.facts.request
    if base is None:
        return choose_base(chosen.facts.catalogue, request, chosen.release)
    if request.python not in (None, base.python) or base.python not in chosen.release.python:
        reason = f"{base.image} has Python {base.python}"
        return Broken("requested-python" if request.python else "python", reason, base.source)
    return house_allows(chosen.facts.catalogue, base) or glibc(chosen.release, base) or base


def _cuda_stack(chosen: cuda.TensorFlow, base: rows.BaseImage | rows.CudaBase, rejected: list[Rejection]) -> Stack:
    release, gpus = chosen.release, chosen.facts.gpus
    # XLA of today's builds aborts on some GPUs, and Keras 3 switches it on by itself when it sees a GPU.
    capabilities = [chosen.facts.catalogue.capability(gpu.architecture or "") for gpu in gpus]
    no_xla = [row for row in capabilities if row and not row.xla]
    env = {"LD_LIBRARY_PATH": cuda.library_path(chosen).format(site=site(base.python))}
    return Stack(
        vendor=Vendor.CUDA,
        route=Route.IMAGE if chosen.base else Route.WHEELS,
        framework=Framework(name="tensorflow", version=release.version),
        runtime=Framework(name="cuda", version=chosen.cuda),
        python=base.python,
        base=Base(image=base.image),
        python_in_base=isinstance(base, rows.BaseImage) and base.family == "image",
        packages=cuda.packages(chosen),
        settings=Settings(
            jit_compile=False if no_xla else "auto", env={key: value for key, value in env.items() if value}
        ),
        gpus=tuple(sorted({gpu.architecture or "" for gpu in gpus})),
        summary=(
            f"TensorFlow {release.version}, CUDA {chosen.cuda}, cuDNN {chosen.cudnn}, "
            f"Python {base.python} on {base.image}"
        ),
        why=why_not_newer(rejected),
        local_base=base.suite if isinstance(base, rows.BaseImage) else None,
        warnings=(*_cuda_warnings(chosen, no_xla), *_forward(chosen)),
        rejected=tuple(rejected),
    )


def _forward(chosen: cuda.TensorFlow) -> tuple[StackWarning, ...]:
    """Tell of forward compatibility where the driver alone stands in the way, and the GPUs may have it."""
    facts = chosen.facts
    if facts.wsl or not all(_data_centre(gpu) for gpu in facts.gpus):
        return ()
    releases = facts.catalogue.tensorflow
    newer = releases[: releases.index(chosen.release)]
    for candidate in (one for release in newer for one in cuda.runtimes(facts, release)):
        broken = all_broken((*RELEASE_RULES, *RUNTIME_RULES), candidate)
        if broken and broken <= {"ptx-driver", "driver-minimum"}:
            text = (
                f"data-centre GPUs may run {candidate.label} on this driver with NVIDIA's cuda-compat package in the "
                "image; which driver branches it accepts is not in the catalogue, so it is not used "
                "[docs.nvidia.com/deploy/cuda-compatibility, forward compatibility]"
            )
            return (StackWarning(code="forward-compatibility", text=text),)
    return ()


def _data_centre(gpu: Gpu) -> bool:
    name = (gpu.name or "").lower()
    return bool(brands_of(gpu) & {"tesla", "nvidia"}) and "rtx" not in name


def _cuda_warnings(chosen: cuda.TensorFlow, no_xla: list[rows.Capability]) -> tuple[StackWarning, ...]:
    found = [
        StackWarning(
            code="jit-compile-off",
            text=f"XLA fails on {row.name} ({row.capability}) with this TensorFlow: train with jit_compile=False "
            f"[{row.source}]",
        )
        for row in no_xla[:1]
    ]
    compiled = {
        gpu.architecture or ""
        for gpu in chosen.facts.gpus
        if not cuda.runs_as_machine_code(cuda.capability_of(gpu), chosen.release.sass)
    }
    if compiled:
        found.append(
            StackWarning(
                code="compiled-by-driver",
                text=f"the wheel has PTX only for {', '.join(sorted(compiled))}: the driver compiles it, so the first "
                "start takes minutes (set CUDA_CACHE_PATH to a volume to keep the result)",
            )
        )
    return tuple(found) + confidence(chosen.release, *([chosen.base] if chosen.base else []))

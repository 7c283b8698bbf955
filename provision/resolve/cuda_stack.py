"""Resolving for NVIDIA: runs the rules over the releases and assembles the stack."""

from provision.catalogue import Catalogue, rows
from provision.model import (
    Base,
    DriverVersion,
    Framework,
    Host,
    Request,
    Route,
    Settings,
    Stack,
    StackWarning,
    Vendor,
)
from provision.resolve import cuda
from provision.resolve.bases import choose_base, glibc, house_allows
from provision.resolve.common import confidence, machine, missing, site
from provision.resolve.cuda_candidate import AnyCandidate
from provision.resolve.cuda_rules import RELEASE_RULES, RUNTIME_RULES
from provision.resolve.forward_compat import compat_of, data_centre
from provision.resolve.outcome import Failure
from provision.resolve.rule_names import RuleName
from provision.resolve.rules import Broken, all_broken


def cuda_facts(catalogue: Catalogue, host: Host, request: Request) -> cuda.Facts | Failure:
    """Return what the rules look at, or why they cannot be asked."""
    lacking = missing(host, Vendor.CUDA)
    driver = host.driver("nvidia")
    if lacking or driver is None or driver.version is None:
        return lacking or Failure("KGE-211", "The NVIDIA driver does not tell its version.")
    version = DriverVersion(driver.version)
    branch = catalogue.branch_of(version)
    reads = branch.cuda if branch else "0"
    return cuda.Facts(catalogue, request, version, reads, host.gpus_of("nvidia"), machine(host), host.wsl)


def base_of(chosen: cuda.TensorFlow) -> rows.BaseImage | rows.CudaBase | Broken:
    """Return the image that a candidate starts from, or the rule that no image satisfies."""
    base, request = chosen.base, chosen.facts.request
    if base is None:
        return plain_base(chosen)
    if request.python not in (None, base.python) or base.python not in chosen.release.python:
        reason = f"{base.image} has Python {base.python}"
        return Broken(RuleName.REQUESTED_PYTHON if request.python else RuleName.PYTHON, reason, base.source)
    return house_allows(chosen.facts.catalogue, base) or glibc(chosen.release, base) or base


def plain_base(chosen: AnyCandidate) -> rows.BaseImage | Broken:
    """Return the image without CUDA that a candidate starts from, or the rule that none satisfies."""
    return choose_base(chosen.facts.catalogue, chosen.facts.request, chosen.release)


def cuda_stack(chosen: cuda.TensorFlow, base: rows.BaseImage | rows.CudaBase) -> Stack:
    """Return the stack of a candidate that breaks no rule."""
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
        local_base=base.suite if isinstance(base, rows.BaseImage) else None,
        warnings=(*_cuda_warnings(chosen, no_xla), *_forward(chosen)),
    )


def _forward(chosen: cuda.TensorFlow) -> tuple[StackWarning, ...]:
    """Tell of the cuda-compat library that the stack rests on, or that a newer one could rest on."""
    facts = chosen.facts
    used = compat_of(facts, chosen.base)
    if used:
        text = (
            f"the image's cuda-compat {used.cuda} stands in for the libcuda of driver {facts.driver}, as it may for "
            f"R{facts.driver.branch} on data-centre GPUs; NVIDIA's container toolkit puts it in front, so the "
            f"container has to be started through it [{used.source}]"
        )
        return (StackWarning(code="forward-compatibility", text=text),)
    releases = facts.catalogue.tensorflow
    newer = releases[: releases.index(chosen.release)]
    if facts.request.base or not newer or not all(map(data_centre, facts.gpus)):
        return ()
    bases = facts.catalogue.images.cuda_bases
    known = [(base, row) for base in bases if (row := compat_of(facts, base, doubtful=True))]
    for release in newer:
        for base, row in known:
            candidate = cuda.Candidate(facts, release, base.cuda, base.cudnn, base)
            if _serves(row, candidate):
                return (_offer(row, candidate, base),)
    return ()


def _serves(row: rows.ForwardCompat, candidate: cuda.TensorFlow) -> bool:
    """Tell whether nothing but the age of the driver's libcuda stands in the way."""
    every = (*RELEASE_RULES, *RUNTIME_RULES)
    if isinstance(base_of(candidate), Broken) or not all_broken(every, candidate) <= {"ptx-driver", "driver-minimum"}:
        return False
    replaced = candidate.facts._replace(driver=DriverVersion(row.driver), driver_cuda=row.cuda)
    return not all_broken(every, candidate._replace(facts=replaced))


def _offer(row: rows.ForwardCompat, candidate: cuda.TensorFlow, base: rows.CudaBase) -> StackWarning:
    branch, sure = candidate.facts.driver.branch, row.confidence == "confirmed"
    doubt = "" if sure else f"; that is {row.confidence}, so it is not used"
    text = (
        f"--base {base.image} {'gives' if sure else 'may give'} {candidate.label} on this driver: the image's "
        f"cuda-compat {row.cuda} is a newer libcuda that serves R{branch} on data-centre GPUs{doubt} [{row.source}]"
    )
    return StackWarning(code="forward-compatibility", text=text)


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
                "start takes minutes; kgpu-env run and the exports keep the result, a plain docker run needs "
                "CUDA_CACHE_PATH on a volume",
            )
        )
    return tuple(found) + confidence(chosen.release, *([chosen.base] if chosen.base else []))

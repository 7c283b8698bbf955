"""Resolving for one vendor: runs the rules over the candidates and assembles the stack."""

from typing import assert_never

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
from provision.resolve import cuda, rocm
from provision.resolve.bases import choose_base
from provision.resolve.outcome import Failure, Outcome, none_left, rejection, why_not_newer
from provision.resolve.rules import Broken, first_broken, matches

VENV = "/opt/venv"  # where every image has its Python environment


def resolve_vendor(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> Outcome:
    """Return the newest stack of `vendor` for the host, or why there is none."""
    match vendor:
        case Vendor.CUDA:
            return _cuda(catalogue, host, request)
        case Vendor.ROCM:
            return _rocm(catalogue, host, request)
        case Vendor.CPU:
            return _cpu(catalogue, host, request)
        case Vendor.AUTO:
            raise ValueError("auto is decided before a vendor is resolved")
        case _:
            assert_never(vendor)


def _site(python: str) -> str:
    return f"{VENV}/lib/python{python}/site-packages"


def _missing(host: Host, maker: str, label: str) -> Failure | None:
    if not host.gpus_of(maker):
        looked = ", ".join(host.looked_at) or "the host file"
        return Failure(
            "KGE-210",
            f"No {label} GPU found on this host.",
            why=f"looked at: {looked}",
            fix="take another --vendor, or name another machine with --host FILE (kgpu-env probe --json, run there)",
        )
    if host.driver(maker) is None:
        told = [one for one in host.findings if one.severity == "error"]
        return Failure(
            "KGE-211",
            f"There is an {label} GPU, but its driver is not loaded.",
            why=told[0].text if told else "no kernel driver answers for it",
            fix=(told[0].fix if told else "") or "install and load the driver, then run kgpu-env doctor",
        )
    unknown = [gpu for gpu in host.gpus_of(maker) if gpu.architecture is None]
    if unknown:
        return Failure(
            "KGE-213",
            f"The architecture of the {label} GPU {unknown[0].pci or unknown[0].name or ''} is not known.",
            why="neither the driver's files nor its tools tell, and the device is not in the catalogue",
            fix="run kgpu-env probe on that host with nvidia-smi in PATH, or set gpus[].architecture in the host file",
        )
    return None


def _cuda(catalogue: Catalogue, host: Host, request: Request) -> Outcome:
    missing = _missing(host, "nvidia", "NVIDIA")
    driver = host.driver("nvidia")
    if missing or driver is None or driver.version is None:
        return missing or Failure("KGE-211", "The NVIDIA driver does not tell its version.")
    version = DriverVersion(driver.version)
    branch = catalogue.branch_of(version)
    facts = cuda.Facts(
        catalogue,
        request,
        version,
        branch.cuda if branch else "0",
        host.gpus_of("nvidia"),
        host.architecture,
        host.wsl,
    )
    rejected: list[Rejection] = []
    for release in catalogue.tensorflow:
        chosen = cuda.choose(facts, release)
        if not isinstance(chosen, cuda.Candidate):
            rejected.append(rejection(chosen[0].label, chosen[1]))
            continue
        base = _cuda_base(catalogue, request, chosen)
        if isinstance(base, Broken):
            rejected.append(rejection(chosen.label, base))
            continue
        return _cuda_stack(chosen, base, rejected)
    return none_left(rejected, f"driver {version} with {_names(facts.gpus)}")


def _cuda_base(
    catalogue: Catalogue, request: Request, chosen: cuda.Candidate
) -> rows.BaseImage | rows.CudaBase | Broken:
    base = chosen.base
    if base is None:
        return choose_base(catalogue, request, chosen.release)
    if request.python not in (None, base.python) or base.python not in chosen.release.python:
        reason = f"{base.image} has Python {base.python}"
        return Broken("requested-python" if request.python else "python", reason, base.source)
    return base


def _cuda_stack(chosen: cuda.Candidate, base: rows.BaseImage | rows.CudaBase, rejected: list[Rejection]) -> Stack:
    release, gpus = chosen.release, chosen.facts.gpus
    # XLA of today's builds aborts on some GPUs, and Keras 3 switches it on by itself when it sees a GPU.
    capabilities = [chosen.facts.catalogue.capability(gpu.architecture or "") for gpu in gpus]
    no_xla = [row for row in capabilities if row and not row.xla]
    env = {"LD_LIBRARY_PATH": cuda.library_path(chosen).format(site=_site(base.python))}
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
        warnings=_cuda_warnings(chosen, no_xla),
        rejected=tuple(rejected),
    )


def _cuda_warnings(chosen: cuda.Candidate, no_xla: list[rows.Capability]) -> tuple[StackWarning, ...]:
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
    return tuple(found) + _confidence(chosen.release, *([chosen.base] if chosen.base else []))


def _confidence(*used: rows.Row) -> tuple[StackWarning, ...]:
    return tuple(
        StackWarning(
            code=row.confidence,
            text=f"{row.id} is {row.confidence}: {row.note or 'see its source'} [{row.source}]",
        )
        for row in used
        if row.confidence != "confirmed"
    )


def _rocm(catalogue: Catalogue, host: Host, request: Request) -> Outcome:
    missing = _missing(host, "amd", "AMD")
    driver = host.driver("amd")
    if missing or driver is None:
        return missing or Failure("KGE-211", "The amdgpu driver is not loaded.")
    gpus = host.gpus_of("amd")
    # A processor's own graphics beside a card is not what the environment is for.
    gpus = tuple(gpu for gpu in gpus if not gpu.integrated) or gpus
    window = rocm.window_of(catalogue, driver)
    facts = rocm.Facts(catalogue, request, driver, window, gpus, host.architecture, host.wsl)
    rejected: list[Rejection] = []
    for candidate in rocm.candidates(facts):
        broken = first_broken(rocm.RULES, candidate)
        if broken is None:
            return _rocm_stack(candidate, rejected)
        rejected.append(rejection(candidate.label, broken))
    name = driver.release or driver.version or "the kernel's own driver"
    return none_left(rejected, f"amdgpu {name} with {_names(gpus)}")


def _rocm_stack(candidate: rocm.Candidate, rejected: list[Rejection]) -> Stack:
    build, facts = candidate.build, candidate.facts
    wheel = candidate.wheel
    env = {}
    if wheel and wheel.indexes:  # the Core SDK's wheels are not on the loader's path by themselves
        site = _site(build.python)
        parts = ("_rocm_sdk_core/lib", "_rocm_sdk_core/lib/rocm_sysdeps/lib", "_rocm_sdk_libraries/lib")
        env["LD_LIBRARY_PATH"] = ":".join(f"{site}/{part}" for part in parts)
    return Stack(
        vendor=Vendor.ROCM,
        route=Route.WHEELS if wheel and wheel.indexes else Route.IMAGE,
        framework=Framework(name="tensorflow", version=build.tensorflow),
        runtime=Framework(name="rocm", version=build.version),
        python=build.python,
        base=Base(image=candidate.base),
        framework_in_base=wheel is None,
        packages=rocm.packages(candidate, facts.gpus),
        indexes=wheel.indexes if wheel else (),
        find_links=wheel.find_links if wheel else None,
        settings=Settings(env=env),
        gpus=tuple(sorted({gpu.architecture or "" for gpu in facts.gpus})),
        summary=f"ROCm {build.version}, TensorFlow {build.tensorflow}, Python {build.python} ({candidate.base})",
        why=why_not_newer(rejected),
        warnings=_rocm_warnings(candidate),
        rejected=tuple(rejected),
    )


def _rocm_warnings(candidate: rocm.Candidate) -> tuple[StackWarning, ...]:
    facts = candidate.facts
    found: list[StackWarning] = []
    if facts.driver.flavour == "inbox":
        text = "the kernel's own amdgpu driver is in none of AMD's tables: only the proof will tell"
        found.append(StackWarning(code="inbox-driver", text=text))
    elif facts.window and facts.driver.version not in (None, *facts.window.sysfs):
        text = f"amdgpu {facts.driver.version} is not in the catalogue; taken for release {facts.window.release}"
        found.append(StackWarning(code="driver-unlisted", text=text))
    used = [candidate.build, *([facts.window] if facts.window else [])]
    return tuple(found) + _confidence(*used)


def _cpu(catalogue: Catalogue, host: Host, request: Request) -> Outcome:
    rejected: list[Rejection] = []
    for release in catalogue.tensorflow:
        label = f"TensorFlow {release.version}"
        if not matches(release.version, request.tensorflow):
            asked = Broken("requested-tensorflow", f"TensorFlow {request.tensorflow} was asked for", cuda.REQUESTED)
            rejected.append(rejection(label, asked))
            continue
        base = choose_base(catalogue, request, release)
        if isinstance(base, Broken):
            rejected.append(rejection(label, base))
            continue
        return _cpu_stack(host, release, base, rejected)
    return none_left(rejected, "this host")


def _cpu_stack(host: Host, release: rows.TensorFlowRelease, base: rows.BaseImage, rejected: list[Rejection]) -> Stack:
    # Off x86 the plain wheel has no GPU code and tensorflow-cpu is not published.
    wheel = "tensorflow-cpu" if host.architecture in {"x86_64", "amd64"} else "tensorflow"
    return Stack(
        vendor=Vendor.CPU,
        route=Route.WHEELS,
        framework=Framework(name="tensorflow", version=release.version),
        runtime=Framework(name="cpu", version=host.architecture),
        python=base.python,
        base=Base(image=base.image),
        python_in_base=base.family == "image",
        packages=(f"{wheel}=={release.version}", *release.requires),
        summary=f"TensorFlow {release.version} for the CPU, Python {base.python} on {base.image}",
        why=why_not_newer(rejected),
        local_base=base.suite,
        rejected=tuple(rejected),
    )


def _names(gpus: tuple[Gpu, ...]) -> str:
    kinds = sorted({f"{gpu.name or 'GPU'} ({gpu.architecture})" for gpu in gpus})
    return ", ".join(kinds)

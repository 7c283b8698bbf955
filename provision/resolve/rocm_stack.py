"""Resolving for AMD: runs the rules over the builds and assembles the stack."""

from provision.catalogue import Catalogue
from provision.model import Base, Framework, Host, Request, Route, Settings, Stack, StackWarning, Vendor
from provision.resolve import rocm
from provision.resolve.common import confidence, machine, missing, names, site
from provision.resolve.outcome import Failure, Outcome, outcome
from provision.resolve.rocm_candidate import Candidate, Facts, TensorFlow, devices
from provision.resolve.trial import Single, Way


def rocm_facts(catalogue: Catalogue, host: Host, request: Request) -> Facts | Failure:
    """Return what the rules look at, or why they cannot be asked."""
    lacking = missing(host, Vendor.ROCM)
    driver = host.driver("amd")
    if lacking or driver is None:
        return lacking or Failure("KGE-211", "The amdgpu driver is not loaded.")
    gpus = host.gpus_of("amd")
    # A processor's own graphics beside a card is not what the environment is for.
    gpus = tuple(gpu for gpu in gpus if not gpu.integrated) or gpus
    window = rocm.window_of(catalogue, driver)
    return Facts(catalogue, request, driver, window, gpus, machine(host), host.wsl)


def resolve_rocm(catalogue: Catalogue, host: Host, request: Request) -> Outcome:
    """Return the newest stack for the host's AMD GPUs, or why there is none."""
    facts = rocm_facts(catalogue, host, request)
    if isinstance(facts, Failure):
        return facts
    name = facts.driver.release or facts.driver.version or "the kernel's own driver"
    trials = (Single(_WAY, candidate) for candidate in rocm.candidates(facts))
    return outcome(trials, lambda: f"amdgpu {name} with {names(facts.gpus)}", request)


def _stack(candidate: TensorFlow, base: str) -> Stack:
    build, facts = candidate.build, candidate.facts
    wheel = candidate.wheel
    return Stack(
        vendor=Vendor.ROCM,
        route=Route.WHEELS if wheel and wheel.indexes else Route.IMAGE,
        framework=Framework(name="tensorflow", version=build.tensorflow),
        runtime=Framework(name="rocm", version=build.version),
        python=build.python,
        base=Base(image=base),
        framework_in_base=wheel is None,
        packages=tuple(devices(text, facts.gpus) for text in wheel.packages) if wheel else (),
        indexes=wheel.indexes if wheel else (),
        find_links=wheel.find_links if wheel else None,
        settings=Settings(env=core_sdk(build.python) if wheel and wheel.indexes else {}),
        gpus=tuple(sorted({gpu.architecture or "" for gpu in facts.gpus})),
        summary=f"ROCm {build.version}, TensorFlow {build.tensorflow}, Python {build.python} ({base})",
        warnings=rocm_warnings(candidate),
    )


_WAY = Way(rocm.RULES, lambda candidate: candidate.base, _stack)


def core_sdk(python: str) -> dict[str, str]:
    """Return what the Core SDK's wheels need to be found: they are not on the loader's path by themselves."""
    parts = ("_rocm_sdk_core/lib", "_rocm_sdk_core/lib/rocm_sysdeps/lib", "_rocm_sdk_libraries/lib")
    return {"LD_LIBRARY_PATH": ":".join(f"{site(python)}/{part}" for part in parts)}


def rocm_warnings(candidate: Candidate) -> tuple[StackWarning, ...]:
    """Return what is doubtful about a driver and a build."""
    facts = candidate.facts
    found: list[StackWarning] = []
    if facts.driver.flavour == "inbox":
        text = "the kernel's own amdgpu driver is in none of AMD's tables: only the proof will tell"
        found.append(StackWarning(code="inbox-driver", text=text))
    elif facts.window and facts.driver.version not in (None, *facts.window.sysfs):
        text = f"amdgpu {facts.driver.version} is not in the catalogue; taken for release {facts.window.release}"
        found.append(StackWarning(code="driver-unlisted", text=text))
    used = [candidate.build, *([facts.window] if facts.window else [])]
    return tuple(found) + confidence(*used)

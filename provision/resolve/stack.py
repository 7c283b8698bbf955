"""From a candidate that breaks no rule to the stack: what is installed on which base, its settings and warnings."""

from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Final

from msgspec.structs import replace

from provision.catalogue import LISTING, rows
from provision.model import Base, DriverVersion, Framework, Rejection, Route, Settings, Stack, StackWarning
from provision.model.inside import VENV
from provision.resolve.candidate import Build, Candidate, Facts
from provision.resolve.explain import why_not_newer
from provision.resolve.forward_compat import compat_of, data_centre
from provision.resolve.knowledge_gap import age
from provision.resolve.nvidia import capability_of, runs_as_machine_code
from provision.resolve.rule_names import RuleName
from provision.resolve.rules import OF_PART, Asked, all_broken
from provision.resolve.vendors import KNOWLEDGE

# What a newer libcuda may fix, and with it the image that brings it.
_OF_LIBCUDA: Final = {RuleName.PTX_DRIVER, RuleName.DRIVER_MINIMUM, RuleName.CUDA_FROM_BASE}
_INBOX: Final = "the kernel's own {driver} driver is in none of {maker}'s tables: only the proof will tell"


def assemble(candidate: Candidate, rejected: tuple[Rejection, ...], newer: Sequence[Build]) -> Stack:
    """Return the stack of a candidate that breaks no rule.

    Args:
        candidate: with its base.
        rejected: what was tried before it and gave none.
        newer: the builds of the same framework among it.
    """
    facts, build, runtime, base = candidate.facts, candidate.build, candidate.runtime, candidate.base
    title = build.title if build.backend == "tensorflow" else f"Keras on {build.title}"
    no_xla = [row for row in facts.capabilities if row and not row.xla] if build.backend == "tensorflow" else []
    return Stack(
        vendor=build.vendor,
        route=Route.IMAGE if runtime.in_base else Route.WHEELS,
        framework=Framework(name=build.backend, version=build.version),
        backend=build.backend,
        runtime=Framework(name=build.vendor.value, version=runtime.version or facts.architecture),
        python=base.python,
        base=Base(image=base.image),
        python_in_base=base.has_python,
        framework_in_base=base.has_framework,
        packages=KNOWLEDGE[build.vendor].packages(candidate),
        indexes=build.indexes,
        find_links=build.find_links,
        # XLA of today's builds aborts on some GPUs, and Keras 3 switches it on by itself when it sees a GPU.
        settings=Settings(jit_compile=False if no_xla else "auto", env=_environment(candidate)),
        gpus=facts.targets,
        summary=build.summary.format(
            framework=title, runtime=runtime.version, cudnn=runtime.cudnn, python=base.python, base=base.image
        ),
        why=why_not_newer(rejected),
        local_base=base.suite,
        warnings=(
            *_driver(candidate),
            *_compiling(candidate, no_xla),
            *_known_defects(candidate),
            *_confidence(candidate),
            *_forward(candidate, newer),
        ),
        rejected=rejected,
    )


def _environment(candidate: Candidate) -> dict[str, str]:
    site = f"{VENV}/lib/python{candidate.base.python}/site-packages"
    folders = [f"{site}/{folder}" for folder in KNOWLEDGE[candidate.build.vendor].libraries(candidate)]
    found = {"LD_LIBRARY_PATH": ":".join(folders)} if folders else {}
    return found | {name: value for row in _defects(candidate) for name, value in row.env.items()}


def _defects(candidate: Candidate) -> list[rows.KnownDefect]:
    """Return what is known to go wrong with the framework, this release of the runtime and these GPUs."""
    build, targets = candidate.build, set(candidate.facts.targets)
    if build.vendor not in LISTING:
        return []
    return [
        row
        for row in candidate.facts.catalogue.listed(build.vendor).defects
        if candidate.runtime.series in row.series
        and build.backend in row.backends
        and (not row.versions or build.version in row.versions)
        and (not row.targets or targets & set(row.targets))
    ]


def _known_defects(candidate: Candidate) -> list[StackWarning]:
    found = []
    for row in _defects(candidate):
        doubt = "" if row.confidence == "confirmed" else f" ({row.confidence}: {row.note})"
        found.append(StackWarning(code="known-defect", text=f"{row.told}{doubt} [{row.source}]"))
    return found


def _driver(candidate: Candidate) -> list[StackWarning]:
    """Return what is doubtful about a driver that has to be in a table."""
    driver, window, vendor = candidate.facts.driver, candidate.facts.window, candidate.build.vendor
    if driver is None:
        return []
    if not candidate.runtime.series:
        return _branch(candidate)
    if driver.flavour == "inbox":
        text = _INBOX.format(driver=vendor.row.kernel_driver, maker=vendor.maker)
        return [StackWarning(code="inbox-driver", text=text)]
    released = ".".join((driver.release or "").split(".")[:2])
    listed = window is None or (window.release == released if released else driver.version in {None, *window.sysfs})
    if window and not listed:
        own = f"{driver.version} is" if not released else f"{released}: the releases of ROCm that it runs are"
        text = f"{vendor.row.kernel_driver} {own} not in the catalogue; taken for release {window.release}"
        return [StackWarning(code="driver-unlisted", text=text)]
    return []


def _branch(candidate: Candidate) -> list[StackWarning]:
    """Return a warning about a driver branch without a row: what it runs was told by the branch before it."""
    facts = candidate.facts
    known = facts.catalogue.branch_of(facts.version) if facts.version and not facts.wsl else None
    if known is None or facts.version is None or known.branch == facts.version.branch:
        return []
    told = f"driver branch R{facts.version.branch} is not in the catalogue ({age(facts.catalogue)})"
    return [StackWarning(code="driver-unlisted", text=f"{told}; taken for R{known.branch}, CUDA {known.cuda}")]


def _compiling(candidate: Candidate, no_xla: list[rows.Capability]) -> list[StackWarning]:
    """Return what is to be known of a TensorFlow that compiles for the GPU, or must not."""
    found = [
        StackWarning(
            code="jit-compile-off",
            text=f"XLA fails on {row.name} ({row.capability}) with this TensorFlow: train with jit_compile=False "
            f"[{row.source}]",
        )
        for row in no_xla[:1]
    ]
    build = candidate.build
    gpus = candidate.facts.gpus if build.sass and build.backend == "tensorflow" else ()
    compiled = {gpu.architecture or "" for gpu in gpus if not runs_as_machine_code(capability_of(gpu), build.sass)}
    if compiled:
        found.append(
            StackWarning(
                code="compiled-by-driver",
                text=f"the wheel has PTX only for {', '.join(sorted(compiled))}: the driver compiles it, so the first "
                "start takes minutes; kgpu-env run and the exports keep the result, a plain docker run needs "
                "CUDA_CACHE_PATH on a volume",
            )
        )
    return found


def _confidence(candidate: Candidate) -> list[StackWarning]:
    """Return a warning for each row that is not confirmed: of build, image with the runtime, driver, or WSL2."""
    below = candidate.build.wsl if candidate.facts.wsl else None
    used = (candidate.build.row, candidate.base.row, candidate.facts.window, below)
    found = [
        StackWarning(
            code=row.confidence,
            text=f"{row.id} is {row.confidence}: {row.note or 'see its source'} [{row.source}]",
        )
        for row in used
        if row and row.confidence != "confirmed"
    ]
    if doubtful := candidate.doubted:
        text = f"that {candidate.label} serves {' and '.join(doubtful)} is unconfirmed: only the proof will tell"
        found.insert(0, StackWarning(code="unconfirmed", text=f"{text} [{candidate.build.row.source}]"))
    return found


def _forward(candidate: Candidate, newer: Sequence[Build]) -> list[StackWarning]:
    """Tell of the cuda-compat library that a stack rests on, or that a newer one could rest on."""
    facts, version = candidate.facts, candidate.facts.version
    used = compat_of(facts, candidate.runtime.base)
    if used and version:
        text = (
            f"the image's cuda-compat {used.cuda} stands in for the libcuda of driver {version}, as it may for "
            f"R{version.branch} on data-centre GPUs; NVIDIA's container toolkit puts it in front, so the "
            f"container has to be started through it [{used.source}]"
        )
        return [StackWarning(code="forward-compatibility", text=text)]
    if version is None or facts.wishes.base or not newer or not all(map(data_centre, facts.gpus)):
        return []
    offers = (_offer(*found, version.branch) for found in _on_images(facts, newer) if _serves(*found))
    return list(islice(offers, 1))


def _on_images(facts: Facts, builds: Sequence[Build]) -> Iterator[tuple[Candidate, rows.ForwardCompat]]:
    """Yield builds on each image whose cuda-compat library serves the hosts, or may do so."""
    known, catalogue = KNOWLEDGE[facts.vendor], facts.catalogue
    served = [(row.image, one) for row in known.images(catalogue) if (one := compat_of(facts, row, doubtful=True))]
    rules = OF_PART["build"]
    doubted = (one for one in builds if Asked(rules, Candidate(facts, one, one.runtimes[0])).broken <= _OF_LIBCUDA)
    for build, (name, library) in product(doubted, served):
        on_image = known.on_base(catalogue, build, name)
        if image := on_image.runtimes[0].image:  # other wheels than TensorFlow's bring their own CUDA
            yield Candidate(facts, on_image, on_image.runtimes[0], image), library


def _serves(candidate: Candidate, library: rows.ForwardCompat) -> bool:
    """Tell whether nothing but the age of the driver's libcuda stands in the way."""
    if any(broken.rule not in _OF_LIBCUDA for broken in all_broken(candidate)):
        return False
    replaced = replace(candidate.facts, version=DriverVersion(library.driver), cuda=library.cuda)
    return not any(all_broken(replace(candidate, facts=replaced)))


def _offer(candidate: Candidate, library: rows.ForwardCompat, branch: str) -> StackWarning:
    sure = library.confidence == "confirmed"
    doubt = "" if sure else f"; that is {library.confidence}, so it is not used"
    text = (
        f"--base {candidate.base.image} {'gives' if sure else 'may give'} {candidate.label} on this driver: "
        f"the image's cuda-compat {library.cuda} is a newer libcuda that serves R{branch} on data-centre GPUs{doubt} "
        f"[{library.source}]"
    )
    return StackWarning(code="forward-compatibility", text=text)

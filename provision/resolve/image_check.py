"""Whether an image starts on a host, from the image's environment alone."""

from collections.abc import Mapping

from provision.catalogue import Catalogue, rows
from provision.errors import NoStackError
from provision.model import GPU_VENDORS, DriverVersion, Host, Request, Vendor, is_version, version_key
from provision.model.base import Value
from provision.resolve import resolve
from provision.resolve.forward_compat import library
from provision.resolve.image_contents import contents
from provision.resolve.nvidia import brands_of, capability_of
from provision.resolve.nvidia_require import Requirement, Seen, parse, requirements, unmet
from provision.resolve.vendors import builds_of


class ImageCheck(Value):
    """An image that starts, and what that rests on."""

    conditions: tuple[str, ...]  # "NVIDIA_REQUIRE_CUDA: cuda>=12.6 or ..."
    notes: tuple[str, ...] = ()


def check_image(
    catalogue: Catalogue,
    host: Host,
    image: str,
    environment: Mapping[str, str],
    labels: Mapping[str, str] | None = None,
) -> ImageCheck:
    """Return why the classic runtime hook starts the image on the host.

    Raises:
        NoStackError: KGE-242, it does not start; the newest image of the catalogue that does is named. KGE-243, the
            image asks for an NVIDIA driver and the host has none. KGE-210 to KGE-213, AMD's image does not suit.
        InputError: KGE-241, a condition of the image cannot be read.
    """
    if vendor := _publisher(catalogue, image):
        # It states no condition, but the catalogue knows driver and GPUs for it.
        stack = resolve(catalogue, host, Request(vendor=vendor, base=image))
        return ImageCheck(conditions=(f"by the catalogue: {stack.summary}",))
    wanted, inside = requirements(environment), tuple(contents(catalogue, image, environment, labels, host))
    if not wanted:
        return ImageCheck(conditions=(), notes=(*_without_conditions(environment), *inside))
    gpus = seen(catalogue, host)
    if not gpus:
        raise NoStackError(
            "KGE-243",
            f"{image} asks for an NVIDIA driver, and this host has none that is loaded.",
            cause="; ".join(_words(one) for one in wanted),
            fix="load the driver (kgpu-env doctor), or check for another machine with --host FILE",
        )
    broken = unmet(wanted, gpus)
    if broken:
        raise _refusal(catalogue, image, broken, gpus)
    return ImageCheck(
        conditions=tuple(_words(one) for one in wanted), notes=(*_notes(catalogue, host, environment, gpus), *inside)
    )


def _publisher(catalogue: Catalogue, image: str) -> Vendor | None:
    """Return the vendor whose builds of TensorFlow are published as the image."""
    for vendor in GPU_VENDORS:
        builds = builds_of(catalogue, vendor, "tensorflow", None)
        if any(build.image and build.image.image == image for build in builds):
            return vendor
    return None


def seen(catalogue: Catalogue, host: Host) -> tuple[Seen, ...]:
    """Return the host's NVIDIA GPUs as the hook sees them; empty without a driver that tells its version."""
    driver = host.driver("nvidia")
    if driver is None or driver.version is None:
        return ()
    branch = catalogue.branch_of(DriverVersion(driver.version))
    cuda = driver.cuda or (branch.cuda if branch else "0")
    return tuple(
        Seen(cuda, driver.version, brands_of(gpu), capability_of(gpu) if gpu.architecture else "0")
        for gpu in host.chosen_of("nvidia")
    )


def starts(row: rows.Requirement, gpus: tuple[Seen, ...]) -> bool:
    """Tell whether NVIDIA's image for a CUDA, built as the catalogue says, starts on all of the GPUs."""
    cuda = ".".join(row.image_cuda.split(".")[:2])
    older = (
        f"brand={brand},driver>={branch},driver<{int(branch) + 1}" for branch in row.branches for brand in row.brands
    )
    return not unmet([parse("NVIDIA_REQUIRE_CUDA", " ".join([f"cuda>={cuda}", *older]))], gpus)


def newest_image(catalogue: Catalogue, gpus: tuple[Seen, ...]) -> str | None:
    """Return the newest CUDA image of the catalogue that starts on all of the GPUs."""
    conditions = {row.image_cuda: row for row in catalogue.images.requirements}
    for base in sorted(catalogue.images.cuda_bases, key=lambda row: version_key(row.cuda), reverse=True):
        if starts(conditions[base.cuda], gpus):
            return base.image
    return None


def _refusal(catalogue: Catalogue, image: str, broken: tuple[Requirement, ...], gpus: tuple[Seen, ...]) -> NoStackError:
    newest = newest_image(catalogue, gpus)
    one = gpus[0]
    have = f"this host has driver {one.driver} (CUDA {one.cuda}), brand {' or '.join(sorted(one.brands))}"
    steps = [f"take {newest}, the newest of the catalogue that starts here"] if newest else []
    floor = next((term.value for term in broken[0].alternatives[0] if term.name == "cuda"), None)
    driver = _driver_for(catalogue, floor) if floor else None
    if driver:
        steps.append(f"upgrade the driver to {driver} or newer")
    return NoStackError(
        "KGE-242",
        f"{image} does not start on this host.",
        cause=f"{'; '.join(_words(requirement) for requirement in broken)}; {have}",
        fix=", or ".join(steps),
    )


def _driver_for(catalogue: Catalogue, cuda: str) -> str | None:
    fitting = [row for row in catalogue.nvidia.branches if row.driver and version_key(row.cuda) >= version_key(cuda)]
    return min(fitting, key=lambda row: int(row.branch)).driver if fitting else None


def _words(requirement: Requirement) -> str:
    """Return a condition as a person reads it: brands with the same driver range are folded."""
    folded: dict[str, list[str]] = {}
    for terms in requirement.alternatives:
        brands = [term.value for term in terms if term.name == "brand" and term.operator == "="]
        rest = " and ".join(str(term) for term in terms if not (term.name == "brand" and term.operator == "="))
        folded.setdefault(rest, []).extend(brands)
    parts = [f"{rest} ({', '.join(brands)})" if brands else rest for rest, brands in folded.items()]
    return f"{requirement.variable}: {' or '.join(part.strip() for part in parts)}"


def _without_conditions(environment: Mapping[str, str]) -> tuple[str, ...]:
    if "NVIDIA_DISABLE_REQUIRE" in environment:
        return ("NVIDIA_DISABLE_REQUIRE switches the image's conditions off: nothing was checked",)
    return ("the image states no condition on the driver: nothing was checked",)


def _notes(catalogue: Catalogue, host: Host, environment: Mapping[str, str], gpus: tuple[Seen, ...]) -> tuple[str, ...]:
    cuda = ".".join(environment.get("CUDA_VERSION", "").split(".")[:2])
    if not is_version(cuda) or version_key(cuda) <= version_key(gpus[0].cuda):
        return ()
    driver = DriverVersion(gpus[0].driver)
    if not host.wsl and (row := library(catalogue, cuda, driver, host.chosen_of("nvidia"))):
        may = f"as it may for R{driver.branch} on data-centre GPUs; NVIDIA's own images have it [{row.source}]"
        return (
            f"the driver is older than CUDA {cuda}: cuda-compat {cuda} in the image stands in for its libcuda, {may}",
        )
    floor = next((row.driver for row in catalogue.nvidia.families if row.major == cuda.split(".")[0]), None)
    if floor is None or driver < DriverVersion(floor):
        return (f"the driver is older than CUDA {cuda} needs: it works only with the image's cuda-compat package",)
    return (
        f"the driver is older than CUDA {cuda}: PTX of that version cannot be loaded (minor-version compatibility)",
    )

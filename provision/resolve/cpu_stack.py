"""Resolving without a GPU: the newest TensorFlow with a base image that fits."""

from provision.catalogue import Catalogue, rows
from provision.model import Base, Framework, Host, Rejection, Request, Route, Stack, Vendor
from provision.resolve.bases import choose_base
from provision.resolve.outcome import Outcome, none_left, rejection, why_not_newer
from provision.resolve.rules import REQUESTED, Broken, house, matches


def resolve_cpu(catalogue: Catalogue, host: Host, request: Request) -> Outcome:
    """Return the stack for the CPU, or why there is none."""
    rejected: list[Rejection] = []
    for release in catalogue.tensorflow:
        label = f"TensorFlow {release.version}"
        if not matches(release.version, request.tensorflow):
            asked = Broken("requested-tensorflow", f"TensorFlow {request.tensorflow} was asked for", REQUESTED)
            rejected.append(rejection(label, asked))
            continue
        forbidden = house(catalogue, "tensorflow", release.version)
        if forbidden:
            rejected.append(rejection(label, forbidden))
            continue
        base = choose_base(catalogue, request, release)
        if isinstance(base, Broken):
            rejected.append(rejection(label, base))
            continue
        return _cpu_stack(host, release, base, rejected)
    return none_left(rejected, "this host", request)


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

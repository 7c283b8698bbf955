"""Resolving without a GPU: the newest TensorFlow with a base image that fits."""

from provision.catalogue import Catalogue, rows
from provision.model import Base, Framework, Host, Request, Route, Stack, Vendor
from provision.resolve.cpu_candidate import Candidate, house_framework, plain_base
from provision.resolve.outcome import Outcome, outcome
from provision.resolve.rule_names import RuleName
from provision.resolve.rules import REQUESTED, Broken, matches
from provision.resolve.trial import Single, Way

TensorFlow = Candidate[rows.TensorFlowRelease]


def resolve_cpu(catalogue: Catalogue, host: Host, request: Request) -> Outcome:
    """Return the stack for the CPU, or why there is none."""
    trials = (Single(_WAY, Candidate(catalogue, host, request, release)) for release in catalogue.tensorflow)
    return outcome(trials, lambda: "this host", request)


def _requested(candidate: TensorFlow) -> Broken | None:
    """The version asked for."""
    asked = candidate.request.tensorflow
    if matches(candidate.release.version, asked):
        return None
    return Broken(RuleName.REQUESTED_TENSORFLOW, f"TensorFlow {asked} was asked for", REQUESTED)


def _stack(candidate: TensorFlow, base: rows.BaseImage) -> Stack:
    host, release = candidate.host, candidate.release
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
        local_base=base.suite,
    )


_WAY = Way((_requested, house_framework), plain_base, _stack)

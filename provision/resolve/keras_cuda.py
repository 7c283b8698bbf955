"""Keras on JAX or torch for NVIDIA GPUs: the rules of TensorFlow's wheels, over other wheels."""

from collections.abc import Iterator

from provision.catalogue import Catalogue, rows
from provision.model import Backend, Base, Framework, Host, Request, Route, Stack, Vendor, version_key
from provision.resolve import cuda_rules as rule
from provision.resolve.common import confidence
from provision.resolve.cuda_candidate import Candidate, Facts
from provision.resolve.cuda_stack import cuda_facts, plain_base
from provision.resolve.outcome import Failure
from provision.resolve.rule_names import RuleName
from provision.resolve.rules import Broken, Rule
from provision.resolve.trial import Single, Trial, Way

Keras = Candidate[rows.KerasCuda]


def confirmed(candidate: Keras) -> Broken | None:
    """A build that nobody was seen to use is taken only when its CUDA is asked for by name."""
    row = candidate.release
    if row.confidence != "unconfirmed" or candidate.facts.request.cuda:
        return None
    reason = f"unconfirmed: {row.note}; ask for it with --backend {row.backend} --cuda {row.cuda}"
    return Broken(RuleName.CONFIRMED, reason, row.source)


RULES: tuple[Rule[Keras], ...] = (
    rule.house_framework,
    rule.tegra,
    rule.machine,
    rule.driver_minimum,
    rule.driver_drives_gpu,
    rule.gpu_code,
    confirmed,
    rule.toolkit_knows_gpu,
    rule.requested_cuda,
    rule.house_cuda,
    rule.cudnn_code,
)


def candidates(facts: Facts, backend: Backend) -> list[Keras]:
    """Return the builds of a backend, newest first, then newest CUDA."""
    builds = [row for row in facts.catalogue.keras.keras_cuda if row.backend == backend]
    builds.sort(key=lambda row: (version_key(row.version), version_key(row.cuda)), reverse=True)
    return [Candidate(facts, row, row.cuda, row.cudnn) for row in builds]


def trials(catalogue: Catalogue, host: Host, request: Request, backend: Backend) -> Iterator[Trial] | Failure:
    """Return the trials of a backend for the host's NVIDIA GPUs, or why there can be none."""
    facts = cuda_facts(catalogue, host, request)
    if isinstance(facts, Failure):
        return facts
    return (Single(_WAY, candidate) for candidate in candidates(facts, backend))


def _stack(candidate: Keras, base: rows.BaseImage) -> Stack:
    row, gpus = candidate.release, candidate.facts.gpus
    return Stack(
        vendor=Vendor.CUDA,
        route=Route.WHEELS,
        framework=Framework(name=row.backend, version=row.version),
        backend=row.backend,
        runtime=Framework(name="cuda", version=row.cuda),
        python=base.python,
        base=Base(image=base.image),
        python_in_base=base.family == "image",
        packages=row.packages,
        gpus=tuple(sorted({gpu.architecture or "" for gpu in gpus})),
        summary=f"Keras on {row.title}, CUDA {row.cuda}, cuDNN {row.cudnn}, Python {base.python} on {base.image}",
        local_base=base.suite,
        warnings=confidence(row),
    )


_WAY = Way(RULES, plain_base, _stack)

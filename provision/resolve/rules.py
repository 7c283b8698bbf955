"""The one list of rules that a candidate has to satisfy, whatever its framework and vendor, in the order of telling."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Literal, get_args

from msgspec import Struct

from provision.resolve import rules_request as request
from provision.resolve import rules_support as support
from provision.resolve.candidate import Candidate
from provision.resolve.rule_names import REQUESTED_RUNTIME, SUPPORTS_GPU, Broken, RuleName

Check = Callable[[Candidate], Broken | None]
Rules = frozenset[RuleName]  # all that one candidate breaks
# What of a candidate a rule looks at: the build with its first runtime, each runtime, each base. A later part is asked
# only of what satisfies the ones before.
Part = Literal["build", "runtime", "base"]


class Rule(Struct, frozen=True):
    """A predicate over candidates, and the names under which it tells that it is broken."""

    part: Part
    broken: Check
    names: tuple[RuleName, ...]


_N = RuleName
_ACCEPTS: Final = (_N.TENSORFLOW_ACCEPTS_GPU, _N.JAX_ACCEPTS_GPU, _N.TORCH_ACCEPTS_GPU)
_RUNTIME: Final = tuple(REQUESTED_RUNTIME.values())

RULES: Final[tuple[Rule, ...]] = (
    Rule("build", request.requested_tensorflow, (_N.REQUESTED_TENSORFLOW,)),
    Rule("build", request.published_runtime, _RUNTIME),
    Rule("build", request.published_python, (_N.REQUESTED_PYTHON,)),
    Rule("build", request.published_base, (_N.REQUESTED_BASE,)),
    Rule("build", request.published_policy, (_N.SITE_POLICY,)),
    Rule("build", request.framework_policy, (_N.SITE_POLICY,)),
    Rule("build", support.tegra, (_N.TEGRA,)),
    Rule("build", support.machine, (_N.MACHINE,)),
    Rule("build", support.wsl, (_N.WSL,)),
    Rule("build", support.runtime_supports_gpu, tuple(SUPPORTS_GPU.values())),
    Rule("build", support.build_accepts_gpu, _ACCEPTS),
    Rule("build", support.driver_minimum, (_N.DRIVER_MINIMUM, _N.WSL_DRIVER)),
    Rule("build", support.driver_window, (_N.DRIVER_WINDOW,)),
    Rule("build", support.partitions, (_N.PARTITIONS,)),
    Rule("build", support.driver_drives_gpu, (_N.DRIVER_DRIVES_GPU,)),
    Rule("build", support.gpu_code, (_N.GPU_CODE, _N.PTX_SPECIFIC, _N.PTX_DRIVER)),
    Rule("build", support.runtime_from_base, (_N.CUDA_FROM_BASE,)),
    Rule("build", support.confirmed, (_N.CONFIRMED,)),
    Rule("runtime", support.toolkit_knows_gpu, (_N.TOOLKIT_KNOWS_GPU,)),
    Rule("runtime", request.requested_runtime, _RUNTIME),
    Rule("runtime", request.runtime_policy, (_N.SITE_POLICY,)),
    Rule("runtime", support.cuda_fits, (_N.CUDA_VERSION,)),
    Rule("runtime", support.cudnn_fits, (_N.CUDNN_VERSION,)),
    Rule("runtime", support.cudnn_code, (_N.CUDNN_CODE,)),
    Rule("runtime", support.image_starts, (_N.REQUIRE_CUDA,)),
    Rule("base", request.wheels_for_python, (_N.REQUESTED_PYTHON,)),
    Rule("base", request.image_python, (_N.REQUESTED_PYTHON, _N.PYTHON)),
    Rule("base", request.requested_base, (_N.REQUESTED_BASE,)),
    Rule("base", request.requested_python, (_N.REQUESTED_PYTHON,)),
    Rule("base", request.base_policy, (_N.SITE_POLICY,)),
    Rule("base", request.base_python, (_N.PYTHON,)),
    Rule("base", request.base_glibc, (_N.GLIBC,)),
)
if unused := set(RuleName) - {name for rule in RULES for name in rule.names}:
    raise TypeError(f"no rule breaks {', '.join(sorted(unused))}: RULES needs a row for each name")
OF_PART: Final[Mapping[Part, tuple[Check, ...]]] = {
    part: tuple(rule.broken for rule in RULES if rule.part == part) for part in get_args(Part)
}


def all_broken(candidate: Candidate) -> Iterator[Broken]:
    """Yield every rule that a candidate with a base breaks."""
    return (broken for rule in RULES if (broken := rule.broken(candidate)))


class Asked:
    """A candidate before its rules: asked up to the first that it breaks, and on from there when somebody wants more.

    Attributes:
        candidate: what the rules look at.
        first: the first rule that it breaks, or None when it satisfies all.
        place: of the first among the rules, from 0: how far the candidate came.
    """

    __slots__ = ("_broken", "_rules", "candidate", "first", "place")  # a resolution makes some hundreds

    def __init__(self, rules: Sequence[Check], candidate: Candidate) -> None:
        self.candidate, self.first, self.place = candidate, None, len(rules)
        self._rules = rules
        self._broken: Rules | None = None
        for place, rule in enumerate(rules):
            if broken := rule(candidate):
                self.first, self.place = broken, place
                break

    @property
    def broken(self) -> Rules:
        """The names of all rules that the candidate breaks."""
        if self._broken is None:
            rest = (rule(self.candidate) for rule in self._rules[self.place + 1 :])
            self._broken = frozenset(broken.rule for broken in (self.first, *rest) if broken)
        return self._broken

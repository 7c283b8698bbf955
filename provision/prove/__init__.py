"""The proof: a workload trains inside the container, a pure judge outside decides what it showed."""

from provision.prove.diagnose import Pattern, diagnose
from provision.prove.evidence import Evidence, Problem, parse_result
from provision.prove.expectation import Expectation
from provision.prove.judge import judge
from provision.prove.summary import summary
from provision.prove.verify import VerifyRequest, image_vendor, verify

__all__ = [
    "Evidence",
    "Expectation",
    "Pattern",
    "Problem",
    "VerifyRequest",
    "diagnose",
    "image_vendor",
    "judge",
    "parse_result",
    "summary",
    "verify",
]

"""The proof: a workload trains inside the container, a pure judge outside decides what it showed."""

from provision.prove.evidence import Evidence, Problem, parse_result
from provision.prove.expectation import Expectation
from provision.prove.runner import VerifyRequest, image_vendor, verify

__all__ = ["Evidence", "Expectation", "Problem", "VerifyRequest", "image_vendor", "parse_result", "verify"]

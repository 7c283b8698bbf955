"""From a stack and a request to a Dockerfile and its build context."""

from provision.render.dockerfile import Plan, render
from provision.resolve.request import check_request

__all__ = ["Plan", "check_request", "render"]

"""The labels of an image that was built here: their names, and what they tell."""

from collections.abc import Mapping
from typing import Final

import msgspec

from provision.model.base import decode
from provision.model.stack import Stack

OWN: Final = "io.kgpu-env."  # no label of the user's begins so
VERSION: Final = f"{OWN}version"
STACK: Final = f"{OWN}stack"
PLAN: Final = f"{OWN}plan"  # the plan's digest; an annotation of the pods, too
NODE: Final = f"{OWN}node"  # an annotation only: the node that a Job proves
UNPROVED: Final = f"{OWN}not-proved"  # a taint: of a Kubernetes node that failed its proof


def stack_of(labels: Mapping[str, str]) -> Stack | None:
    """Return the stack that an image's label describes, or None for an image of another maker or an odd label."""
    try:
        return decode(labels[STACK], Stack)
    except (KeyError, msgspec.MsgspecError):
        return None


def plan_of(labels: Mapping[str, str]) -> str:
    """Return the digest of the plan that an image was built from; empty for an image of another maker."""
    return labels.get(PLAN, "")

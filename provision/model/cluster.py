"""What a cluster asks of a Pod beside the container: where it may run, with which rights; read as people write it."""

import re
from typing import Annotated, Final

from provision.model.base import Value
from provision.model.option import Option

_LABEL: Final = r"([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_VALUE: Final = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_NAME: Final = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")


class Cluster(Value):
    """What `export kubernetes` writes beside the image and its GPUs."""

    node_selector: Annotated[
        tuple[str, ...],
        Option(flag="--node-selector", help="Kubernetes: label that nodes must have; repeatable.", metavar="KEY=VALUE"),
    ] = ()
    tolerations: Annotated[
        tuple[str, ...],
        Option(
            flag="--toleration",
            help="Kubernetes: taint of nodes to run on all the same; repeatable.",
            metavar="KEY[=VALUE][:EFFECT]",
        ),
    ] = ()
    pull_secrets: Annotated[
        tuple[str, ...],
        Option(flag="--pull-secret", help="Kubernetes: secret with the registry's login; repeatable.", metavar="NAME"),
    ] = ()
    service_account: Annotated[
        str | None, Option(flag="--service-account", help="Kubernetes: account of the pods.", metavar="NAME")
    ] = None
    resource: Annotated[
        str | None,
        Option(
            flag="--resource",
            help="Kubernetes: what the GPU is called in this cluster: amd.com/cpx_nps4, nvidia.com/mig-1g.10gb.",
            metavar="NAME",
        ),
    ] = None
    openshift: Annotated[
        bool | None, Option(flag="--openshift", help="Kubernetes: leave user and groups to OpenShift's own range.")
    ] = None

    @property
    def selector(self) -> dict[str, str]:
        """The labels that nodes must have."""
        return dict(map(_selector, self.node_selector))

    @property
    def tolerated(self) -> list[dict[str, str]]:
        """The tolerations, as a Pod has them."""
        return [_toleration(text) for text in self.tolerations]

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the parts that were asked for."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name))

    def check(self) -> None:
        """Raise ValueError, with the words that people need, where a part cannot be read."""
        _ = self.selector, self.tolerated
        for name in (*self.pull_secrets, *([self.service_account] if self.service_account else [])):
            _fits(_NAME, name, "name of a cluster's object, such as registry-login")
        if self.resource:
            _fits(_LABEL, self.resource, "name of a resource, such as nvidia.com/gpu")


def _selector(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise ValueError(f"{text!r} is no label: write KEY=VALUE, such as gpu=a100.")
    return _fits(_LABEL, key, "key of a label"), _fits(_VALUE, value, "value of a label")


def _toleration(text: str) -> dict[str, str]:
    """Return a toleration.

    >>> _toleration("gpu=yes:NoSchedule")
    {'key': 'gpu', 'operator': 'Equal', 'value': 'yes', 'effect': 'NoSchedule'}
    """
    words, sign, effect = text.partition(":")
    key, equal, value = words.partition("=")
    if sign and effect not in _EFFECTS:
        raise ValueError(f"{text!r}: the effect of a taint is {', '.join(_EFFECTS)}.")
    found = {"key": _fits(_LABEL, key, "key of a taint"), "operator": "Equal" if equal else "Exists"}
    found |= {"value": _fits(_VALUE, value, "value of a taint")} if equal else {}
    return found | ({"effect": effect} if sign else {})


def _fits(pattern: str, text: str, what: str) -> str:
    if re.fullmatch(pattern, text, flags=re.ASCII):
        return text
    raise ValueError(f"{text!r} is no {what}.")

"""All stacks of a host: the first is the pick, none breaks a rule, and each can be had by asking for it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from provision.catalogue import load
from provision.errors import NoStackError
from provision.model import Driver, Gpu, Host, Request, Stack, Vendor, decode
from provision.resolve import feasible, resolve
from provision.resolve.candidate import Wishes, wishes_of
from provision.resolve.facts import class_of, facts_of
from provision.resolve.rules import all_broken
from provision.resolve.search import Attempt
from provision.resolve.vendors import builds_of

HOSTS = {path.stem: path for path in sorted((Path(__file__).parents[2] / "data" / "hosts").glob("*.json"))}
REQUESTS = [Request(), Request(backend="jax"), Request(python="3.12"), Request(fallback="cpu"), Request(rocm="7.2")]


def pick(host: Host, request: Request) -> Stack | None:
    try:
        return resolve(load(), host, request)
    except NoStackError:
        return None


def identity(stack: Stack) -> tuple[object, ...]:
    return stack.vendor, stack.backend, stack.framework, stack.runtime, stack.packages, stack.base, stack.python


@pytest.mark.parametrize("name", HOSTS)
def test_the_first_is_what_resolve_returns_and_no_two_are_the_same(name: str) -> None:
    host = decode(HOSTS[name].read_bytes(), Host)
    for request in REQUESTS:
        found = tuple(feasible(load(), host, request))
        assert next(iter(found), None) == pick(host, request)
        assert len({identity(stack) for stack in found}) == len(found)


@pytest.mark.parametrize("name", ["h100-580", "h100-550", "k80-470", "gh200-580", "mi300x-31.30", "mixed-h100-v100"])
def test_each_is_had_by_asking_for_its_versions(name: str) -> None:
    host = decode(HOSTS[name].read_bytes(), Host)
    for stack in tuple(feasible(load(), host, Request()))[::7]:
        framework = {"tensorflow": stack.framework.version} if stack.backend == "tensorflow" else {}
        wishes = Wishes(backend=stack.backend, base=stack.base.image, python=stack.python)
        asked = wishes.having(**framework, **{stack.runtime.name: stack.runtime.version})
        again = resolve(load(), host, replace(Request(vendor=stack.vendor), **asked.asked))
        assert (again.backend, again.runtime, again.base) == (stack.backend, stack.runtime, stack.base)
        if framework:  # no option names the version of another backend
            assert again.framework == stack.framework


@pytest.mark.parametrize("vendor", [Vendor.CUDA, Vendor.ROCM, Vendor.CPU])
@pytest.mark.parametrize(
    "wish", [{}, {"python": "3.12"}, {"base": "debian:trixie-slim"}, {"cuda": "12.9", "rocm": "7.2"}]
)
def test_none_breaks_a_rule_of_the_whole_list(vendor: Vendor, wish: dict[str, str]) -> None:
    gpus = (Gpu(vendor="nvidia", architecture="sm_80"), Gpu(vendor="amd", architecture="gfx942"))
    drivers = (Driver(vendor="nvidia", version="580.95.05"), Driver(vendor="amd", release="30.30", flavour="dkms"))
    host = class_of(Host(gpus=gpus, drivers=drivers), vendor)
    facts = facts_of(load(), host, wishes_of(Request()).having(**wish), vendor)
    for build in builds_of(load(), vendor, "tensorflow", wish.get("base")):
        attempt = Attempt(facts, build)
        for candidate in attempt.candidates():
            assert list(all_broken(candidate)) == []


def test_a_host_without_a_stack_or_without_a_driver_has_none() -> None:
    assert list(feasible(load(), Host(), Request())) == []
    assert list(feasible(load(), Host(gpus=(Gpu(vendor="nvidia", architecture="sm_90"),)), Request())) == []


def test_of_two_makers_the_chosen_ones_stacks_come_first() -> None:
    gpus = (Gpu(vendor="nvidia", architecture="sm_90"), Gpu(vendor="amd", architecture="gfx942"))
    drivers = (Driver(vendor="nvidia", version="470.256.02"), Driver(vendor="amd", release="30.30", flavour="dkms"))
    found = list(feasible(load(), Host(gpus=gpus, drivers=drivers), Request()))
    vendors = list(dict.fromkeys(stack.vendor for stack in found))
    assert vendors[0] is resolve(load(), Host(gpus=gpus, drivers=drivers), Request()).vendor
    assert len(vendors) >= 1

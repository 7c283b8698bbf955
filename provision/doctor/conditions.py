"""Whether a condition of a known message holds: yes, no, or not known. One function for each field of `When`.

What the probe's findings tell holds where the finding is there; where it is not, nobody knows: the file that would tell
may be unreadable, or on another machine.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from provision.catalogue.messages import Condition, KnownError, When
from provision.doctor import facts
from provision.doctor.facts import Facts
from provision.model import version_key
from provision.model.complete import complete
from provision.probe.nvidia_parsers import GEFORCE

Test: TypeAlias = Callable[[Facts, Any], bool | None]
_KIND: Final = "KGE-143"  # the engine is a snap or Docker Desktop
_HIDDEN: Final = {"", "-1", "none", "void", "NoDevFiles"}  # values by which a variable hides every GPU


def chosen(row: KnownError, known: Facts) -> Condition | None:
    """Return the first condition of a message that holds; one that is not known does not."""
    return next((one for one in row.conditions if one.when and holds(one.when, known)), None)


def findings_of(when: When | None) -> tuple[str, ...]:
    """Return the codes of the findings that a condition rests on."""
    if when is None:
        return ()
    return (*when.finding, *([_KIND] if when.engine_kind else []))


def holds(when: When, known: Facts) -> bool | None:
    """Tell whether all that `when` asks for is so; None: part of it is not known, and no part is wrong."""
    asked = {name: value for name, value in msgspec.structs.asdict(when).items() if value not in (None, ())}
    found = [CONDITIONS[name](known, value) for name, value in asked.items()]
    if not found or False in found:
        return False
    return None if None in found else True


def _equal(seen: object, wanted: object) -> bool | None:
    return None if seen is None else seen == wanted


def _numbers(text: str | None) -> tuple[int, ...]:
    """Return the numbers that a version begins with: of the kernel "6.14.0-33-generic" they are 6, 14, 0."""
    found = re.match(r"\d+(\.\d+)*", text or "")
    return version_key(found[0]) if found else ()


def _below(seen: str | None, limit: str) -> bool | None:
    numbers = _numbers(seen)
    return numbers < version_key(limit) if numbers else None


def _at_least(seen: str | None, limit: str) -> bool | None:
    below = _below(seen, limit)
    return None if below is None else not below


def _any(answers: list[bool | None]) -> bool | None:
    """Tell whether one is true; None where none is and one is not known, or there is none."""
    if True in answers:
        return True
    return None if None in answers or not answers else False


def _vendor(known: Facts, wanted: str) -> bool | None:
    if known.vendor is not None:
        return known.vendor.value == wanted
    return [row.maker for row in known.rows] == [facts.maker_of(wanted)] if known.rows else None


def _wsl(known: Facts, wanted: bool) -> bool | None:  # noqa: FBT001 - the value of a row
    return known.host.wsl is wanted if known.is_host_known else None


def _architecture(known: Facts, wanted: str) -> bool | None:
    return known.host.architecture == wanted if known.is_host_known else None


def _guest(known: Facts, wanted: str) -> bool | None:
    said = [*known.texts("KGE-128", "KGE-129")]
    return any(re.search(rf"\b{wanted}\b", text, re.IGNORECASE) for text in said) if said else None


def _finding(known: Facts, codes: tuple[str, ...]) -> bool | None:
    return True if any(known.texts(*codes)) else None


def _gpu_on_bus(known: Facts, wanted: bool) -> bool | None:  # noqa: FBT001 - as above
    is_there = True if known.gpus else False if known.host.looked_at else None
    return _equal(is_there, wanted)


def _held_by(known: Facts, driver: str) -> bool | None:
    return _any([_equal(gpu.kernel_driver, driver) for gpu in known.gpus])


def _named(pattern: re.Pattern[str]) -> Test:
    return lambda known, wanted: _equal(known.any_named(pattern), wanted)


def _nvswitch(known: Facts, wanted: bool) -> bool | None:  # noqa: FBT001 - as above
    if any(known.texts("KGE-131", "KGE-132")):
        return wanted
    boards = [gpu for gpu in known.gpus if gpu.name and facts.SXM.search(gpu.name)]
    if boards and len(boards) < facts.BOARD:
        return None  # a smaller machine, or a part of a big one
    return _equal(bool(boards) if known.any_named(facts.SXM) is not None else None, wanted)


def _mig(known: Facts, wanted: bool) -> bool | None:  # noqa: FBT001 - as above
    if any(known.texts("KGE-139")):
        return wanted
    return _partitioned(known, wanted)


def _partitioned(known: Facts, wanted: bool) -> bool | None:  # noqa: FBT001 - as above
    return _equal(any(gpu.partition for gpu in known.gpus) if known.gpus else None, wanted)


def _both_kinds(known: Facts, wanted: bool) -> bool | None:  # noqa: FBT001 - as above
    kinds = {gpu.integrated for gpu in known.gpus}
    return _equal(len(kinds) > 1 if kinds else None, wanted)


def _capabilities_of(known: Facts) -> list[str | None]:
    """Return the compute capabilities of NVIDIA's GPUs, "sm_120" as "12.0"."""
    found = [re.fullmatch(r"sm_(\d+)(\d)[af]?", gpu.architecture or "") for gpu in known.gpus]
    return [f"{one[1]}.{one[2]}" if one else None for one in found]


def _cc_below(known: Facts, limit: str) -> bool | None:
    return _any([_below(one, limit) for one in _capabilities_of(known)])


def _cc_at_least(known: Facts, limit: str) -> bool | None:
    return _any([_at_least(one, limit) for one in _capabilities_of(known)])


def _gfx_in(known: Facts, targets: tuple[str, ...]) -> bool | None:
    return _any([None if gpu.architecture is None else gpu.architecture in targets for gpu in known.gpus])


def _module_loaded(known: Facts, wanted: bool) -> bool | None:  # noqa: FBT001 - as above
    return _equal(bool(known.drivers) if known.gpus or known.drivers else None, wanted)


def _flavour(known: Facts, wanted: str) -> bool | None:
    return _any([_equal(driver.flavour, wanted) for driver in known.drivers])


def _release(known: Facts, limit: str) -> bool | None:
    return _any([_at_least(driver.release, limit) for driver in known.drivers])


def _engine(known: Facts, wanted: str) -> bool | None:
    return _equal(known.engine.name if known.engine else None, wanted)


def _engine_below(known: Facts, limit: str) -> bool | None:
    return _below(known.engine.version if known.engine else None, limit)


def _engine_kind(known: Facts, wanted: str) -> bool | None:
    said = [*known.texts(_KIND), *([known.engine.address] if known.engine and known.engine.address else [])]
    return any(wanted in text.lower() for text in said) if said else None


def _rootless(known: Facts, wanted: bool) -> bool | None:  # noqa: FBT001 - as above
    return _equal(known.engine.rootless if known.engine else None, wanted)


def _toolkit(known: Facts, wanted: bool) -> bool | None:  # noqa: FBT001 - as above
    names = {row.toolkit for row in known.rows}
    is_there = any(one.name in names for one in known.host.toolkits) if known.is_host_known and names else None
    return _equal(is_there, wanted)


def _cdi_spec(known: Facts, wanted: str) -> bool | None:
    if known.engine is None or not known.rows:
        return None
    has_none = not any(name.startswith(row.cdi_kind) for name in known.engine.cdi for row in known.rows)
    return has_none if wanted == "none" else None


def _node_missing(known: Facts, path: str) -> bool | None:
    there = [node.path for node in (*known.host.nodes, *(node for gpu in known.host.gpus for node in gpu.nodes))]
    if any(one.startswith(path) for one in there):
        return False
    return True if there or any(path in text for text in known.texts("KGE-113", "KGE-129")) else None


def _device_inside(known: Facts, wanted: bool) -> bool | None:  # noqa: FBT001 - as above
    return _equal(None if known.nodes is None else bool(known.nodes), wanted)


def _hidden(known: Facts, wanted: bool) -> bool | None:  # noqa: FBT001 - as above
    if known.variables is None:
        return None
    names = {name for row in known.rows for name in row.hiding}
    return any(known.variables.get(name, "0") in _HIDDEN for name in names) is wanted


def _variable(known: Facts, name: str) -> bool | None:
    return None if known.variables is None else bool(known.variables.get(name))


def _variable_empty(known: Facts, name: str) -> bool | None:
    return None if known.variables is None else known.variables.get(name) == ""


def _driver_capabilities(known: Facts, _: str) -> bool | None:
    value = (known.variables or {}).get("NVIDIA_DRIVER_CAPABILITIES")
    return None if value is None else not {"all", "compute"} & set(value.split(","))


def _tensorflow(known: Facts) -> str | None:
    return (known.versions or {}).get("tensorflow")


CONDITIONS: Final[Mapping[str, Test]] = {
    "vendor": _vendor,
    "wsl": _wsl,
    "architecture": _architecture,
    "kernel_below": lambda known, limit: _below(known.host.kernel, limit),
    "guest": _guest,
    "finding": _finding,
    "gpu_on_bus": _gpu_on_bus,
    "gpu_held_by": _held_by,
    "geforce": _named(GEFORCE),
    "laptop": _named(facts.LAPTOP),
    "sxm": _named(facts.SXM),
    "pcie": _named(facts.PCIE),
    "nvswitch": _nvswitch,
    "nvlink5": _named(facts.NVLINK5),
    "vgpu": _named(facts.VGPU),
    "mig": _mig,
    "partitioned": _partitioned,
    "integrated_and_discrete": _both_kinds,
    "cc_below": _cc_below,
    "cc_at_least": _cc_at_least,
    "gfx_in": _gfx_in,
    "module_loaded": _module_loaded,
    "module_flavour": _flavour,
    "release_at_least": _release,
    "engine": _engine,
    "engine_below": _engine_below,
    "engine_kind": _engine_kind,
    "rootless": _rootless,
    "toolkit": _toolkit,
    "cdi_spec": _cdi_spec,
    "node_missing": _node_missing,
    "device_inside": _device_inside,
    "hidden": _hidden,
    "variable": _variable,
    "variable_empty": _variable_empty,
    "capabilities": _driver_capabilities,
    "tensorflow_below": lambda known, limit: _below(_tensorflow(known), limit),
    "tensorflow_at_least": lambda known, limit: _at_least(_tensorflow(known), limit),
}
complete("CONDITIONS", CONDITIONS, When.__struct_fields__)

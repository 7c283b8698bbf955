"""From the engine's answers to /version and /info to a `model.Engine`; pure."""

from collections.abc import Mapping
from typing import Any

from provision import model
from provision.errors import BuildError, EngineError

BUILDKIT_API = (1, 39)  # Docker 18.09, the first whose /build takes version=2
_OTHER_MACHINE = (
    "with an engine of such a machine: `DOCKER_HOST=ssh://NODE kgpu-env build`; for this one another --platform"
)


def need_builder(engine: model.Engine) -> None:
    """Raise EngineError KGE-303 when the engine cannot build these Dockerfiles."""
    if not (engine.buildkit or engine.name == "podman"):  # whose own builder mounts them as well
        raise EngineError(
            "KGE-303",
            f"{engine.name} {engine.version} at {engine.address} has no BuildKit",
            cause="the Dockerfiles mount caches and certificates, which only BuildKit and Podman's builder do",
            fix="update Docker (18.09 or newer), set DOCKER_HOST to another engine's socket, or write the build context"
            " (kgpu-env render -o DIR) and build it elsewhere: podman build DIR",
        )


def need_machine(
    wanted: str | None, engine: model.Engine, *, subject: str = "The environment", fix: str = _OTHER_MACHINE
) -> None:
    """Refuse what another machine has to build: wheels and base are of its processor.

    Args:
        wanted: the processor, as the kernel names it; None: unknown.
        engine: what is to build it.
        subject: how the message begins.
        fix: what helps.

    Raises:
        BuildError: KGE-930, as above; what is not known is not refused.
    """
    machine = model.MACHINES.get(engine.architecture, engine.architecture)
    if not wanted or not machine or wanted == machine:
        return
    what = f"{subject} is for {wanted}, and the engine's machine is {machine}."
    raise BuildError("KGE-930", what, cause="an engine builds for its own processor alone", fix=fix)


def describe(version: Mapping[str, Any], info: Mapping[str, Any], address: str) -> model.Engine:
    """Return what both answers say; keys that an engine leaves out become empty.

    `DiscoveredDevices` (the CDI devices) is in the answer of API 1.50 and later.
    Source: moby/moby, api/docs/CHANGELOG.md.
    """
    version, info = _mapping(version), _mapping(info)
    podman = _is_podman(version)
    api = str(version.get("ApiVersion") or "")
    return model.Engine(
        name="podman" if podman else "docker",
        version=_version(version),
        api_version=api,
        storage=str(info.get("Driver") or ""),
        architecture=_kernels_name(str(info.get("Architecture") or "")),
        cdi=_cdi_devices(info.get("DiscoveredDevices")),
        cdi_dirs=tuple(str(path) for path in _list(info.get("CDISpecDirs"))),
        runtimes=tuple(sorted(_mapping(info.get("Runtimes")))),
        rootless=_rootless(info),
        buildkit=not podman and info.get("OSType", "linux") == "linux" and _numbers(api) >= BUILDKIT_API,
        address=address,
        id=str(info.get("ID") or ""),
        machine=str(info.get("Name") or ""),
        system=str(info.get("OperatingSystem") or ""),
        data_root=str(info.get("DockerRootDir") or ""),
    )


def _components(version: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [_mapping(part) for part in _list(version.get("Components"))]


def _is_podman(version: Mapping[str, Any]) -> bool:
    return any("podman" in str(part.get("Name", "")).lower() for part in _components(version))


def _version(version: Mapping[str, Any]) -> str:
    """The engine's own version; Podman's is in its component."""
    for part in _components(version):
        if "podman" in str(part.get("Name", "")).lower() and part.get("Version"):
            return str(part["Version"])
    return str(version.get("Version") or "unknown")


def _cdi_devices(devices: object) -> tuple[str, ...]:
    found = (_mapping(device) for device in _list(devices))
    return tuple(str(device["ID"]) for device in found if device.get("Source") == "cdi" and device.get("ID"))


def _rootless(info: Mapping[str, Any]) -> bool:
    options = [str(option) for option in _list(info.get("SecurityOptions"))]
    return any("name=rootless" in option.split(",") for option in options) or info.get("Rootless") is True


def _kernels_name(machine: str) -> str:
    """Return a processor's name as Docker and the kernel write it; Podman writes it as Go does."""
    return model.MACHINES.get(machine, machine)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else 0 for part in text.split("."))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

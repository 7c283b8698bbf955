"""Which libcuda programs get: the one that the loader finds first is not always the driver's own."""

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Final, NamedTuple

from provision.model import Finding, Vendor
from provision.probe.causes import module_files
from provision.probe.causes.scene import Scene, error, warning
from provision.probe.nvidia import LIBRARY_DIRS
from provision.probe.nvidia_parsers import GEFORCE, parse_library_version

_CONF: Final = "/etc/ld.so.conf"
_FOLDER: Final = "/etc/ld.so.conf.d"
_LINK: Final = "libcuda.so.1"
_COMPAT: Final = re.compile(r"/compat(/|$)")  # NVIDIA's cuda-compat packages: /usr/local/cuda-12.8/compat
_NARROW: Final = re.compile(r"/(i[3-6]86-linux-gnu|lib32|libx32)(/|$)")  # no program of 64 bits looks there
_PATH: Final = re.compile(r"/[\w./+-]+", re.ASCII)  # others do not go into a command
_ROW: Final = Vendor.CUDA.row
READS: Final = (_CONF, _FOLDER)


class _Found(NamedTuple):
    """The libcuda that the loader takes: its folder, its version, and the file that names the folder."""

    folder: str
    version: str
    conf: str


def wrong_cuda(scene: Scene) -> Iterator[Finding]:
    """KGE-157: programs get a libcuda of another version than the loaded module, although the right one is there."""
    driver = scene.host.driver(_ROW.maker)
    if scene.guest or scene.host.wsl or not driver or not driver.version:
        return
    found = _first(scene)
    if not found or found.version == driver.version or driver.version not in module_files.libraries(scene):
        return
    if not _COMPAT.search(found.folder):
        yield _other_version(found, driver.version)
    elif _key(found.version) < _key(driver.version):
        yield _compat(found, driver.version, "an older one than the module is refused (error 803)")
    elif any(GEFORCE.search(gpu.name or "") for gpu in scene.host.gpus_of(_ROW.maker)):
        yield _compat(found, driver.version, "it serves data-centre GPUs, and GeForce answers error 804")


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _first(scene: Scene) -> _Found | None:
    """Return the first libcuda in the order of ldconfig: folders as its settings name them, then the standard ones."""
    places = [*_named(scene), *((folder, "") for folder in LIBRARY_DIRS)]
    for folder, conf in (place for place in places if not _NARROW.search(place[0])):
        names = [name for name in scene.reader.names(folder) if name.startswith(_ROW.library)]
        if names:
            return _version(scene, folder, conf, names)
    return None


def _version(scene: Scene, folder: str, conf: str, names: list[str]) -> _Found | None:
    target = scene.reader.link(f"{folder}/{_LINK}")
    files = [version for name in names if (version := parse_library_version(name))]
    version = parse_library_version(target or "") or (files[0] if len(files) == 1 else None)
    return _Found(folder, version, conf) if version else None


def _named(scene: Scene) -> Iterator[tuple[str, str]]:
    """Yield the folders that ldconfig's settings name, each with its file."""
    text = scene.reader.text(_CONF)
    for line in (f"include {_FOLDER}/*.conf" if text is None else text).splitlines():
        word, _, pattern = line.partition("#")[0].strip().partition(" ")
        if word == "include":
            yield from _included(scene, pattern.strip())
        elif _PATH.fullmatch(word):
            yield word.rstrip("/"), _CONF


def _included(scene: Scene, pattern: str) -> Iterator[tuple[str, str]]:
    folder, _, name = pattern.rpartition("/")
    folder = folder if folder.startswith("/") else f"/etc/{folder}".rstrip("/")
    paths = [f"{folder}/{one}" for one in scene.reader.names(folder) if fnmatch(one, name)]
    for path in filter(_PATH.fullmatch, paths):
        lines = (line.partition("#")[0].strip() for line in (scene.reader.text(path) or "").splitlines())
        yield from ((line.rstrip("/"), path) for line in lines if _PATH.fullmatch(line))


def _other_version(found: _Found, loaded: str) -> Finding:
    named = f", which {found.conf} names before the driver's folder" if found.conf else ""
    return error(
        "KGE-157",
        f"Programs get libcuda {found.version} ({found.folder}/{_LINK}{named}); the loaded module is {loaded}, "
        "whose own library is there, too: CUDA does not start (error 803, or initialization error).",
        f"Take the libraries of {found.version} out with the package manager (rpm -qf or dpkg -S names the package; "
        f"rm what none owns), then `sudo ldconfig`. Check: ls -l {found.folder}/{_LINK}",
    )


def _compat(found: _Found, loaded: str, why: str) -> Finding:
    return error(
        "KGE-157",
        f"{found.conf or found.folder} makes all programs take the cuda-compat library {found.version} "
        f"({found.folder}) in place of the driver's {loaded}: {why}.",
        f"Take the folder out of ldconfig's settings: `sudo sed -i '\\#^{found.folder}/*$#d' {found.conf} && sudo "
        "ldconfig`; who needs cuda-compat sets LD_LIBRARY_PATH for that program alone. "
        f"Check: ldconfig -p | grep {_LINK}",
    )


def linux_driver_in_wsl(scene: Scene) -> Iterator[Finding]:
    """KGE-158: libraries of a Linux driver lie inside WSL2, where the driver is Windows'."""
    versions = module_files.libraries(scene) if scene.host.wsl and scene.host.gpus_of(_ROW.maker) else ()
    if not versions:
        return
    apt = "apt-get" in scene.family.install
    command = '`sudo apt-get purge "libnvidia-compute-*"`' if apt else "remove its packages with the package manager"
    yield warning(
        "KGE-158",
        f"A Linux driver ({', '.join(versions)}) is installed inside WSL2: its libcuda and NVML can be taken in place "
        "of Windows' own in /usr/lib/wsl/lib, and find no GPU (GPU access blocked by the operating system).",
        f"Windows' driver is enough: {command} (what needs it goes, too; a .run file: nvidia-uninstall), then `sudo "
        "ldconfig`. Of CUDA install cuda-toolkit alone, never cuda or cuda-drivers. Check: ldconfig -p | grep libcuda",
    )

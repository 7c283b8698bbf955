"""What is installed in an image, asked inside; and how that differs from the pins that the image carries."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from packaging.utils import canonicalize_name

from provision.engine.protocol import Engine, Run
from provision.errors import EngineError
from provision.model.base import parse_json
from provision.model.inside import IMAGE_PYTHON, VENV, VENV_PYTHON
from provision.model.inventory import DebianPackage, Difference, Distribution, Inventory, PinnedFile

_SECONDS: Final = 120.0
_PYTHONS: Final = f'{VENV_PYTHON} {IMAGE_PYTHON} "$(command -v python3)"'
_SHELL: Final = f'for python in {_PYTHONS}; do [ -x "$python" ] && exec "$python" -Ic "$0"; done'
# Runs inside, on any Python from 3.8 on.
_SCRIPT: Final = f"""
import glob, importlib.metadata, json, os, subprocess
packages = []
for one in importlib.metadata.distributions():
    source = json.loads(one.read_text("direct_url.json") or "{{}}").get("url", "")
    packages.append({{"name": one.metadata["Name"] or "?", "version": one.version or "?", "source": source}})
try:
    form = "${{db:Status-Status}}\\t${{Package}}\\t${{Version}}\\t${{Architecture}}\\n"
    debian = subprocess.run(["dpkg-query", "-W", "-f", form], stdout=subprocess.PIPE, check=True).stdout.decode()
    system = dict(line.strip().split("=", 1) for line in open("/etc/os-release") if "=" in line).get("ID", "")
except OSError:
    debian, system = "", ""
pins = {{os.path.basename(path)[:-4]: open(path).read() for path in sorted(glob.glob("{VENV}/requirements/*.txt"))}}
print(json.dumps({{"python": packages, "debian": debian, "system": system.strip('"'), "pins": pins}}))
"""
_PIN: Final = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?(?:==(?P<version>[^\s;]+))?")
_CODE: Final = ("file:///dev/context/", "git+", "https://", "http://", "ssh://")


def read_inventory(engine: Engine, image: str) -> Inventory:
    """Return what is installed in an image, asked in a container without network.

    Raises:
        BuildError: KGE-408, the engine has no such image.
        EngineError: KGE-305, the container does not tell.
    """
    ran = engine.run(Run(image=image, command=("/bin/sh", "-c", _SHELL, _SCRIPT), seconds=_SECONDS))
    try:
        found: Any = parse_json(ran.stdout)
        return Inventory(
            system=str(found["system"]),
            python=tuple(sorted(map(_distribution, found["python"]), key=lambda one: (one.name, one.version))),
            debian=tuple(_debian(found["debian"])),
            pins=tuple(_pins(found["pins"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        why = ran.refused or ran.stderr.strip()[-400:] or f"{type(error).__name__}: {error}"
        raise EngineError("KGE-305", f"{image} does not tell what is installed in it", cause=why) from error


def debian_packages(engine: Engine, image: str) -> tuple[DebianPackage, ...]:
    """Return what dpkg has in an image, which may lack Python; nothing where there is no dpkg.

    Raises:
        BuildError: KGE-408, the engine has no such image.
    """
    form = r"${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n"
    ran = engine.run(Run(image=image, command=("dpkg-query", "-W", "-f", form), seconds=_SECONDS))
    return tuple(_debian(ran.stdout)) if ran.exit_code == 0 else ()


def _distribution(row: Mapping[str, str]) -> Distribution:
    name = canonicalize_name(row["name"])
    return Distribution(name=name, version=str(row["version"]), source=str(row["source"]))


def _debian(text: str) -> Iterator[DebianPackage]:
    for line in sorted(text.splitlines()):
        status, name, version, architecture = line.split("\t")
        if status == "installed":
            yield DebianPackage(name=name, version=version, architecture=architecture)


def _pins(files: Mapping[str, str]) -> Iterator[PinnedFile]:
    for layer, text in sorted(files.items()):
        for line in text.splitlines():
            match = _PIN.match(line)
            if match:
                hashes = tuple(re.findall(r"--hash=(sha256:[0-9a-f]{64})", line))
                name, version = canonicalize_name(match["name"]), match["version"] or ""
                yield PinnedFile(name=name, version=version, hashes=hashes, layer=layer)


def is_locked(found: Inventory) -> bool:
    """Tell whether every package of an image was pinned by its hash."""
    return bool(found.pins) and all(pin.hashes for pin in found.pins)


def differences(found: Inventory) -> tuple[Difference, ...]:
    """Return what is installed otherwise than it was pinned.

    What is there beside the pins counts where everything was pinned, and code that the build itself put in does not.
    """
    installed = {one.name: one for one in found.python}
    rows = [
        Difference(name=pin.name, pinned=pin.version, installed=now)
        for pin in found.pins
        if (now := installed[pin.name].version if pin.name in installed else "") != pin.version
        and (pin.version or not now)
    ]
    pinned = {pin.name for pin in found.pins}
    if is_locked(found):
        rows += [
            Difference(name=one.name, pinned="", installed=one.version)
            for one in found.python
            if one.name not in pinned and not one.source.startswith(_CODE)
        ]
    return tuple(sorted(rows, key=lambda one: one.name))

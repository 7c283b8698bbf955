"""Opens TensorFlow's wheels and records what is really in them; tests/audit compares the rows of the catalogue with it.

nox -s measure -- 2.21.0            (or: python tests/audit/measure.py VERSION ...)

Each wheel is fetched by pip (about 600 MB) and removed again. The fat binaries of NVIDIA's compiler are found by their
magic number; an entry says what it is (1: PTX, 2: machine code) and for which compute capability.
"""

import ast
import mmap
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

OUTPUT = Path(__file__).parent / "measured.yaml"
HEADER = "# Written by tests/audit/measure.py: what TensorFlow's wheels for x86_64 contain. Not edited by hand.\n"
_MAGIC = struct.pack("<I", 0xBA55ED50)
_FAT = struct.Struct("<IHHQ")  # magic, version, size of the header, size of the entries
_ENTRY = struct.Struct("<HHIQ")  # kind, version, size of the header, size of the code
_ARCH_AT = 28
_KINDS = {1: "ptx", 2: "code"}
_PTX = re.compile(rb"\.version (\d\.\d)\s*\n\.target (sm_\d+a?)")


def entries(library: mmap.mmap) -> Counter[str]:
    """Return how many fat binaries hold code or PTX for each capability: {"code 80": 1398}."""
    found: Counter[str] = Counter()
    place = library.find(_MAGIC)
    while place >= 0:
        _, _, header, size = _FAT.unpack_from(library, place)
        end = place + header + size
        if end > len(library):  # the number stands there by chance
            place = library.find(_MAGIC, place + 4)
            continue
        here = place + header
        while here + _ARCH_AT + 4 <= end:
            kind, _, own, code = _ENTRY.unpack_from(library, here)
            if kind not in _KINDS or not own:
                break
            found[f"{_KINDS[kind]} {struct.unpack_from('<I', library, here + _ARCH_AT)[0]}"] += 1
            here += own + code
        place = library.find(_MAGIC, max(end, place + 4))
    return found


def measure(wheel: Path) -> dict[str, Any]:
    """Return what a wheel contains."""
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        names = [name for name in archive.namelist() if re.search(r"/libtensorflow_(cc|framework)\.so\.2$", name)]
        libraries: dict[str, Any] = {}
        for name in sorted(names):
            place = Path(archive.extract(name, folder))
            with place.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library:
                ptx = Counter(f"{one[1].decode()} .version {one[0].decode()}" for one in _PTX.findall(library))
                libraries[place.name] = {
                    "fat_binaries": dict(sorted(entries(library).items())),
                    "plain_ptx": dict(sorted(ptx.items())),
                }
            place.unlink()
        info = archive.read("tensorflow/python/platform/build_info.py").decode()
    return {
        "wheel": wheel.name,
        "size_bytes": wheel.stat().st_size,
        "build_info": build_info(info),
        "libraries": libraries,
    }


def build_info(text: str) -> dict[str, Any]:
    """Return what the wheel says of its own build: the dictionary, or list of pairs, in build_info.py."""
    values: dict[str, Any] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Dict | ast.List):
            try:
                values |= dict(ast.literal_eval(node))
            except (ValueError, TypeError):  # another list than that of pairs
                continue
    return {key: value for key, value in sorted(values.items()) if "cuda" in key or "cudnn" in key}


def fetch(version: str, folder: str) -> Path:
    """Return the wheel of a release for this Python, fetched by pip."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--dest", folder]
    subprocess.run([*command, f"tensorflow=={version}"], check=True)
    return next(Path(folder).glob("*.whl"))


def main() -> None:
    """Measure the releases named on the command line, and add them to the file."""
    known = yaml.safe_load(OUTPUT.read_text()) if OUTPUT.exists() else {}
    for version in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            known[version] = measure(fetch(version, folder))
        OUTPUT.write_text(HEADER + yaml.safe_dump(dict(sorted(known.items())), width=110))


if __name__ == "__main__":
    main()

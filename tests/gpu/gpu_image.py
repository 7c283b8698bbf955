"""An image made of this machine's own Python: its interpreter, its frameworks, and the libraries they load.

Nothing is copied on this machine: `tar` reads the files where they are, and the engine unpacks what it is sent.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path
from typing import IO, NamedTuple

import gpu_cdi

NAME = "kgpu-hardware/own-python:1"
WHEELS = "/opt/wheels"  # Keras, as it travelled
# What JAX's compiler takes from the toolkit, where no wheel has it.
TOOLKIT = Path("/usr/local/cuda")
OF_TOOLKIT = ("nvvm/libdevice/*.bc", "bin/ptxas", "bin/nvlink", "bin/fatbinary")
NOT_NEEDED = re.compile(r"/(include|tests?|idlelib|turtledemo|ensurepip|lib2to3)/|\.(a|h|hpp|cuh|pyi)$")
# A loader has the C library's own; these are opened by name alone.
OPENED = ("libstdc++.so.6", "libgcc_s.so.1", "libgomp.so.1", "libutil.so.1", "libnss_files.so.2")
BATCH = 24  # files for one ldd
CHUNK = 1 << 20


class Tree(NamedTuple):
    """What goes into an image."""

    files: list[Path]
    size: int  # bytes


def tree(frameworks: Iterable[str]) -> Tree:
    """Return the files of this Python with some frameworks, as far as they are installed, and Keras."""
    names = [*frameworks, "keras"]
    packages = {path for one in closure(names) for path in files_of(one)}
    python = {*standard_library(), *environment(), *toolkit()}
    found = packages | python
    shared = sorted(path for path in found if ".so" in path.name)
    found |= set(loaded([Path(sys.executable).resolve(), *shared]))
    whole = sorted({hop for path in found for hop in hops(path)})
    return Tree(whole, sum(path.lstat().st_size for path in whole))


def closure(names: Iterable[str]) -> list[Distribution]:
    """Return the installed distributions of some names, with all that they require and is installed.

    The extras of JAX's plug-ins for CUDA are required: their libraries are named there alone.
    """
    found: dict[str, Distribution] = {}
    plugins = [one.name for one in distributions() if one.name.startswith("jax-cuda")]
    left = [one for name in names for one in ([name, *plugins] if name == "jax" else [name])]
    while left:
        name = left.pop()
        if _key(name) in found:
            continue
        try:
            one = distribution(name)
        except PackageNotFoundError:
            continue
        found[_key(name)] = one
        wanted = [text for text in one.requires or () if "extra ==" not in text or name.startswith("jax-cuda")]
        left += [match[0] for text in wanted if (match := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", text))]
    return list(found.values())


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def files_of(one: Distribution) -> Iterator[Path]:
    """Yield the files of a distribution that a training can need."""
    for name in one.files or ():
        if ".." in name.parts or NOT_NEEDED.search(f"/{name}"):
            continue
        path = Path(str(one.locate_file(name)))
        if path.is_file():
            yield path


def standard_library() -> Iterator[Path]:
    """Yield the interpreter's own modules."""
    bases = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    for place in {sysconfig.get_path(name, vars=bases) for name in ("stdlib", "platstdlib")}:
        for path in Path(place).rglob("*"):
            inner = f"/{path.relative_to(place)}"
            if "-packages/" not in inner and not NOT_NEEDED.search(inner) and (path.is_symlink() or path.is_file()):
                yield path


def environment() -> Iterator[Path]:
    """Yield the interpreter by the names it has, and what makes it that of a virtual environment."""
    here = Path(sys.executable)
    yield from (path for name in (here.name, "python3", "python") if (path := here.parent / name).exists())
    yield from (path for path in (Path(sys.prefix) / "pyvenv.cfg",) if path.exists())


def toolkit() -> Iterator[Path]:
    """Yield what of the CUDA toolkit a compiler of kernels asks for."""
    for pattern in OF_TOOLKIT:
        yield from TOOLKIT.glob(pattern)


def loaded(programs: list[Path]) -> Iterator[Path]:
    """Yield the loader and the libraries outside that programs load, without the driver's: those come by CDI."""
    batches = [programs[i : i + BATCH] for i in range(0, len(programs), BATCH)]
    with ThreadPoolExecutor() as pool:
        told = list(pool.map(_ldd, batches))
    names = {name for text in told for name in re.findall(r"^\s*(?:\S+ => )?(/\S+) \(0x", text, re.MULTILINE)}
    folder = gpu_cdi.loader_folder()
    names |= {str(folder / name) for name in OPENED}
    yield from (Path(name) for name in names if Path(name).exists() and not of_driver(Path(name)))


def of_driver(path: Path) -> bool:
    """Tell whether a library is the driver's."""
    return bool(gpu_cdi.OF_DRIVER.fullmatch(path.name))


def _ldd(paths: list[Path]) -> str:
    return subprocess.run(["ldd", *map(str, paths)], capture_output=True, text=True, check=False).stdout


def hops(path: Path) -> Iterator[Path]:
    """Yield a path with every link on its way, and what they lead to."""
    here, left = Path("/"), list(path.parts[1:])
    steps = 0
    while left:
        step = left.pop(0)
        here = here.parent if step == ".." else here / step
        if here.is_symlink():
            yield here
            target = here.readlink()
            here, left = (Path("/") if target.is_absolute() else here.parent), [*target.parts, *left]
            left = [one for one in left if one != "/"]
            steps += 1
            if steps > 40:
                return
    yield here


def stage(folder: Path, wheels: Path | None) -> None:
    """Make what is in no file of this machine: users, a place for temporary files, and the wheels that travelled."""
    (folder / "etc").mkdir()
    (folder / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (folder / "etc" / "group").write_text("root:x:0:\n")
    (folder / "tmp").mkdir()
    (folder / "opt").mkdir()
    if wheels:
        shutil.copytree(wheels, folder / WHEELS[1:])
    folder.chmod(0o755)


def changes() -> list[str]:
    """Return the image's configuration, as lines of a Dockerfile."""
    path = ":".join((str(Path(sys.executable).parent), str(TOOLKIT / "bin"), "/usr/bin", "/bin"))
    # As an image for NVIDIA's GPUs says of itself; and where this Python looks for libraries.
    variables = {"PATH": path, "PYTHONPATH": WHEELS, "NVIDIA_VISIBLE_DEVICES": "all"}
    variables |= {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if os.environ.get(name)}
    return [*(f"ENV {name}={value}" for name, value in variables.items()), 'CMD ["python3"]']


def archive(found: Tree, staged: Path, listing: Path) -> "subprocess.Popen[bytes]":
    """Start the program that writes the image's files to its stdout."""
    listing.write_bytes(b"\0".join(str(path)[1:].encode() for path in found.files))
    words = ["--no-recursion", "--null", f"--files-from={listing}", "--recursion", f"--directory={staged}"]
    command = ["tar", "--create", "--directory=/", *words, "."]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def chunks(pipe: IO[bytes]) -> Iterator[bytes]:
    """Yield what a program writes, as it comes: it has no length before its end."""
    return iter(lambda: pipe.read(CHUNK), b"")

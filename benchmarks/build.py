"""Building the CUDA image, against plain pip, two Dockerfiles of experts, and uv on the host; all of one lock.

    DOCKER_HOST=unix:///run/bench/docker.sock .venv/bin/python benchmarks/build.py --prune [--runs 3]

It empties the build cache of the engine at DOCKER_HOST, again and again, so that "cold" is cold: give it an engine of
its own, and `--prune` to say that this is all right. Builds on `kgpu-env/base:debian-bookworm`, which `kgpu-env base`
makes. Takes about four minutes a run on a calm machine, 25 GB of disk and 8 GB of downloads a run.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import docker
from timing import machine, run

from provision.lock import find_uv, pins, pylock_path, read_lock
from provision.model.pins import requirement

ROOT = Path(__file__).parents[1]
KGPU = str(Path(sys.executable).parent / "kgpu-env")
HOST = ROOT / "tests" / "data" / "hosts" / "h100-580.json"
LOCK = ROOT / "images" / "locks" / "cuda.lock"
BASE = "kgpu-env/base:debian-bookworm"
NAME = "kgpu-bench"
OTHER = "2.20"  # another TensorFlow, on the same CUDA
BUNDLE = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
SITE = "/opt/venv/lib/python3.11/site-packages"
PLAIN = f"""FROM {BASE}
COPY ca.crt /tmp/ca.crt
RUN apt-get update && apt-get install -y python3 python3-venv
RUN python3 -m venv /opt/venv
RUN PIP_CERT=/tmp/ca.crt /opt/venv/bin/pip install 'tensorflow[and-cuda]==2.21.0'
"""
# One stage, and all of ours that a Dockerfile alone can have: uv bound, wheels unpacked in the layer and linked, and a
# layer for each part, so that they are exported at once. Nothing is left out, compiled or imported.
INSTALL = "RUN --mount=type=bind,target=/dev/context SSL_CERT_FILE=/dev/context/ca.crt UV_CACHE_DIR=/opt/venv/.cache"
EXPERT = f"""FROM {BASE}
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
RUN --mount=type=bind,target=/dev/context /dev/context/uv venv --no-cache --python /usr/bin/python3 /opt/venv
""" + "".join(
    f"{INSTALL} /dev/context/uv pip install --python /opt/venv/bin/python --no-deps --require-hashes"
    f" -r /dev/context/{part} && rm -rf /opt/venv/.cache\n"
    for part in ("cuda", "nccl", "rest")
)
# As uv's guide to Docker has it: one installation, wheels in a cache mount, copied, modules compiled.
GUIDE = f"""FROM {BASE}
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
RUN --mount=type=cache,target=/root/.cache/uv --mount=type=bind,target=/dev/context \\
    export SSL_CERT_FILE=/dev/context/ca.crt UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 \\
 && /dev/context/uv venv --python /usr/bin/python3 /opt/venv \\
 && /dev/context/uv pip install --python /opt/venv/bin/python --no-deps --require-hashes \\
      -r /dev/context/cuda -r /dev/context/nccl -r /dev/context/rest
"""
# A package beside what the lock has, pinned as `kgpu-env build --package` pins it.
ADDED = """
import sys
from pathlib import Path
from provision import api, model
from provision.lock import pins, read_lock
lock = read_lock(Path(sys.argv[1]))
more = model.Pin(name="humanize", version="4.17.0", hashes=(sys.argv[3],), use="added")
api.build(lock.stack, model.BuildOptions(request=lock.request, pins=(*pins(lock), more), tag=sys.argv[2]))
"""
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
HUMANIZE = "sha256:02d0899527760efe18011944f882df4970943b4cdff7b5a0ba7fed43a576ef98"


class Bench:
    """An engine, and what was measured on it."""

    def __init__(self, folder: Path) -> None:
        self.api = docker.APIClient(base_url=os.environ["DOCKER_HOST"], version="auto", timeout=3600)
        self.folder = folder
        self.seconds: dict[str, list[float]] = defaultdict(list)
        for name, words in {"first": (), "other": ("--tensorflow", OTHER)}.items():
            (folder / name).mkdir()
            if words:
                run([KGPU, "lock", "--vendor", "cuda", "--host", str(HOST), *words], cwd=folder / name)
            else:
                (folder / name / "kgpu.lock").write_bytes(LOCK.read_bytes())
                (folder / name / "pylock.toml").write_bytes(pylock_path(LOCK).read_bytes())

    def empty(self, *, kept_wheels: bool = False) -> None:
        """Remove the images and the cache; on request all but the mounts in which wheels are kept."""
        for image in self.api.images():
            if any(tag.startswith(NAME) for tag in image["RepoTags"] or ()):
                self.api.remove_image(image["Id"], force=True)
        # The SDK's prune_builds leaves what an image was made of.
        query = {"all": "1"} | ({"filters": json.dumps({"type": ["regular"]})} if kept_wheels else {})
        self.api.post(f"{self.api.base_url}/v{self.api.api_version}/build/prune", params=query).raise_for_status()

    def take(self, what: str, work: Callable[[], object]) -> None:
        """Measure, on a disk that has written what came before, and say what was measured."""
        os.sync()
        begun = time.monotonic()
        work()
        self.seconds[what].append(time.monotonic() - begun)
        print(f"{what}: {self.seconds[what][-1]:.1f} s, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)

    def ours(self, name: str, tag: str, *words: str) -> Callable[[], object]:
        """Build a lock with kgpu-env."""
        command = [KGPU, "build", "--locked", "--tag", f"{NAME}/{tag}", *words]
        return lambda: run(command, cwd=self.folder / name)

    def with_package(self) -> object:
        """Build the first lock with a package more."""
        lock = self.folder / "first" / "kgpu.lock"
        return run([sys.executable, "-c", ADDED, str(lock), f"{NAME}/added:1", HUMANIZE])

    def plain(self) -> None:
        """Build with the classic builder, without cache."""
        self._build(PLAIN, {"ca.crt": BUNDLE.read_bytes()}, "plain:1", nocache="1")

    def by_hand(self, name: str, text: str) -> Callable[[], object]:
        """Build an expert's Dockerfile with BuildKit on the host's network."""
        uv = Path(find_uv(lambda _: None)).read_bytes()
        files = {"uv": uv, "ca.crt": BUNDLE.read_bytes(), **requirements()}
        return lambda: self._build(text, files, f"{name}:1", version="2", networkmode="host")

    def _build(self, text: str, files: Mapping[str, bytes], tag: str, **params: str) -> None:
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, content in {"Dockerfile": text.encode(), **files}.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o755
                archive.addfile(entry, io.BytesIO(content))
        url = f"{self.api.base_url}/v{self.api.api_version}/build"
        params |= {"t": f"{NAME}/{tag}", "rm": "1"}
        answer = self.api.post(url, params=params, data=context.getvalue(), stream=True, timeout=None)
        for line in answer.iter_lines(chunk_size=None):
            if b'"errorDetail"' in line:
                raise SystemExit(line.decode())

    def host(self) -> None:
        """Install the same wheels on this machine, with nothing kept."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder, uv = Path(name), find_uv(lambda _: None)
            (folder / "list").write_bytes(b"".join(requirements().values()))
            run([uv, "venv", "--quiet", "--python", "3.11", f"{name}/venv"])
            words = ["--python", f"{name}/venv/bin/python", "--no-deps", "--require-hashes", "-r", f"{name}/list"]
            run([uv, "pip", "install", "--quiet", "--cache-dir", f"{name}/cache", *words])

    def once(self) -> None:
        """Measure all in turn."""
        works: dict[str, Callable[[], object]] = {
            "plain": self.plain,
            "guide": self.by_hand("guide", GUIDE),
            "expert": self.by_hand("expert", EXPERT),
            "cold": self.ours("first", "first:1"),
        }
        for what, work in works.items():
            self.empty()
            self.take(what, work)
            self.keep_size(what)
        self.take("nothing changed", self.ours("first", "first:1"))
        self.peak = self.peak_memory()
        self.take("one package", self.with_package)
        self.take("another TensorFlow", self.ours("other", "other:1"))
        self.shared = self.new_bytes("other:1", "first:1")
        self.take("host", self.host)
        self.empty()
        self.take("cold, --cache mount", self.ours("first", "first:1", "--cache", "mount"))
        self.empty(kept_wheels=True)
        self.take("warm wheels", self.ours("first", "first:1", "--cache", "mount"))
        self.empty()

    def peak_memory(self) -> float:
        """Return the largest resident set of a build in MiB."""
        command = [KGPU, "build", "--locked", "--tag", f"{NAME}/first:1"]
        lines = [sys.executable, "-c", PEAK, *command]
        done = subprocess.run(lines, cwd=self.folder / "first", capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1]) / 1024

    def keep_size(self, what: str) -> None:
        """Note the size of what was built."""
        tag = "first:1" if what == "cold" else f"{what}:1"
        self.seconds[f"{what}, GB"] = [self.api.inspect_image(f"{NAME}/{tag}")["Size"] / 1e9]  # type: ignore[no-untyped-call] # untyped in its stubs

    def new_bytes(self, second: str, first: str) -> float:
        """Return the part of a first image's layers that a push of the second sends anew; the base counts for both."""
        sizes = {}
        for tag in (first, second):
            found = self.api.inspect_image(f"{NAME}/{tag}")  # type: ignore[no-untyped-call] # untyped in its stubs
            history = [one["Size"] for one in reversed(self.api.history(f"{NAME}/{tag}")) if one["Size"]]  # type: ignore[no-untyped-call] # the same
            sizes[tag] = dict(zip(found["RootFS"]["Layers"], history, strict=False))  # those without bytes come last
        new = sum(size for layer, size in sizes[second].items() if layer not in sizes[first])
        return float(new / sum(sizes[first].values()))


def requirements() -> dict[str, bytes]:
    """Return the lock's wheels as requirements files: cuda, nccl and the rest."""
    found: dict[str, bytes] = {"cuda": b"", "nccl": b"", "rest": b""}
    for pin in pins(read_lock(LOCK)):
        if pin.use != "tool":
            part = "nccl" if "nccl" in pin.name else "cuda" if pin.name.startswith("nvidia-") else "rest"
            found[part] += f"{requirement(pin)}\n".encode()
    return found


def table(bench: Bench, runs: int) -> str:
    """Return the measured medians and their ratios, with the goals."""
    median = {what: statistics.median(values) for what, values in bench.seconds.items()}
    plain, cold = median["plain"], median["cold"]
    rows = [
        ("cold against plain pip, classic builder", cold, plain, "0.40"),
        ("cold against uv's guide to Docker", cold, median["guide"], ""),
        ("cold against an expert's Dockerfile", cold, median["expert"], "0.80"),
        ("cold against uv on the host", cold, median["host"], "3.5"),
        ("warm wheels (--cache mount)", median["warm wheels"], plain, "0.25"),
        ("cold with --cache mount", median["cold, --cache mount"], plain, ""),
        ("another TensorFlow on the same CUDA", median["another TensorFlow"], plain, "0.25"),
        ("one package added", median["one package"], plain, "0.02"),
        ("nothing changed", median["nothing changed"], plain, "0.01"),
    ]
    engine = f"Docker {bench.api.version()['Version']}, load {os.getloadavg()[0]:.1f}"
    told = f"Medians of {runs} in turn; {machine()}, {engine}"
    lines = [told, "", "| what | kgpu-env | against | ratio | aim |", "|---|---|---|---|---|"]
    lines += [f"| {what} | {own:.1f} s | {other:.1f} s | {own / other:.3f} | {aim} |" for what, own, other, aim in rows]
    own, other = median["cold, GB"], median["plain, GB"]
    lines.append(f"| image against plain pip's | {own:.2f} GB | {other:.2f} GB | {own / other:.3f} | 0.66 |")
    lines.append(f"| layers that a second stack's push sends | | | {bench.shared:.3f} | 0.40 |")
    lines.append(f"| peak memory of kgpu-env build | {bench.peak:.0f} MiB | | | 100 MiB |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--prune", action="store_true", required=True)
    options.add_argument("--runs", type=int, default=3)
    given = options.parse_args()
    if "DOCKER_HOST" not in os.environ:
        raise SystemExit("name an engine of its own: DOCKER_HOST=unix:///... (its build cache is emptied)")
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        for _ in range(given.runs):
            bench.once()
        print(table(bench, given.runs))


if __name__ == "__main__":
    main()

"""Building the CUDA image against a plain `pip install tensorflow[and-cuda]` with the classic builder.

    .venv/bin/python benchmarks/build.py --prune

Takes about ten minutes, 15 GB of disk and some gigabytes of downloads. It empties the engine's build cache, so that
"cold" is cold: `--prune` says that this is all right.
"""

import io
import json
import sys
import tarfile
import time
from pathlib import Path

import docker
from timing import Taken, machine, run

ROOT = Path(__file__).parents[1]
KGPU = str(Path(sys.executable).parent / "kgpu-env")
HOST = str(ROOT / "tests" / "data" / "hosts" / "h100-580.json")
BASE = "kgpu-env/base:debian-bookworm"
PLAIN = f"""FROM {BASE}
COPY ca.crt /tmp/ca.crt
RUN apt-get update && apt-get install -y python3 python3-venv
RUN python3 -m venv /opt/venv
RUN PIP_CERT=/tmp/ca.crt /opt/venv/bin/pip install 'tensorflow[and-cuda]==2.21.0'
"""


def plain(api: docker.APIClient, tag: str) -> float:
    """Build the plain Dockerfile with the classic builder, without cache; return the seconds."""
    context = io.BytesIO()
    bundle = Path("/etc/ssl/certs/ca-certificates.crt").read_bytes()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, content in (("Dockerfile", PLAIN.encode()), ("ca.crt", bundle)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    begun = time.monotonic()
    for line in api.build(fileobj=io.BytesIO(context.getvalue()), custom_context=True, tag=tag, nocache=True, rm=True):
        for part in line.splitlines():
            error = json.loads(part).get("error")
            if error:
                raise SystemExit(error)
    return time.monotonic() - begun


def ours(tag: str, *options: str) -> Taken:
    """Build with kgpu-env."""
    return run([KGPU, "build", "--vendor", "cuda", "--host", HOST, "--tag", tag, *options])


def main() -> None:
    """Print the table."""
    if "--prune" not in sys.argv:
        raise SystemExit(__doc__)
    api = docker.APIClient(version="auto", timeout=3600)
    if not api.images(BASE):
        run([KGPU, "base"])
    api.prune_builds()
    cold = ours("kgpu-bench/cuda:1").wall
    pip = plain(api, "kgpu-bench/plain:1")
    again = ours("kgpu-bench/cuda:1").wall
    package = ours("kgpu-bench/cuda:2", "--package", "humanize").wall
    sizes = {tag: api.inspect_image(tag)["Size"] / 1e9 for tag in ("kgpu-bench/cuda:1", "kgpu-bench/plain:1")}  # type: ignore[no-untyped-call] # untyped in its stubs
    print(f"One run each, in this order; {machine()}, Docker {api.version()['Version']}\n")
    print("| what | kgpu-env | pip, classic builder | ratio |\n|---|---|---|---|")
    for what, seconds in (("cold build", cold), ("one package added", package), ("nothing changed", again)):
        print(f"| {what} | {seconds:.1f} s | {pip:.1f} s | {seconds / pip:.3f} |")
    own, other = sizes.values()
    print(f"| image size | {own:.2f} GB | {other:.2f} GB | {own / other:.2f} |")
    for tag in ("kgpu-bench/cuda:1", "kgpu-bench/cuda:2", "kgpu-bench/plain:1"):
        api.remove_image(tag, force=True)
    api.close()


if __name__ == "__main__":
    main()

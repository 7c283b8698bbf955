"""`kgpu-env render` as a whole process against hpccm rendering a comparable CUDA recipe.

.venv/bin/pip install hpccm && .venv/bin/python benchmarks/start.py
"""

import compileall
import sys
import tempfile
from pathlib import Path

from timing import in_turn, machine, median

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
RECIPE = """
Stage0 += baseimage(image='nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04', _as='tools')
Stage0 += apt_get(ospackages=['python3-venv'])
Stage0 += shell(commands=['python3 -m venv /opt/uv', '/opt/uv/bin/pip install uv'])
Stage1 += baseimage(image='nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04')
Stage1 += apt_get(ospackages=['ca-certificates', 'python3'])
Stage1 += python(devel=False, python2=False)
Stage1 += pip(packages=['tensorflow==2.21.0', 'keras>=3.12.0', 'numpy>=1.26'], pip='pip3')
Stage1 += environment(variables={'VIRTUAL_ENV': '/opt/venv', 'NVIDIA_VISIBLE_DEVICES': 'all'})
Stage1 += label(metadata={'org.opencontainers.image.title': 'Keras on cuda'})
Stage1 += shell(commands=['useradd --uid 1000 --create-home keras'])
Stage1 += user(user='keras')
"""


def main() -> None:
    """Print the table."""
    # As pip does when it installs a package; a checkout has no compiled modules where Python may not write them.
    compileall.compile_dir(ROOT / "provision", quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "recipe.py"
        recipe.write_text(RECIPE)
        host = ROOT / "tests" / "data" / "hosts" / "h100-580.json"
        render = [str(BIN / "kgpu-env"), "render", "--vendor", "cuda", "--host", str(host)]
        commands = {
            "kgpu-env render": render,
            "kgpu-env render, no cache": ["env", "XDG_CACHE_HOME=/dev/null", *render],
            "hpccm": [str(BIN / "hpccm"), "--recipe", str(recipe)],
            "kgpu-env resolve": [str(BIN / "kgpu-env"), "resolve", "--vendor", "cuda", "--host", str(host)],
            "python -c 'import typer'": [sys.executable, "-c", "import typer"],
        }
        taken = in_turn(commands, 15)
    print(f"Whole processes, medians of 15 runs in turn; {machine()}\n")
    print("| command | wall s | CPU s | CPU against hpccm |\n|---|---|---|---|")
    for name, runs in taken.items():
        ratio = median(runs, "cpu") / median(taken["hpccm"], "cpu")
        print(f"| {name} | {median(runs):.3f} | {median(runs, 'cpu'):.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()

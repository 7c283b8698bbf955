"""The Python with the framework in an image of another maker, which a shell may have to activate first."""

from typing import Final

# $1: names of frameworks, separated by commas. The others: the arguments of the Python. The first that has one of them
# is taken, or else the first that there is. As an entry point or a login shell would do it, its environment is
# active then: first on the PATH, with the settings of conda's activate.d (jupyter/docker-stacks leads to its CUDA so).
FIND: Final = r"""
wanted=$1; shift; first=; chosen=
for one in "$(command -v python3)" "$(command -v python)" "$CONDA_PREFIX/bin/python" "$MAMBA_ROOT_PREFIX/bin/python" \
    "$CONDA_DIR/bin/python" /opt/conda/bin/python /opt/conda/envs/*/bin/python "$MAMBA_ROOT_PREFIX"/envs/*/bin/python \
    /opt/venv/bin/python /opt/*/bin/python3 /usr/bin/python3 /usr/local/bin/python3; do
  [ -x "$one" ] || continue
  first=${first:-$one}
  if "$one" -c 'import importlib.util as u, sys
sys.exit(not any(map(u.find_spec, sys.argv[1].split(","))))' "$wanted" 2>/dev/null; then chosen=$one; break; fi
done
chosen=${chosen:-$first}
[ -n "$chosen" ] || { echo "exec: \"python3\": executable file not found in \$PATH" >&2; exit 127; }
folder=${chosen%/bin/*}
if [ -d "$folder/conda-meta" ]; then
  export CONDA_PREFIX="$folder"
  for script in "$folder"/etc/conda/activate.d/*.sh; do [ -r "$script" ] && . "$script"; done
fi
export PATH="$folder/bin:$PATH"
"""
_FRAMEWORKS: Final = "tensorflow,jax,torch"


def python_command(backend: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that finds the Python with a framework, and runs it.

    Args:
        backend: tensorflow, jax or torch.
        arguments: of the Python.
    """
    return ("sh", "-c", f'{FIND}exec "$chosen" "$@"', "sh", backend, *arguments)


def active(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command as it runs in the environment that has a framework."""
    return ("sh", "-c", f'{FIND}exec "$@"', "sh", _FRAMEWORKS, *command)

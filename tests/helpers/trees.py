"""The trees of hosts (make.py, causes.yaml, real_hosts.yaml), and how a script that no package holds is loaded."""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

DATA: Final = Path(__file__).parents[1] / "data"


@cache
def script(path: Path) -> ModuleType:
    """Return a script as a module, the same one each time.

    Raises:
        FileNotFoundError: there is none.
    """
    spec = importlib.util.spec_from_file_location(f"script_{'_'.join(path.with_suffix('').parts[-3:])}", path)
    if not spec or not spec.loader:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # a script's own classes look for their module there
    spec.loader.exec_module(module)
    return module


TREES: Final = DATA / "trees"
make, causes, real_hosts = (script(TREES / f"{name}.py") for name in ("make", "causes", "real_hosts"))
ROWS: Final[list[dict[str, Any]]] = causes.ROWS
REAL: Final[dict[str, Any]] = real_hosts.read()


def build(root: Path, name: str) -> Path:
    """Write the tree of a host below `root`, whichever table has it; return `root`."""
    root.mkdir(parents=True, exist_ok=True)
    if name in REAL:
        real_hosts.build(make.Tree(root), REAL[name])
    elif name in make.TREES:
        make.TREES[name](make.Tree(root))
    else:
        causes.build(make, root, next(row for row in ROWS if row["name"] == name))
    return root

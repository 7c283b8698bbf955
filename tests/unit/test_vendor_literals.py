"""The names of makers and runtimes are written in the table and in each vendor's own modules, nowhere else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.model import GPU_VENDORS, MAKERS

PACKAGE = Path(__file__).parents[2] / "provision"
NAMES = {word for vendor, row in GPU_VENDORS.items() for word in (vendor.value, row.maker)}
MEMBERS = {vendor.name for vendor in GPU_VENDORS}
WORD = re.compile(rf"(?<![a-z0-9])({'|'.join(sorted(NAMES))})(?![a-z0-9])", re.IGNORECASE)
# A folder stands for all below it. Each reason says why the place cannot read the table.
ALLOWED = {
    "model/vendor.py": "the table",
    "catalogue/__init__.py": "NVIDIA's facts, which have a shape of their own; AMD's by name",
    "model/request.py": "--cuda and --rocm as a type checker sees them; further ones follow from the table",
    "doctor/conditions.py": "a variable of NVIDIA's container runtime",
    "doctor/messages.py": "programs whose words the rows of images/errors know",
    "probe/smi.py": "NVIDIA's own",
    "probe/collector.py": "the table and the paths that probes read, written out for what runs without this package",
    "probe/causes": "what each vendor's driver and toolkit leave on disk",
    "report/tools.py": "each vendor's own tools, whose words a support archive keeps",
    "emit/quick_check.py": "runs without this package; `check_script` writes the table's names into it",
    "records/environment.py": "the same list as the workload's, which runs without this package",
    "resolve/draft.py": "names of NVIDIA's wheels, which the metadata of a release pins; no other maker's are on PyPI",
    "resolve/freshness.py": "names of NVIDIA's wheels, and AMD's meta package on its own index",
    "resolve/nvidia.py": "NVIDIA's facts and rules",
    "resolve/image_contents.py": "CUDA and cuDNN as images tell them",
    "resolve/image_framework.py": "CUDA as tags and torch's versions tell it",
    "resolve/nvidia_require.py": "NVIDIA's own",
    "resolve/image_check.py": "the conditions of NVIDIA's images",
    "resolve/catalogue_check.py": "NVIDIA's tables",
    "resolve/matrix.py": "NVIDIA's tables",
    "resolve/request.py": "a variable of NVIDIA's images",
    "resolve/rule_names.py": "rules that speak of CUDA alone",
    "resolve/rules_support.py": "rules that speak of CUDA alone",
    "resolve/vendors.py": "NVIDIA's rules; those of all others follow from the table",
    "prove/checks/kfd.py": "AMD's own",
    "prove/checks/matching.py": "names that NVIDIA's driver gives",
    "prove/workload/container.py": "files of NVIDIA's driver",
    "prove/workload/makers.py": "the table, written out for what runs without this package",
    "prove/workload/torch.py": "what torch calls the GPUs of each maker",
}
OWN = tuple(f"probe/{maker}{end}" for maker in MAKERS for end in (".py", "_"))  # a maker's probe
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def literals(path: Path) -> Iterator[str]:
    """Yield the members of `Vendor` with a GPU, and the words in code that name one; sentences are for people."""
    tree = ast.parse(path.read_text())
    holders = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    first = (node.body[0] for node in holders if node.body)
    docs = {id(one.value) for one in first if isinstance(one, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in MEMBERS:
            yield f"line {node.lineno}: {node.attr}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            words = node.value.strip()
            if WORD.search(words) and " " not in words:
                yield f"line {node.lineno}: {words!r}"


def allowed(module: str) -> bool:
    return module.startswith(OWN) or any(module == place or module.startswith(f"{place}/") for place in ALLOWED)


@pytest.mark.parametrize("module", [module for module in MODULES if not allowed(module)])
def test_no_vendor_is_named(module: str) -> None:
    found = list(literals(PACKAGE / module))
    assert not found, f"read it from provision/model/vendor.py, or add a field there: {', '.join(found)}"


@pytest.mark.parametrize("place", ALLOWED)
def test_what_is_allowed_is_needed(place: str) -> None:
    path = PACKAGE / place
    modules = [path] if path.is_file() else sorted(path.rglob("*.py"))
    assert any(any(literals(one)) for one in modules), f"{place} names no vendor any more: take it off the list"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('x = "nvidia"', True),
        ('x = f"{y}=nvidia.com/gpu"', True),
        ("x = Vendor.ROCM", True),
        ('x = {"AMD": 1}', True),
        ('x = "--gpus"', False),
        ('x = "amd64"', False),
        ('x = "Install the NVIDIA driver."', False),
        ('"""nvidia"""', False),
    ],
)
def test_a_literal_is_seen(tmp_path: Path, text: str, *, found: bool) -> None:
    (tmp_path / "x.py").write_text(text)
    assert any(literals(tmp_path / "x.py")) is found

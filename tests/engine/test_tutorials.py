"""The tutorials of docs/tutorials do what they say, from their first line to their last.

Those of bare metal and of a fleet are in `test_prepare.py` and `test_fleet_walk.py`, that of devcontainers is in
`clients`: beside what stands for their machines.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Authority, intercepting_proxy, private_index, wheel
from tutorial import FOLDER, blocks, follow

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]
Environment = dict[str, str]


@pytest.fixture
def environment(tutorial_environment: Environment) -> Environment:
    return tutorial_environment


def test_every_tutorial_is_listed_and_tried() -> None:
    pages = {path.stem for path in FOLDER.glob("*.md")} - {"README"}
    assert set(re.findall(r"\((\S+)\.md\)", (FOLDER / "README.md").read_text())) == pages
    tests = "".join(path.read_text() for path in Path(__file__).parent.rglob("test_*.py"))
    assert set(re.findall(r'follow\(\s*"([a-z-]+)"', tests)) == pages
    assert all(blocks((FOLDER / f"{name}.md").read_text()) for name in pages)


def test_my_requirements_file(environment: Environment, tmp_path: Path) -> None:
    follow("requirements", tmp_path, environment)


def test_in_any_ci(environment: Environment, tmp_path: Path) -> None:
    follow("ci", tmp_path, environment)


@pytest.fixture
def company(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A company's proxy and index on loopback, by the words that the page has for them."""
    authority = Authority(tmp_path / "authority")
    files = {
        **wheel("tensorflow_cpu", "2.21.0", "__version__ = '2.21.0'\n", "tensorflow"),
        **wheel("keras", "3.99.0"),
        **wheel("numpy", "2.99.0"),
        **wheel("company_models", "1.0"),
    }
    with private_index(files, "me:index-s3cret") as index, intercepting_proxy(authority, []) as proxy:
        yield {
            "proxy.company.example:3128": f"127.0.0.1:{proxy}",
            "http://packages.company.example/": f"http://127.0.0.1:{index}/",
            "packages.company.example": "127.0.0.1",
            "/etc/company/ca.pem": str(authority.bundle),
        }


def test_behind_a_proxy(environment: Environment, company: dict[str, str], tmp_path: Path) -> None:
    own = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "PIP_CONFIG_FILE", "PIP_INDEX_URL", "UV_CONFIG_FILE")
    theirs = {key: value for key, value in environment.items() if key not in own}  # this machine's way is not theirs
    printed = follow("proxy", tmp_path, theirs, replaced=company)
    assert "s3cret" not in printed

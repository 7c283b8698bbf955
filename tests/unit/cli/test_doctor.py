"""`kgpu-env doctor` answers also where the settings stop every other command."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("engine")
KgpuEnv = Callable[..., tuple[int, str, str]]


@pytest.fixture(params=["a misspelt variable", "a catalogue that is not there", "a catalogue that is not YAML"])
def refused(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Settings that stop a command, as the code that it is stopped with."""
    if request.param == "a misspelt variable":
        monkeypatch.setenv("KGPU_ENV_TENSORFLW", "2.21")
        return "KGE-612"
    site = tmp_path / "site"
    monkeypatch.setenv("KGPU_ENV_CATALOGUE", str(site))
    if request.param == "a catalogue that is not there":
        return "KGE-205"
    site.mkdir()
    for name in ("errors.yaml", "nvidia.yaml"):
        (site / name).write_text("{")
    return "KGE-201"


def test_the_code_that_a_command_is_refused_with_is_explained(kgpu_env: KgpuEnv, refused: str) -> None:
    code, _, err = kgpu_env("resolve", "--vendor", "cuda")
    assert (code, err.partition(":")[0]) == (3, refused)
    for word in (refused, refused.lower(), "KGE-515"):  # KGE-515 is a row of the catalogue
        code, out, err = kgpu_env("doctor", word)
        assert (code, out.startswith(f"{word.upper()}\n"), err) == (0, True, "")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("KGPU_ENV_TENSORFLW", "2.21", "KGE-612"), ("KGPU_ENV_CATALOGUE", "/none", "KGE-205")],
)
def test_what_refuses_the_other_commands_is_found_wrong(
    kgpu_env: KgpuEnv, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    code, out, err = kgpu_env("doctor")
    assert (code, out.startswith(f"{told}   error: "), err) == (0, True, "")
    assert "\n          mend: " in out


def test_a_sites_own_words_for_a_message_are_told(
    kgpu_env: KgpuEnv, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "errors.yaml").write_text(
        'errors:\n  - {id: "KGE-515", match: "ours", cause: "c", fix: "call us", source: "s", checked: "2026-11-01"}\n'
    )
    monkeypatch.setenv("KGPU_ENV_CATALOGUE", str(tmp_path))
    assert "call us" in kgpu_env("doctor", "KGE-515")[1]

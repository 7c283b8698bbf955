"""What `verify` and `gate` refuse, and what `verify` makes of its options."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provision.model import Origin, Proof, Verdict

Call = Callable[..., Any]
WRONG = {
    "an image for here": ("verify", "site/x:1", "--here", "--vendor", "cpu"),
    "a host for here": ("verify", "--here", "--host", "host.json"),
    "a Python of an image without its folder": ("verify", "site/x:1", "--python", "python3"),
    "minutes without soak": ("verify", "site/x:1", "--minutes", "3"),
    "a time without end": ("verify", "site/x:1", "--timeout", "inf"),
    "a time that is no number": ("verify", "site/x:1", "--timeout", "nan"),
    "more minutes than a week": ("verify", "site/x:1", "--level", "soak", "--minutes", "1e18"),
    "gate: an image for here": ("gate", "site/x:1", "--here"),
    "gate: a Python for an image": ("gate", "site/x:1", "--python", "/usr/bin/python3"),
    "no level": ("verify", "site/x:1", "--level", "fast"),
    "no backend": ("verify", "site/x:1", "--backend", "pytorch"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use(name: str, kgpu_env: Call) -> None:
    code, out, err = kgpu_env(*WRONG[name])
    assert (code, out) == (2, "")
    assert err


def test_a_near_miss_is_suggested(kgpu_env: Call) -> None:
    assert "did you mean torch?" in kgpu_env("verify", "x", "--backend", "pytorch")[2]


@pytest.mark.parametrize("path", ["/no/such/python", "/"])
def test_a_python_that_is_none(path: str, kgpu_env: Call) -> None:
    code, _, err = kgpu_env("verify", "--here", "--python", path, "--vendor", "cpu")
    assert (code, "KGE-593" in err) == (3, True)


@pytest.mark.usefixtures("engine")
def test_here_without_a_gpu_must_be_told_what_to_prove(kgpu_env: Call) -> None:
    code, _, err = kgpu_env("verify", "--here")
    assert (code, "KGE-214" in err) == (4, True)


@pytest.mark.usefixtures("engine")
def test_the_options_reach_the_request(kgpu_env: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Any] = []

    def verify_here(python: Path, request: object, **_: object) -> Proof:
        seen.append((python, request))
        return Proof(verdict=Verdict.CPU, reason="as asked", image="here")

    monkeypatch.setattr("provision.api.verify_here", verify_here)
    files = [str(tmp_path / name) for name in ("p.json", "p.html", "j.xml", "c.json")]
    words = ("--report", files[0], "--html", files[1], "--junit", files[2], "--ctrf", files[3])
    code, out, _ = kgpu_env(
        *("verify", "--here", "--vendor", "cpu", "--level", "soak", "--minutes", "2", "--backend", "jax"),
        *("--timeout", "50", "--gpus", "0", *words),
    )
    assert code == 0
    [(_, request)] = seen
    assert (request.level, request.minutes, request.backend) == ("soak", 2.0, "jax")
    assert (request.seconds, request.gpus) == (50.0, "0")
    assert all(Path(name).stat().st_size for name in files)
    assert out.splitlines()[-1] == f"Report    {' '.join(files)}"


@pytest.mark.usefixtures("engine")
def test_stdout_and_the_report_are_one_value(kgpu_env: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    proof = Proof(
        verdict=Verdict.CPU, reason="as asked", image="here", origin=Origin(node="node7", at="2026-11-23T07:42:31Z")
    )
    monkeypatch.setattr("provision.api.verify_here", lambda *_, **__: proof)
    code, out, _ = kgpu_env("verify", "--here", "--vendor", "cpu", "--json", "--report", tmp_path / "p.json")
    assert (code, out) == (0, (tmp_path / "p.json").read_text() + "\n")
    assert json.loads(out)["origin"]["node"] == "node7"


@pytest.mark.usefixtures("engine")
def test_an_anonymous_verification_asks_for_one(kgpu_env: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def verify_here(_: Path, request: object, **__: object) -> Proof:
        seen.append(request)
        return Proof(verdict=Verdict.CPU, reason="as asked")

    monkeypatch.setattr("provision.api.verify_here", verify_here)
    kgpu_env("verify", "--here", "--vendor", "cpu")
    kgpu_env("verify", "--here", "--vendor", "cpu", "--anonymous")
    assert [request.anonymous for request in seen] == [False, True]

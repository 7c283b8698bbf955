"""export, init, run, shell and jupyter through the entry point, with an engine made of words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provision.engine.protocol import Image, Job, Streams
from provision.errors import EngineError
from provision.model import Engine

Call = Callable[..., Any]
HostFile = Callable[[str], Path]
KINDS = ("devcontainer", "compose", "kubernetes", "apptainer", "quadlet", "shell")


class TestExport:
    @pytest.mark.parametrize("kind", KINDS)
    def test_json_holds_what_is_written(self, kgpu_env: Call, host: HostFile, tmp_path: Path, kind: str) -> None:
        words = ("export", kind, "--host", host("mi300x-spx"))
        document = kgpu_env(*words, "--json").document()
        assert (document["schema"], document["kind"]) == ("kgpu-env/export/1", kind)
        assert document["image"].startswith("kgpu-env/rocm:")
        ended = kgpu_env(*words, "-o", tmp_path / "out")
        files = {one["path"]: one["text"] for one in document["files"]}
        assert {path: (tmp_path / "out" / path).read_text() for path in files} == files
        assert ended.out.split() == [str(tmp_path / "out" / path) for path in files]
        assert kgpu_env(*words).out == next(iter(files.values()))

    def test_a_dockerfile_brings_the_network_that_was_asked_for(
        self, kgpu_env: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def nobody(*_: object) -> None:
            raise EngineError("KGE-301", "nobody answers")

        monkeypatch.setattr("provision.api.read_configuration", nobody)
        Path("kgpu-env.yaml").write_text("vendor: cpu\nnetwork: {index_url: 'https://index.example/simple'}\n")
        ended = kgpu_env("export", "devcontainer", "-o", ".")
        assert (ended.code, "holds your network settings" in ended.err) == (0, True)
        assert "index.example" in Path(".devcontainer/network/uv.toml").read_text()
        assert "source=network" in Path(".devcontainer/Dockerfile").read_text()
        ended = kgpu_env("export", "devcontainer", "--image", "a:1", "-o", "named")  # its own layer, and pip inside
        assert Path("named/.devcontainer/Dockerfile").read_text().startswith("FROM a:1\n")
        assert "index.example" in Path("named/.devcontainer/network/pip.conf").read_text()

    @pytest.mark.parametrize(
        ("outside", "asked", "written"),
        [
            ({"https_proxy": "http://me:s3cret@proxy.example:3128"}, "", "${localEnv:https_proxy}"),
            ({}, "http://me:s3cret@proxy.example:3128", "${localEnv:HTTPS_PROXY}"),
            ({}, "http://proxy.example:3128", "http://proxy.example:3128"),
            ({"HTTPS_PROXY": "http://127.0.0.1:3128"}, "", None),
            ({}, "", None),
        ],
    )
    def test_a_proxy_is_written_without_its_login(
        self, kgpu_env: Call, monkeypatch: pytest.MonkeyPatch, outside: dict[str, str], asked: str, written: str | None
    ) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.setenv("DOCKER_CONFIG", "/nowhere")
        for name, value in outside.items():
            monkeypatch.setenv(name, value)
        Path("kgpu-env.yaml").write_text(f"vendor: cpu\nnetwork: {{proxy: {asked!r}}}\n" if asked else "vendor: cpu\n")
        ended = kgpu_env("export", "devcontainer", "--json")
        assert "s3cret" not in ended.out + ended.err
        found = json.loads(ended.document()["files"][0]["text"])
        assert found["build"].get("args", {}).get("HTTPS_PROXY") == written
        assert found["containerEnv"].get("https_proxy") == written

    def test_what_docker_hands_over_by_itself_is_not_repeated(
        self, kgpu_env: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Path("config.json").write_text('{"proxies": {"default": {"httpsProxy": "http://docker.example:1"}}}')
        monkeypatch.setenv("DOCKER_CONFIG", str(Path().absolute()))
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
        assert "proxy" not in kgpu_env("export", "devcontainer", "--vendor", "cpu", "--json").out.lower()

    def test_a_cpu_says_so(self, kgpu_env: Call) -> None:
        ended = kgpu_env("export", "compose", "--vendor", "cpu")
        assert (ended.code, "no GPU is asked for" in ended.err) == (0, True)

    @pytest.mark.parametrize(
        ("words", "code", "told"),
        [
            (("devcontaner",), 2, "did you mean devcontainer?"),
            (("shell", "--memory", "lots"), 2, "'lots' is no size"),
            (("shell", "--image", "a b"), 2, "KGE-411"),
            (("compose", "--node", "one"), 2, "KGE-592"),
            (("compose", "--sudo"), 2, "--sudo belongs to export devcontainer"),
            (("shell", "--service", "mlflow"), 2, "--service belongs to export compose"),
            (("compose", "--service", "grafana"), 2, "'grafana' is no service"),
            (("compose", "--service", "mlflow", "--by-tag"), 2, "the environment has no mlflow"),
            (("devcontainer", "--feature", "../x"), 2, "'../x' is no Feature"),
            (("apptainer", "--memory", "16g"), 2, "KGE-592"),
            (("shell", "-o", "file"), 2, "KGE-911"),
            (("kubernetes", "--node", "A_b"), 2, "is no name of a node"),
        ],
    )
    def test_wrong_input(self, kgpu_env: Call, words: tuple[str, ...], code: int, told: str) -> None:
        Path("file").touch()
        ended = kgpu_env("export", *words, "--vendor", "cpu")
        assert (ended.code, told in ended.err, "Traceback" in ended.err) == (code, True, False)

    def test_a_gpu_that_is_not_there(self, kgpu_env: Call, host: HostFile) -> None:
        ended = kgpu_env("export", "shell", "--host", host("h100-580"), "--gpus", "7")
        assert (ended.code, "KGE-306" in ended.err) == (2, True)

    def test_some_of_the_gpus(self, kgpu_env: Call, host: HostFile) -> None:
        ended = kgpu_env("export", "shell", "--by-tag", "--host", host("mixed-h100-v100"), "--gpus", "sm_70")
        assert "GPU-00000001-aaaa-bbbb-cccc-ddddeeeeffff" in ended.out
        assert "GPU-00000000-aaaa" not in ended.out
        assert "Tesla V100-PCIE-32GB" in ended.err
        assert "H100" not in ended.err


@pytest.mark.parametrize("command", ["resolve", "render"])
@pytest.mark.parametrize("words", ["1", "sm_70", "3b:00.0", "GPU-00000001-aaaa-bbbb-cccc-ddddeeeeffff"])
def test_a_stack_is_for_the_gpus_that_are_named(kgpu_env: Call, host: HostFile, command: str, words: str) -> None:
    asked = (command, "--host", host("mixed-h100-v100"), "--json")
    stack = kgpu_env(*asked, "--gpus", words).document()
    assert stack != kgpu_env(*asked).document()
    assert command == "render" or stack["gpus"] == ["sm_70"]


def test_the_gpus_are_a_setting_as_others(kgpu_env: Call, host: HostFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGPU_ENV_GPUS", "sm_70")
    assert kgpu_env("resolve", "--host", host("mixed-h100-v100"), "--json").document()["gpus"] == ["sm_70"]
    Path("kgpu-env.yaml").write_text("gpus: sm_90\n")
    monkeypatch.delenv("KGPU_ENV_GPUS")
    assert kgpu_env("resolve", "--host", host("mixed-h100-v100"), "--json").document()["gpus"] == ["sm_90"]


@pytest.mark.usefixtures("engine")
class TestInit:
    def test_what_it_writes_is_used(self, kgpu_env: Call, tmp_path: Path) -> None:
        document = kgpu_env("init", "--yes", "--package", "pandas", "--json").document()
        assert document["files"] == ["kgpu-env.yaml", "kgpu-env.schema.json"]
        shown = json.loads(kgpu_env("resolve", "--show-config", "--json").out)["options"]
        assert shown["packages"] == {"value": ["pandas"], "origin": str(tmp_path / "kgpu-env.yaml")}
        assert json.loads((tmp_path / "kgpu-env.schema.json").read_text())["title"] == "kgpu-env.yaml"

    def test_nothing_is_replaced_unasked(self, kgpu_env: Call, tmp_path: Path) -> None:
        (tmp_path / "kgpu-env.yaml").write_text("vendor: rocm\n")
        ended = kgpu_env("init", "--yes")
        assert (ended.code, "KGE-609" in ended.err) == (3, True)
        assert (tmp_path / "kgpu-env.yaml").read_text() == "vendor: rocm\n"
        assert kgpu_env("init", "--yes", "--force").code == 0

    def test_no_terminal_to_ask_at(self, kgpu_env: Call, tmp_path: Path) -> None:
        ended = kgpu_env("init")
        assert (ended.code, "KGE-910" in ended.err, list(tmp_path.iterdir())) == (2, True, [])

    def test_a_package_that_is_none_writes_nothing(self, kgpu_env: Call, tmp_path: Path) -> None:
        ended = kgpu_env("init", "--yes", "--package", "-x y")
        assert (ended.code, list(tmp_path.iterdir())) == (3, [])


class Jobs:
    """Takes the place of the fake engine's missing `run_job`."""

    def __init__(self, engine: Any) -> None:  # noqa: ANN401 - conftest's FakeEngine
        self.engine = engine
        self.seen: list[Job] = []
        self.ends: int | Exception = 0

    def __call__(self, job: Job, _: Streams, on_start: Callable[[], None]) -> int:  # noqa: ARG002 - the engine's signature
        self.seen.append(job)
        if isinstance(self.ends, Exception):
            raise self.ends
        return self.ends


@pytest.fixture
def jobs(engine: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Jobs:  # noqa: ANN401 - conftest's FakeEngine
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = Jobs(engine)
    engine.run_job = found
    return found


class TestRun:
    def test_the_job_is_the_users(self, kgpu_env: Call, jobs: Jobs, tmp_path: Path) -> None:
        jobs.ends = 9
        assert kgpu_env("run", "--vendor", "cpu", "--", "python3", "-c", "1").code == 9
        (job,) = jobs.seen
        assert job.command == ("python3", "-c", "1")
        assert job.image.startswith("kgpu-env/cpu:")
        assert job.mounts == {str(tmp_path): "/work", str(tmp_path / "home/.cache/kgpu-env-containers"): "/caches"}

    def test_another_user_has_no_part_in_the_cache(self, kgpu_env: Call, jobs: Jobs, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        ended = kgpu_env("run", "--vendor", "cpu", "--user", "1000055:7", "--", "true")
        (job,) = jobs.seen
        assert (job.user, job.mounts) == ("1000055:7", {str(tmp_path): "/work"})
        assert "cannot write" in ended.err

    @pytest.mark.parametrize(("rootless", "inside"), [(True, "0:0"), (False, "1000055:1000056")])
    def test_a_rootless_engines_root_is_the_user(
        self, kgpu_env: Call, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, *, rootless: bool, inside: str
    ) -> None:
        described = Engine(name="docker", version="28.5.2", rootless=rootless)
        monkeypatch.setattr(jobs.engine, "describe", lambda: described)
        monkeypatch.setattr("os.getuid", lambda: 1000055)
        monkeypatch.setattr("os.getgid", lambda: 1000056)
        Path.cwd().chmod(0o777)
        assert kgpu_env("run", "--vendor", "cpu", "--", "true").code == 0
        assert jobs.seen[0].user == inside

    def test_json(self, kgpu_env: Call, jobs: Jobs) -> None:
        jobs.ends = 3
        document = kgpu_env("run", "--vendor", "cpu", "--json", "--", "false").document()
        assert (document["schema"], document["exit_code"], document["access"]) == ("kgpu-env/run/1", 3, "none")

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--user", "me"), (2, "'me' is no user")),
            (("--user", "4294967295"), (2, "is no user")),
            (("--project", "nowhere"), (3, "KGE-608")),
            (("--project", "closed", "--user", "1000055"), (3, "KGE-608")),
        ],
    )
    def test_wrong_input(self, kgpu_env: Call, jobs: Jobs, words: tuple[str, ...], told: tuple[int, str]) -> None:
        Path("closed").mkdir(mode=0o700)
        ended = kgpu_env("run", "--vendor", "cpu", *words, "--", "true")
        assert (ended.code, told[1] in ended.err, jobs.seen) == (told[0], True, [])

    def test_an_image_that_is_not_there(self, kgpu_env: Call, jobs: Jobs, engine: Any) -> None:  # noqa: ANN401 - conftest's FakeEngine
        engine.image = lambda _: None
        ended = kgpu_env("run", "--image", "none:1", "--", "true")
        assert (ended.code, "KGE-408" in ended.err, jobs.seen) == (6, True, [])

    def test_an_image_for_a_gpu_on_a_host_without_says_so(self, kgpu_env: Call, jobs: Jobs, engine: Any) -> None:  # noqa: ANN401 - conftest's FakeEngine
        image = Image(image_id="sha256:1", architecture="amd64", size_bytes=1, env=("NVIDIA_VISIBLE_DEVICES=all",))
        engine.image = lambda _: image
        assert "this host has no GPU for a cuda image" in kgpu_env("run", "--image", "any:1", "--", "true").err
        assert jobs.seen[0].access.method == "none"


def test_a_shell_needs_a_terminal(kgpu_env: Call, jobs: Jobs) -> None:
    ended = kgpu_env("shell", "--vendor", "cpu")
    assert (ended.code, "KGE-910" in ended.err, jobs.seen) == (2, True, [])


def test_a_shell_without_a_terminal_as_json(kgpu_env: Call, jobs: Jobs) -> None:
    document = kgpu_env("shell", "--vendor", "cpu", "--json").document()
    assert (document["code"], document["exit_code"], jobs.seen) == ("KGE-910", 2, [])


class TestJupyter:
    def test_the_token_is_no_argument(self, kgpu_env: Call, jobs: Jobs) -> None:
        kgpu_env("jupyter", "--vendor", "cpu", "--port", "9999")
        (job,) = jobs.seen
        token = job.env["JUPYTER_TOKEN"]
        assert (len(token), job.ports, job.stdin) == (48, {8888: 9999}, False)
        assert token not in " ".join(job.command)

    @pytest.mark.parametrize(("ends", "told"), [(78, "has no JupyterLab"), (1, "ended with exit code 1")])
    def test_it_ends_by_itself(self, kgpu_env: Call, jobs: Jobs, ends: int, told: str) -> None:
        jobs.ends = ends
        ended = kgpu_env("jupyter", "--vendor", "cpu")
        assert (ended.code, "KGE-309" in ended.err, told in ended.err) == (5, True, True)

    def test_a_port_in_use(self, kgpu_env: Call, jobs: Jobs) -> None:
        jobs.ends = EngineError("KGE-307", "port 8888 of this host is in use", fix="take another with --port")
        document = kgpu_env("jupyter", "--vendor", "cpu", "--json").document()
        assert (document["code"], document["exit_code"]) == ("KGE-307", 5)

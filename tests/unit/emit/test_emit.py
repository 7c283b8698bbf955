"""What every output says of the GPU, the user and the image; the hosts are synthetic (tests/data/hosts)."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from provision import model
from provision.catalogue import load
from provision.emit import OUTPUTS, Order, emit
from provision.emit.kubernetes import job_name
from provision.emit.order import requirement_name
from provision.emit.serialize import as_unit, as_yaml
from provision.engine.access import device_access
from provision.model import Request, Vendor
from provision.render import render
from provision.resolve import resolve

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")

HOSTS = Path(__file__).parents[2] / "data" / "hosts"
DOCKER = model.Engine(name="docker", version="24.0.7")
CDI = model.Engine(name="docker", version="28.5.2", cdi=("nvidia.com/gpu=all", "nvidia.com/gpu=0"))
RUNTIME = model.Engine(name="docker", version="28.5.2", runtimes=("nvidia", "runc"))
PODMAN = model.Engine(name="podman", version="5.4.2")


def order(
    host: str | model.Host | None,
    request: Request | None = None,
    engine: model.Engine | None = DOCKER,
    **more: Any,  # noqa: ANN401 - passed through
) -> Order:
    request = request or Request(vendor=Vendor.AUTO if host else Vendor.CPU)
    here = host if isinstance(host, model.Host) else model.Host()
    if isinstance(host, str):
        here = model.decode((HOSTS / f"{host}.json").read_bytes(), model.Host)
    here = msgspec.structs.replace(here, engine=engine)
    stack = resolve(MINIATURE, here, request)
    gpus = more.pop("gpus", "all")
    plan = render(MINIATURE, stack, request)
    access = device_access(here, stack.vendor, gpus)
    return Order(stack=stack, request=request, host=here, access=access, plan=plan, **more)


def configuration(made: Order, folder: str = ".devcontainer") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(emit("devcontainer", made)[f"{folder}/devcontainer.json"])
    return found


def service(made: Order, name: str = "keras") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(emit("compose", made)["compose.yaml"])["services"][name]
    return found


def pod(made: Order) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(emit("kubernetes", made)["pod.yaml"])["spec"]
    return found


def run_line(made: Order) -> list[str]:
    return shlex.split(emit("shell", made)["run.sh"], comments=True)


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("host", ["h100-580", "mi300x-spx", None])
def test_the_same_order_gives_the_same_bytes(kind: str, host: str | None) -> None:
    assert emit(kind, order(host)) == emit(kind, order(host))


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("host", ["h100-580", "mi300x-spx", None])
def test_every_output_names_the_image_that_was_given(kind: str, host: str | None) -> None:
    image = f"registry.example:5000/keras@sha256:{'ab' * 32}"
    assert any(image in text for text in emit(kind, order(host, image=image)).values())
    assert "registry.example" not in "".join(emit(kind, order(host)).values())


@pytest.mark.parametrize("kind", ["compose", "kubernetes", "apptainer", "quadlet", "shell"])
@pytest.mark.parametrize("host", ["h100-580", "mi300x-spx", None])
def test_every_output_carries_the_plan_and_the_built_tag(kind: str, host: str | None) -> None:
    made = order(host)
    text = "".join(emit(kind, made).values())
    assert made.plan.digest in text
    assert made.plan.tag in text


class TestNvidia:
    def test_cdi_where_the_engine_has_it(self) -> None:
        made = order("h100-580", engine=CDI)
        assert "--device=nvidia.com/gpu=all" in configuration(made)["runArgs"]
        assert configuration(made)["hostRequirements"] == {"gpu": "optional"}
        device = service(made)["deploy"]["resources"]["reservations"]["devices"][0]
        assert device == {"driver": "cdi", "device_ids": ["nvidia.com/gpu=all"], "capabilities": ["gpu"]}
        assert "--device=nvidia.com/gpu=all" in run_line(made)

    def test_the_runtime_request_where_it_has_not(self) -> None:
        made = order("h100-580")
        assert "--gpus=all" in configuration(made)["runArgs"]
        device = service(made)["deploy"]["resources"]["reservations"]["devices"][0]
        assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
        assert "--gpus=all" in run_line(made)

    def test_the_client_and_the_file_do_not_both_say_gpus(self) -> None:
        """The reference client adds `--gpus all` by itself where the runtime is registered."""
        made = configuration(order("h100-580", engine=RUNTIME))
        assert made["runArgs"][0] == "--runtime=nvidia"
        assert not [word for word in made["runArgs"] if word.startswith("--gpus")]
        assert made["containerEnv"]["NVIDIA_VISIBLE_DEVICES"] == "all"

    def test_one_of_several_stays_one(self) -> None:
        first = model.decode((HOSTS / "h100-580.json").read_bytes(), model.Host)
        two = (first.gpus[0], msgspec.structs.replace(first.gpus[0], uuid="GPU-b"))
        host = msgspec.structs.replace(first, gpus=two)
        made = order(host, engine=RUNTIME, gpus="1")
        assert '--gpus="device=GPU-b"' in configuration(made)["runArgs"]
        assert "hostRequirements" not in configuration(made)
        device = service(made)["deploy"]["resources"]["reservations"]["devices"][0]
        assert device == {"driver": "nvidia", "device_ids": ["GPU-b"], "capabilities": ["gpu"]}

    def test_podman_gets_a_cdi_name(self) -> None:
        text = emit("quadlet", order("h100-580", engine=DOCKER))["keras.container"]
        assert "AddDevice=nvidia.com/gpu=all\n" in text
        assert "nvidia-ctk cdi generate" in text

    def test_a_mig_slice_has_its_own_resource(self) -> None:
        first = model.decode((HOSTS / "h100-580.json").read_bytes(), model.Host)
        slices = tuple(msgspec.structs.replace(first.gpus[0], partition="1g.10gb", uuid=f"MIG-{n}") for n in "ab")
        spec = pod(order(msgspec.structs.replace(first, gpus=slices)))
        assert spec["containers"][0]["resources"]["limits"] == {"nvidia.com/mig-1g.10gb": "1"}

    def test_apptainer_shows_the_one_that_was_chosen(self) -> None:
        cdi = msgspec.structs.replace(CDI, cdi=("nvidia.com/gpu=0", "nvidia.com/gpu=all"))
        text = emit("apptainer", order("h100-580", engine=cdi, gpus="0"))["run.sh"]
        assert "--env=CUDA_DEVICE_ORDER=PCI_BUS_ID --env=CUDA_VISIBLE_DEVICES=0 " in text
        assert "CUDA_VISIBLE_DEVICES" not in emit("apptainer", order("h100-580", engine=CDI))["run.sh"]


class TestAmd:
    @pytest.mark.parametrize(("gpus", "told"), [("1", True), ("all", False)])
    def test_apptainer_says_that_it_shows_every_gpu(self, gpus: str, *, told: bool) -> None:
        text = emit("apptainer", order("mi300x-spx", gpus=gpus))["run.sh"]
        assert ("choose with ROCR_VISIBLE_DEVICES" in text) is told
        assert ("--env=ROCR_VISIBLE_DEVICES=1 " in text) is told

    def test_only_the_card_is_handed_in_where_there_is_an_integrated_gpu_too(self) -> None:
        host = model.decode((HOSTS / "radeon-7900xtx.json").read_bytes(), model.Host)
        node = model.DeviceNode(path="/dev/dri/renderD129", gid=109, mode=0o660)
        small = msgspec.structs.replace(
            host.gpus[0], architecture="gfx1036", pci="0000:0d:00.0", integrated=True, kfd_node=2, nodes=(node,)
        )
        made = order(msgspec.structs.replace(host, gpus=(*host.gpus, small)))
        for name in ("compose", "quadlet", "devcontainer", "shell"):
            text = "".join(emit(name, made).values())
            assert "renderD128" in text
            assert "renderD129" not in text
        assert "--env=ROCR_VISIBLE_DEVICES=0 " in emit("apptainer", made)["run.sh"]

    def test_nodes_and_numeric_groups(self) -> None:
        made = order("mi300x-spx", gpus="1")
        wanted = ["--device=/dev/kfd", "--device=/dev/dri/renderD129", "--group-add=109"]
        assert configuration(made)["runArgs"][:3] == wanted
        assert service(made)["devices"] == ["/dev/kfd:/dev/kfd", "/dev/dri/renderD129:/dev/dri/renderD129"]
        assert service(made)["group_add"] == ["109"]
        assert set(wanted) <= set(run_line(made))
        text = emit("quadlet", made)["keras.container"]
        assert "AddDevice=/dev/dri/renderD129\n" in text
        assert "PodmanArgs=--group-add=109\n" in text

    def test_kubernetes(self) -> None:
        spec = pod(order("mi300x-spx"))
        assert spec["securityContext"]["supplementalGroups"] == [109]
        assert spec["containers"][0]["resources"]["limits"] == {
            "amd.com/gpu": "1"
        }  # a string: kubectl apply --server-side
        assert "affinity" not in spec  # the resource says it; no label of a discovery has to be there
        daemon = yaml.safe_load(emit("kubernetes", order("mi300x-spx"))["daemonset.yaml"])["spec"]["template"]["spec"]
        terms = daemon["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
            "nodeSelectorTerms"
        ]
        assert terms[0]["matchExpressions"][0]["key"] == "feature.node.kubernetes.io/amd-gpu"

    def test_apptainer(self) -> None:
        assert "apptainer exec --rocm " in emit("apptainer", order("mi300x-spx"))["run.sh"]


class TestWithoutGpu:
    def test_nothing_is_asked_for(self) -> None:
        made = order(None)
        assert "deploy" not in service(made)
        assert "resources" not in pod(made)["containers"][0]
        assert "affinity" not in pod(made)
        assert "hostRequirements" not in configuration(made)
        assert configuration(made)["postCreateCommand"]["check"][-2] == "--expect=cpu"

    @pytest.mark.parametrize("host", ["h100-580", "mi300x-spx"])
    def test_a_second_configuration_opens_without_one_and_says_so(self, host: str) -> None:
        made = configuration(order(host, engine=CDI), ".devcontainer/without-gpu")
        words = " ".join(made["runArgs"])
        assert not any(word in words for word in ("--device", "--gpus", "--group-add", "--runtime"))
        assert "without a GPU" in made["initializeCommand"]["notice"][1]
        assert "--expect=any" in made["postCreateCommand"]["check"]
        assert made["build"] == {"dockerfile": "../Dockerfile", "context": "../"}


class TestUser:
    def test_the_developer_gets_the_images_user(self) -> None:
        made = configuration(order(None, Request(vendor=Vendor.CPU, user=model.User(name="dev", uid=1000055, gid=7))))
        assert (made["remoteUser"], made["containerUser"], made["updateRemoteUserUID"]) == ("dev", "dev", True)

    def test_root_stays_root(self) -> None:
        root = model.User(name="root", uid=0, gid=0)
        made = order(None, Request(vendor=Vendor.CPU, user=root))
        assert (configuration(made)["remoteUser"], configuration(made)["updateRemoteUserUID"]) == ("root", False)
        assert pod(made)["securityContext"]["runAsNonRoot"] is False

    def test_a_rootless_engine_maps_root_to_the_developer(self) -> None:
        engine = model.Engine(name="docker", version="28.5.2", rootless=True)
        made = order(None, engine=engine, developer=(1000055, 1000055))
        assert configuration(made)["remoteUser"] == "root"
        assert service(made)["user"] == "${PROJECT_UID:-0}:${PROJECT_GID:-0}"
        assert "--user=0:0" in run_line(made)

    def test_a_rootless_podmans_client_maps_the_ids_itself(self) -> None:
        engine = model.Engine(name="podman", version="5.4.2", rootless=True)
        assert configuration(order(None, engine=engine))["remoteUser"] == "keras"

    def test_whoever_exports_owns_what_is_made_in_the_project(self) -> None:
        made = order(None, developer=(1000055, 1000056))
        assert service(made)["user"] == "${PROJECT_UID:-1000055}:${PROJECT_GID:-1000056}"
        assert service(made, "caches")["command"] == ["chown", service(made)["user"], "/caches"]
        assert configuration(made)["remoteUser"] == "keras"  # the client gives it the ids
        assert pod(made)["securityContext"]["runAsUser"] == 1000  # no project is mounted
        assert configuration(order(None, developer=(0, 0)))["remoteUser"] == "root"

    def test_the_shell_line_works_as_whoever_starts_it(self) -> None:
        assert "--user=$(id -u):$(id -g)" in run_line(order(None, developer=(1000055, 1000056)))

    def test_ids_above_a_million(self) -> None:
        made = order(None, Request(vendor=Vendor.CPU, user=model.User(name="dev", uid=1000055, gid=1000056)))
        assert service(made)["user"] == "${PROJECT_UID:-1000055}:${PROJECT_GID:-1000056}"
        assert pod(made)["securityContext"]["runAsUser"] == 1000055
        assert "User=1000055\nGroup=1000056\n" in emit("quadlet", made)["keras.container"]


class TestCompose:
    def test_jupyter_only_where_the_image_has_it(self) -> None:
        without = emit("compose", order(None))["compose.yaml"]
        assert "jupyterlab (add it with --package jupyterlab)" in without
        made = order(None, Request(vendor=Vendor.CPU, packages=("jupyterlab>=4",)))
        found = service(made, "jupyter")
        assert found["profiles"] == ["jupyter"]
        assert found["ports"] == ["127.0.0.1:8888:8888"]
        assert found["environment"]["JUPYTER_TOKEN"] == "${JUPYTER_TOKEN:-}"  # empty: Jupyter makes one

    def test_dollars_have_no_meaning(self) -> None:
        made = msgspec.structs.replace(order(None), access=model.Access(method="wsl", env={"A": "$HOME ${X}"}))
        assert service(made)["environment"]["A"] == "$$HOME $${X}"

    def test_a_limit_of_memory(self) -> None:
        made = order(None, shape=model.Shape(memory="1g"))
        assert (service(made)["mem_limit"], service(made)["memswap_limit"]) == (1 << 30, 1 << 30)
        assert pod(made)["containers"][0]["resources"] == {"limits": {"memory": str(1 << 30)}}
        assert f"--memory={1 << 30}" in run_line(made)


ASKED = model.Shape(
    mounts=("/data:/data:ro", "models:/models"),
    env=("A=x $HOME", "TOKEN"),
    ports=("6006", "0.0.0.0:80:8000"),
    shm_size="8g",
    memory="16g",
)


class TestWsl:
    """A Radeon below WSL2: /dev/dxg and two libraries; what has no way for it says so."""

    def test_compose_makes_no_folder_of_a_missing_library(self) -> None:
        found = service(order("wsl2-radeon"))
        mounts = [one for one in found["volumes"] if isinstance(one, dict)]
        assert [(one["source"], one["target"]) for one in mounts] == [
            ("/usr/lib/wsl/lib/libdxcore.so", "/usr/lib/libdxcore.so"),
            ("/opt/rocm/lib/librocdxg.so", "/usr/lib/librocdxg.so"),
        ]
        assert all(one["read_only"] and one["bind"] == {"create_host_path": False} for one in mounts)
        assert found["devices"] == ["/dev/dxg:/dev/dxg"]
        assert found["environment"]["HSA_ENABLE_DXG_DETECTION"] == "1"
        assert "LD_LIBRARY_PATH" not in found["environment"]

    def test_devcontainer_and_shell_hand_in_the_same(self) -> None:
        made = order("wsl2-radeon")
        library = "--mount=type=bind,source=/opt/rocm/lib/librocdxg.so,target=/usr/lib/librocdxg.so,readonly"
        for words in (configuration(made)["runArgs"], run_line(made)):
            assert {library, "--device=/dev/dxg", "--env=HSA_ENABLE_DXG_DETECTION=1"} <= set(words)
            assert not any("/dev/kfd" in word for word in words)
        assert "Docker Desktop has a machine of its own" in emit("shell", made)["run.sh"]

    def test_quadlet_and_apptainer(self) -> None:
        made = order("wsl2-radeon")
        unit = emit("quadlet", made)["keras.container"]
        assert "AddDevice=/dev/dxg\n" in unit
        assert "Volume=/opt/rocm/lib/librocdxg.so:/usr/lib/librocdxg.so:ro\n" in unit
        assert "by their CDI names" not in unit
        run = emit("apptainer", made)["run.sh"]
        assert "--rocm" not in run  # it binds the host's ROCm, which is for KFD
        assert "--bind=/opt/rocm/lib/librocdxg.so:/usr/lib/librocdxg.so" in run

    def test_kubernetes_does_not_apply(self) -> None:
        written = emit("kubernetes", order("wsl2-radeon"))
        assert all("It does not apply" in text for name, text in written.items() if name.endswith(".yaml"))


class TestShape:
    def test_shell(self) -> None:
        words = run_line(order("h100-580", shape=ASKED))
        asked = ["--volume=/data:/data:ro", "--volume=models:/models", "--publish=127.0.0.1:6006:6006"]
        asked += ["--publish=0.0.0.0:80:8000", "--shm-size=8589934592", "--memory=17179869184", "--env=A=x $HOME"]
        assert set(asked) | {"--env=TOKEN"} <= set(words)

    def test_compose(self) -> None:
        made = order("h100-580", shape=ASKED)
        one = service(made)
        assert {"/data:/data:ro", "models:/models"} <= set(one["volumes"])
        assert (one["environment"]["A"], one["environment"]["TOKEN"]) == ("x $$HOME", "${TOKEN:-}")
        assert one["ports"] == ["127.0.0.1:6006:6006", "0.0.0.0:80:8000"]
        assert yaml.safe_load(emit("compose", made)["compose.yaml"])["volumes"]["models"] == {}

    def test_quadlet(self) -> None:
        text = emit("quadlet", order("h100-580", shape=ASKED))["keras.container"]
        assert 'Environment="A=x $HOME"\n' in text
        assert "Volume=/data:/data:ro\n" in text
        assert "PublishPort=127.0.0.1:6006:6006\n" in text

    def test_apptainer(self) -> None:
        text = emit("apptainer", order("h100-580", shape=msgspec.structs.replace(ASKED, ports=(), memory=None)))[
            "run.sh"
        ]
        assert "--bind=/data:/data:ro" in text
        assert "'--env=A=x $HOME'" in text
        assert '--env=TOKEN="$TOKEN"' in text

    def test_kubernetes(self) -> None:
        spec = pod(order("h100-580", shape=ASKED))
        (container,) = spec["containers"]
        assert {"name": "mount-0", "mountPath": "/data", "readOnly": True} in container["volumeMounts"]
        assert {"name": "mount-0", "hostPath": {"path": "/data", "type": "Directory"}} in spec["volumes"]
        assert {"name": "mount-1", "persistentVolumeClaim": {"claimName": "models"}} in spec["volumes"]
        assert container["resources"]["limits"] == {"nvidia.com/gpu": "1", "memory": "17179869184"}
        assert next(one for one in spec["volumes"] if one["name"] == "shm")["emptyDir"]["sizeLimit"] == "8589934592"

    def test_what_a_cluster_asks_for(self) -> None:
        cluster = model.Cluster(
            node_selector=("gpu=a100",),
            tolerations=("gpu=yes:NoSchedule", "spot"),
            pull_secrets=("login",),
            service_account="trainer",
            resource="nvidia.com/mig-1g.10gb",
            openshift=True,
        )
        made = order("h100-580", cluster=cluster)
        spec = pod(made)
        assert (spec["nodeSelector"], spec["serviceAccountName"]) == ({"gpu": "a100"}, "trainer")
        assert spec["imagePullSecrets"] == [{"name": "login"}]
        assert [one["key"] for one in spec["tolerations"]] == ["nvidia.com/mig-1g.10gb", "gpu", "spot"]
        assert spec["containers"][0]["resources"]["limits"] == {"nvidia.com/mig-1g.10gb": "1"}
        assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        daemon = yaml.safe_load(emit("kubernetes", made)["daemonset.yaml"])["spec"]["template"]["spec"]
        assert "affinity" not in daemon  # the selector says which nodes


def jobs(made: Order) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(emit("kubernetes", made)["job.yaml"]))


class TestNodes:
    def test_each_named_node_has_a_job_that_can_run_nowhere_else(self) -> None:
        made = jobs(order("h100-580", nodes=("gpu-7", "gpu-8.example")))
        assert [one["metadata"]["annotations"]["io.kgpu-env.node"] for one in made] == ["gpu-7", "gpu-8.example"]
        for one, node in zip(made, ("gpu-7", "gpu-8.example"), strict=True):
            affinity = one["spec"]["template"]["spec"]["affinity"]
            (term,) = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
            assert term == {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
            assert one["spec"]["backoffLimit"] == 0
        assert "nowhere else" in emit("kubernetes", order(None, nodes=("a",)))["job.yaml"]

    def test_a_node_named_is_proved_though_cordoned(self) -> None:
        for host in ("h100-580", None):
            (made,) = jobs(order(host, nodes=("gpu-7",)))
            tolerated = [one["key"] for one in made["spec"]["template"]["spec"]["tolerations"]]
            assert tolerated[-1] == "node.kubernetes.io/unschedulable"

    def test_without_names_it_is_one_proof_on_any_node(self) -> None:
        (made,) = jobs(order("h100-580"))
        assert (made["metadata"]["name"], "completions" in made["spec"]) == ("proof", False)
        assert "whichever the scheduler takes" in emit("kubernetes", order(None))["job.yaml"]

    def test_names_of_jobs(self) -> None:
        nodes = ("gpu-7", "gpu.7", "g" * 63, f"{'g' * 63}.a", f"{'g' * 50}.{'h' * 50}", "a." * 30 + "a")
        names = [job_name(node) for node in nodes]
        assert len(set(names)) == len(nodes)
        assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])", name) for name in names)


@pytest.mark.parametrize("host", ["h100-580", "mi300x-spx", None])
def test_kubernetes_pods_have_no_rights(host: str | None) -> None:
    spec = pod(order(host))
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("host", ["h100-580", "mi300x-spx", None])
def test_never_privileged(kind: str, host: str | None) -> None:
    text = "".join(text for path, text in emit(kind, order(host)).items() if not path.endswith(".py"))
    assert not [word for word in ("privileged: true", "--privileged", "unconfined", ":latest") if word in text]


def test_the_gate_speaks_before_a_gpu_is_used() -> None:
    made = order("h100-580")
    assert f"kgpu-env gate {made.plan.tag} ||" in configuration(made)["initializeCommand"]["gate"]
    assert "gate" not in configuration(made, ".devcontainer/without-gpu")["initializeCommand"]
    assert "gate" not in configuration(order(None))["initializeCommand"]


def test_names_of_requirements() -> None:
    assert [requirement_name(text) for text in ("Jupyter.Lab==4", "a[b]", "c")] == ["jupyter-lab", "a", "c"]


def test_text_cannot_add_lines() -> None:
    assert as_unit(["a\nb"], {"S": [("K", "v\nExec=x %h")]}) == "# a b\n\n[S]\nK=v Exec=x %%h\n"
    assert as_yaml(["a\nkey: 1"], {"k": "v"}) == "# a key: 1\nk: v\n"

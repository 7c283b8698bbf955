"""What is added decides about the stack: uv's answers are handed to a resolver that stays pure."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from provision import api
from provision.catalogue import Catalogue, load
from provision.errors import InputError, NoStackError
from provision.model import Driver, Gpu, Host, Request, Vendor
from provision.model.wanted import Entry, Wanted
from provision.resolve.added import misfit
from provision.resolve.packages import conflict, doubles, own_backend, prepared
from provision.resolve.request import check_apt

MINIATURE = Path(__file__).parents[2] / "data" / "catalogue"

HOST = Host(architecture="x86_64")
H100 = Host(gpus=(Gpu(vendor="nvidia", architecture="sm_90"),), drivers=(Driver(vendor="nvidia", version="580.65.06"),))
ZEROS = "0" * 64


@pytest.fixture(scope="session")
def facts() -> Catalogue:
    return load(MINIATURE)


class Index:
    """In uv's place: it refuses what `too_new` says, and counts what it was asked."""

    def __init__(self, newest: str, gone: str = "") -> None:
        self.newest, self.gone, self.asked = newest, gone, 0
        self.held: list[str] = []  # the constraints of the last question about what is added

    def __call__(self, command: Sequence[str], _: Mapping[str, str]) -> tuple[int, str, str]:
        self.asked += 1
        if "--constraints" in command and "picky" in Path(command[3]).read_text():
            self.held = Path(command[command.index("--constraints") + 1]).read_text().split()
        if self.gone:
            return 1, "", f"error: Request failed\n  cause: Failed to fetch: `{self.gone}`\n  cause: dns error"
        lines = Path(command[3]).read_text().split()
        exact = [line.partition("==")[2] for line in lines if re.match(r"tensorflow\S*==", line)]
        if "picky" in lines and any(_key(one) > _key(self.newest) for one in exact):
            why = f"Because picky==1 depends on tensorflow<={self.newest} and you require tensorflow=={exact[0]}"
            return (
                1,
                "",
                f"error: No solution\n  cause: {why}, we can conclude that your requirements are unsatisfiable.",
            )
        names = {re.split("[<>=]", line)[0]: line.partition("==")[2] or "1.0" for line in lines}
        if "tensorflow" in names and "picky" in names:
            names["tensorflow"] = exact[0] if exact else self.newest
        return 0, _pylock(names), ""


def _key(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _pylock(names: Mapping[str, str]) -> str:
    rows = ['lock-version = "1.0"', 'created-by = "test"']
    for name, version in sorted(names.items()):
        url = f"https://index.example/{name.replace('-', '_')}-{version}-py3-none-any.whl"
        files = f'[{{ url = "{url}", hashes = {{ sha256 = "{ZEROS}" }} }}]'
        rows.append(f'[[packages]]\nname = "{name}"\nversion = "{version}"\nwheels = {files}')
    return "\n".join(rows)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    found = Index("2.18.1")
    monkeypatch.delenv("UV_OFFLINE", raising=False)
    monkeypatch.setattr("provision.lock.uv._run", found)
    return found


def wanted(*texts: str) -> Wanted:
    return Wanted(entries=tuple(Entry(text=text, source=f"--package {text}") for text in texts))


def cpu(**values: Any) -> Request:  # noqa: ANN401 - the fields of a request
    return Request(vendor=Vendor.CPU, **values)


def test_the_newest_that_both_allow_is_taken_with_few_questions(index: Index, facts: Catalogue) -> None:
    choice = api.choose(HOST, cpu(packages=("picky",)), needed=True, catalogue=facts)
    assert choice.stack.framework.version == "2.18.1"
    assert choice.stack.why.startswith("not TensorFlow 2.21.0, Python 3.11: picky==1 depends on tensorflow<=2.18.1")
    assert choice.stack.rejected[-1].rule == "requested-packages"
    assert {one.name for one in choice.wheels or ()} == {"tensorflow-cpu", "keras", "numpy", "picky"}
    assert {one.name for one in choice.wheels or () if one.use == "added"} == {"picky"}
    assert index.asked <= 12


def test_what_is_added_does_not_go_back_to_a_release_that_names_no_framework(index: Index) -> None:
    """A tf_keras from before it named its TensorFlow goes with each by its metadata, and starts with none of today."""
    index.newest = "2.21.0"
    api.choose(HOST, cpu(packages=("picky<2",)), needed=True)
    assert "picky==1.0" in index.held


def test_where_nothing_goes_the_nearest_is_told(index: Index) -> None:
    with pytest.raises(NoStackError) as caught:
        api.choose(HOST, cpu(packages=("picky",), tensorflow="2.21"), needed=True)
    assert caught.value.code == "KGE-215"
    assert "picky==1 depends on tensorflow<=2.18.1" in caught.value.cause
    assert "TensorFlow 2.18.1" in caught.value.fix
    assert index.asked


def test_without_an_index_names_decide_and_say_so(index: Index) -> None:
    index.gone = "https://pypi.example/simple/x/"
    choice = api.choose(HOST, cpu(packages=("keras==2.15.0",)))
    assert (choice.stack.framework.version, choice.wheels) == ("2.15.1", None)
    assert "names and pins alone decided" in choice.notes[0]
    with pytest.raises(InputError) as caught:
        api.choose(HOST, cpu(packages=("keras==2.15.0",)), needed=True)
    assert "https://pypi.example/simple/x/ cannot be fetched" in caught.value.text


@pytest.mark.usefixtures("index")
def test_without_anything_to_add_nobody_is_asked(index: Index) -> None:
    assert api.choose(HOST, cpu()).stack == api.resolve(HOST, cpu())
    assert index.asked == 0


def test_an_older_python_is_taken_where_the_project_asks_for_it(index: Index, tmp_path: Path) -> None:
    text = "[project]\nname = 'x'\nrequires-python = '<3.11'\ndependencies = ['picky']\n"
    (tmp_path / "pyproject.toml").write_text(text)
    choice = api.choose(HOST, cpu(requirements=(str(tmp_path / "pyproject.toml"),)), needed=True)
    assert choice.stack.python == "3.10"
    assert index.asked


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("tensorflow[and-cuda]>=2.15", "tensorflow>=2.15"),
        ("tensorflow-cpu==2.15.0", "tensorflow==2.15.*"),
        ("tf-nightly", "tensorflow"),
        ("jax[cuda12]", "jax"),
        ("tensorflow==2.15.1", "tensorflow==2.15.1"),
        ("pandas[excel]==2", "pandas[excel]==2"),
        ("torch==2.3.1+cu121", "torch==2.3.1"),
        ("torchvision==0.18.1+rocm6.3", "torchvision==0.18.1"),
        ("mine==1.0+corp1", "mine==1.0+corp1"),
    ],
)
def test_a_framework_goes_by_one_name(facts: Catalogue, text: str, then: str) -> None:
    assert prepared(facts, wanted(text), cpu()).entries[0].text == then


@pytest.mark.parametrize(
    ("lines", "asked", "backend"),
    [
        (("transformers", "torch==2.3.1+cu121", "jax"), cpu(), "torch"),
        (("jax[cuda12]",), cpu(), "jax"),
        (("keras", "torch"), cpu(), "torch"),
        (("torch", "tensorflow"), cpu(), None),
        (("torch", "tensorflow-datasets"), cpu(), None),
        (("torch", "tf_keras"), cpu(), None),
        (("transformers", "keras"), cpu(), None),
        (("torch",), cpu(backend="tensorflow"), None),
        (("torch",), cpu(tensorflow="2.19"), None),
    ],
)
def test_who_asks_for_another_framework_alone_is_not_given_tensorflow(
    facts: Catalogue, lines: tuple[str, ...], asked: Request, backend: str | None
) -> None:
    found = own_backend(facts, Wanted(entries=tuple(Entry(text=one, source="r.txt, line 1") for one in lines)), asked)
    assert (found[0] if found else None) == backend
    assert not found or found[1].startswith("r.txt, line 1 asks for ")


@pytest.mark.parametrize("gone", ["", "https://index.example/simple/torch/"])
def test_without_an_index_a_torch_project_is_refused_and_given_no_tensorflow(index: Index, gone: str) -> None:
    told: list[str] = []
    index.gone = gone
    with pytest.raises(NoStackError) as caught:
        api.choose(HOST, cpu(packages=("torch==1.0.0",)), log=told.append)
    assert "the stack has torch" in caught.value.cause
    assert "asks for torch and not for TensorFlow" in told[0]


@pytest.mark.parametrize(("backend", "then"), [(None, "jax[cuda12]"), ("jax", "jax")])
def test_a_framework_beside_the_stacks_own_brings_its_gpu_libraries(
    facts: Catalogue, backend: Literal["jax"] | None, then: str
) -> None:
    asked = Request(vendor=Vendor.CUDA, backend=backend)
    assert prepared(facts, wanted("jax[cuda12]"), asked).entries[0].text == then
    assert prepared(facts, wanted("tensorflow[and-cuda]"), Request()).entries[0].text == "tensorflow"


def test_gpu_libraries_that_only_a_lock_names_are_the_stacks(facts: Catalogue) -> None:
    names = (
        "nvidia-cudnn-cu12==9.28",
        "cupy-cuda12x==13.4",
        "nvidia-cublas==13.1",
        "numpy==2.2",
        "jax-cuda12-plugin==0.8",
    )
    found = prepared(
        facts, Wanted(entries=tuple(Entry(text=one, source="uv.lock", locked=True) for one in names)), cpu()
    )
    assert [one.text for one in found.entries] == ["cupy-cuda12x==13.4", "numpy==2.2"]
    assert found.notes[0].startswith("nvidia-cudnn-cu12 and 2 more such packages of the lock are left out")
    assert prepared(facts, wanted(*names), cpu()).notes == ()


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("tensorflow<2.20", False),
        ("tensorflow>=2.20", True),
        ("keras==2.15.0", False),
        ("keras==3.15.1", True),
        ("numpy<1.20 ; python_version < '3.9'", True),
        ("anything==1", True),
    ],
)
def test_names_and_pins_tell_without_an_index(facts: Catalogue, text: str, fits: bool) -> None:  # noqa: FBT001 - a parameter
    stack = api.resolve(HOST, cpu())
    assert (conflict(facts, stack, prepared(facts, wanted(text), cpu())) is None) is fits


def test_of_the_same_thing_one_is_kept(facts: Catalogue) -> None:
    names = ("tensorflow", "tensorflow-cpu", "opencv-python", "opencv-python-headless", "numpy")
    assert dict(doubles(facts, names, ("tensorflow-cpu", "opencv-python"))) == {
        "tensorflow": "tensorflow-cpu",
        "opencv-python-headless": "opencv-python",
    }


@pytest.mark.parametrize(
    ("request_", "host", "package", "told"),
    [
        (cpu(), HOST, ("nvidia-cudnn-cu12", "9.10.2.21"), "CUDA 12"),
        (Request(vendor=Vendor.CUDA), H100, ("nvidia-cudnn-cu11", "8.6"), "CUDA 11"),
        (Request(vendor=Vendor.CUDA), H100, ("nvidia-cublas", "13.1.0.3"), "CUDA 13"),
        (Request(vendor=Vendor.CUDA), H100, ("nvidia-cufft", "12.0.0.15"), "CUDA 13"),
        (Request(vendor=Vendor.CUDA), H100, ("rocm-sdk-core", "7.2"), "ROCm"),
        (Request(vendor=Vendor.CUDA), H100, ("cupy-cuda12x", "13"), ""),
        (Request(vendor=Vendor.CUDA), H100, ("nvidia-ml-py", "12"), ""),
    ],
)
def test_gpu_libraries_that_are_added_have_to_fit(
    facts: Catalogue, request_: Request, host: Host, package: tuple[str, str], told: str
) -> None:
    found = misfit(facts, api.resolve(host, request_, catalogue=facts), [package])
    assert (found is not None and told in found[0]) if told else found is None


def test_the_libraries_of_cuda_13_fit_whatever_their_own_numbers_are(facts: Catalogue) -> None:
    stack = api.resolve(H100, Request(vendor=Vendor.CUDA), catalogue=facts)
    newer = replace(stack, packages=(), runtime=replace(stack.runtime, version="13.0.2"))
    names = {"cublas": "13.0.0.19", "cufft": "12.0.0.15", "curand": "10.4.0.35", "cusolver": "12.0.3.29"}
    names |= {"cusparse": "12.6.2.49", "cufile": "1.15.0.42", "nvjitlink": "13.0.39", "nvtx": "13.0.39"}
    assert misfit(facts, newer, [(f"nvidia-{name}", version) for name, version in names.items()]) is None


def test_a_framework_that_wants_another_cuda_may_be_the_stacks_own(facts: Catalogue) -> None:
    stack = api.resolve(H100, Request(vendor=Vendor.CUDA), catalogue=facts)
    found = misfit(facts, stack, [("torch", "2.12.0"), ("nvidia-cublas", "13.1.0.3")])
    assert found is not None
    assert "--backend torch" in found[1]
    assert "--backend" not in (misfit(facts, stack, [("nvidia-cublas", "13.1.0.3")]) or ("", ""))[1]


@pytest.mark.parametrize(
    "name", ["libnvidia-compute-550", "nvidia-driver-550=1", "nvidia-opencl-dev", "nvidia-cuda-toolkit", "amdgpu-dkms"]
)
def test_drivers_are_no_debian_packages_of_an_image(facts: Catalogue, name: str) -> None:
    with pytest.raises(InputError) as caught:
        check_apt(facts, (name,))
    assert caught.value.code == "KGE-637"


def test_other_debian_packages_are(facts: Catalogue) -> None:
    check_apt(facts, ("git", "ocl-icd-libopencl1", "libgl1", "build-essential", "nvtop", "cudatext"))

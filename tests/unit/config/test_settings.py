"""Where an option's value comes from, and what a project file may say."""

from pathlib import Path

import pytest

from provision.config import check_variables, find_project, read_project, settle
from provision.errors import InputError
from provision.model import Vendor

FILE = """
tensorflow: "2.20"
python: "3.11"
base: file-base
packages: [pandas]
user: {name: filer, uid: 7}
network: {ca_bundle: ca.pem, index_url: https://file.example/simple}
labels: {a: file}
profiles:
  ci:
    python: "3.12"
    base: profile-base
    user: {uid: 1000}
    labels: {b: profile}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kgpu-env.yaml"
    path.write_text(FILE)
    return path


def fails(content: str, tmp_path: Path) -> InputError:
    path = tmp_path / "kgpu-env.yaml"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        settle({}, {}, read_project(path))
    return caught.value


def test_a_flag_wins_over_a_variable_over_a_profile_over_the_file(file: Path) -> None:
    flags = {"base": "flag-base", "python": None, "profile": "ci"}
    found = settle(flags, {"KGPU_ENV_BASE": "variable-base", "KGPU_ENV_TAG": "t:1"}, read_project(file))
    request = found.request
    assert (request.base, request.python, request.tensorflow, found.tag) == ("flag-base", "3.12", "2.20", "t:1")
    assert found.origins["base"] == "flag --base"
    assert found.origins["tag"] == "KGPU_ENV_TAG"
    assert found.origins["python"] == f"{file}, profile ci"
    assert found.origins["tensorflow"] == str(file)
    without_flag = settle({"profile": "ci"}, {"KGPU_ENV_BASE": "variable-base"}, read_project(file))
    assert without_flag.request.base == "variable-base"
    without_variable = settle({"profile": "ci"}, {}, read_project(file))
    assert without_variable.request.base == "profile-base"
    assert settle({}, {}, read_project(file)).request.base == "file-base"
    assert settle({}, {}, None).request.base is None


def test_the_origin_is_the_flag_as_it_is_written() -> None:
    found = settle({"packages": ("pandas",), "network_ca_bundle": "ca.pem"}, {}, None)
    assert found.origins == {"packages": "flag --package", "network_ca_bundle": "flag --ca-bundle"}


def test_a_profile_changes_only_the_keys_that_it_has(file: Path) -> None:
    found = settle({}, {"KGPU_ENV_PROFILE": "ci"}, read_project(file))
    user = found.request.user
    assert (user.name, user.uid, user.gid) == ("filer", 1000, 1000)
    assert found.origins["user_name"] == str(file)
    assert found.origins["user_uid"] == f"{file}, profile ci"
    assert "user_gid" not in found.origins  # a default has no origin
    assert found.request.labels == {"b": "profile"}


def test_the_file_can_name_its_profile(tmp_path: Path) -> None:
    path = tmp_path / "kgpu-env.yaml"
    path.write_text("profile: a\nprofiles: {a: {tag: x:a}, b: {tag: x:b}}\n")
    project = read_project(path)
    assert settle({}, {}, project).tag == "x:a"
    assert settle({}, {"KGPU_ENV_PROFILE": "b"}, project).tag == "x:b"
    assert settle({"profile": "a"}, {"KGPU_ENV_PROFILE": "b"}, project).tag == "x:a"


def test_a_profile_that_does_not_exist(file: Path) -> None:
    with pytest.raises(InputError) as caught:
        settle({"profile": "cd"}, {}, read_project(file))
    assert caught.value.code == "KGE-604"
    assert caught.value.fix == "its profiles: ci"


def test_the_ca_bundle_lies_beside_the_file_that_names_it(file: Path) -> None:
    assert settle({}, {}, read_project(file)).network.ca_bundle == str(file.parent / "ca.pem")
    by_flag = settle({"network_ca_bundle": "x.pem"}, {}, read_project(file))
    assert by_flag.network.ca_bundle == "x.pem"
    assert by_flag.network.index_url == "https://file.example/simple"


def test_variables_of_every_shape() -> None:
    environment = {
        "KGPU_ENV_VENDOR": "amd",
        "KGPU_ENV_PYTHON": "3.10",
        "KGPU_ENV_PACKAGES": "[pandas, 'scipy>=1']",
        "KGPU_ENV_LABELS": "{a: b}",
        "KGPU_ENV_USER_UID": "1000055",
        "KGPU_ENV_USER_NAME": "0123",
        "KGPU_ENV_NETWORK_REGISTRIES": "{docker.io: 'mirror.example:5000'}",
        "KGPU_ENV_TAG": "",
    }
    found = settle({}, environment, None)
    request = found.request
    assert request.vendor is Vendor.ROCM
    assert request.python == "3.10"  # not the number 3.1
    assert request.packages == ("pandas", "scipy>=1")
    assert request.labels == {"a": "b"}
    assert (request.user.uid, request.user.name) == (1000055, "0123")
    assert found.network.registries == {"docker.io": "mirror.example:5000"}
    assert found.tag is None
    assert set(found.origins.values()) == set(environment) - {"KGPU_ENV_TAG"}


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("KGPU_ENV_TENSORFLW", "did you mean KGPU_ENV_TENSORFLOW?"),
        ("KGPU_ENV_USERUID", "did you mean KGPU_ENV_USER_UID?"),
        ("KGPU_ENV_CATALOG", "did you mean KGPU_ENV_CATALOGUE?"),
        ("KGPU_ENV_vendor", "did you mean KGPU_ENV_VENDOR?"),
        ("KGPU_ENV_USER", "did you mean KGPU_ENV_USER_"),  # a mapping has a variable for each of its keys
        ("KGPU_ENV_XYZZY", "VENDOR, FALLBACK,"),
        ("KGPU_ENV_", "VENDOR, FALLBACK,"),
    ],
)
def test_a_variable_that_is_none(name: str, fix: str) -> None:
    with pytest.raises(InputError) as caught:
        check_variables([name])
    assert (caught.value.code, caught.value.text) == ("KGE-612", f"There is no variable {name}.")
    assert fix in caught.value.fix


def test_variables_that_are_ours_or_not_ours() -> None:
    ours = ("DEBUG", "CONFIG", "CATALOGUE", "KEY", "PROFILE", "VENDOR", "PACKAGES", "USER_GID", "NETWORK_PROXY")
    check_variables([*(f"KGPU_ENV_{name}" for name in ours), "HOME", "_KGPU_ENV_COMPLETE", "KGPU_ENVIRONMENT"])


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("VENDOR", "nvida", "did you mean nvidia?"),
        ("FALLBACK", "gpu", "cpu"),
        ("TENSORFLOW", "2.21; x", "such as 2.21"),
        ("PACKAGES", "pandas", "[one, two]"),
        ("LABELS", "x", "{key: value}"),
        ("LABELS", "{version: 1.10}", "quote the value"),
        ("USER_UID", "many", ""),
        ("APT", "[a", ""),
        ("APT", "!!bool x", ""),
        ("ENV", "[" * 20_000, ""),
    ],
)
def test_a_variable_that_cannot_be(name: str, value: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        settle({}, {f"KGPU_ENV_{name}": value}, None)
    assert caught.value.code == "KGE-604"
    assert f"KGPU_ENV_{name}" in caught.value.text
    assert told in caught.value.fix


@pytest.mark.parametrize(
    ("content", "what", "fix"),
    [
        ("vendr: cpu", "vendr", "did you mean vendor?"),
        ("package: [a]", "package", "did you mean packages?"),
        ("xyzzy: 1", "xyzzy", "its keys are: vendor, fallback,"),
        ("user: {uidd: 1}", "user.uidd", "did you mean"),
        ("network: {cabundle: x}", "network.cabundle", "ca_bundle?"),
        ("profiles: {a: {tagg: x}}", "profiles.a.tagg", "tag?"),
        ("profiles: {a: {user: {nam: x}}}", "profiles.a.user.nam", "name?"),
        ("1: 2", "option 1", "its keys are"),
    ],
)
def test_an_unknown_key_has_a_suggestion(tmp_path: Path, content: str, what: str, fix: str) -> None:
    error = fails(content, tmp_path)
    assert error.code == "KGE-604"
    assert what in error.text
    assert fix in error.fix


@pytest.mark.parametrize("key", ["python", "tensorflow", "cuda", "rocm"])
def test_a_version_must_be_quoted(tmp_path: Path, key: str) -> None:
    error = fails(f"{key}: 3.11", tmp_path)
    assert error.code == "KGE-604"
    assert f"field {key}" in error.text
    assert "quote the value" in error.fix


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("a: [", "KGE-603"),
        ("tag: a\ntag: b", "KGE-603"),
        ("\x00", "KGE-603"),
        ("tag: 2026-99-99", "KGE-603"),
        ("tag: !!python/object:os.system x", "KGE-603"),
        ("- a", "KGE-604"),
        ("words", "KGE-604"),
        ("python: 'new'", "KGE-604"),
        ("vendor: intel", "KGE-604"),
        ("packages: pandas", "KGE-604"),
        ("packages: [1]", "KGE-604"),
        ("max_size: big", "KGE-604"),
        ("max_size: ''", "KGE-604"),
        ("user: root", "KGE-604"),
        ("user: {uid: '0'}", "KGE-604"),
        ("env: {A: 1}", "KGE-604"),
        ("profiles: [a]", "KGE-604"),
        ("profiles: {a: b}", "KGE-604"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: str, code: str) -> None:
    error = fails(content, tmp_path)
    assert error.code == code
    assert "kgpu-env.yaml" in error.text


def test_a_key_given_twice_is_named(tmp_path: Path) -> None:
    assert "'tag' is given twice" in fails("tag: a\ntag: b", tmp_path).cause


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    path = tmp_path / "kgpu-env.yaml"
    path.write_text("# nothing yet\n")
    assert settle({}, {}, read_project(path)).values == {}


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_project(tmp_path / "other.yaml")
    assert caught.value.code == "KGE-603"


def test_the_nearest_file_upwards_is_found(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_project(deep) is None or tmp_path not in (find_project(deep) or tmp_path).parents
    (tmp_path / "kgpu-env.yaml").touch()
    assert find_project(deep) == tmp_path / "kgpu-env.yaml"
    (tmp_path / "a" / "kgpu-env.yaml").touch()
    assert find_project(deep) == tmp_path / "a" / "kgpu-env.yaml"
    (deep / "kgpu-env.yaml").mkdir()  # a folder is no project file
    assert find_project(deep) == tmp_path / "a" / "kgpu-env.yaml"

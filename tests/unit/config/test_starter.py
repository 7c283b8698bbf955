"""The project file that `init` writes is one that every other command reads, and that its schema accepts."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from provision.config import read_project, settle
from provision.config.starter import Answers, project_schema, starter_file
from provision.model import Vendor

ANSWERS = Answers(vendor="cuda", packages=("jupyterlab", "pandas>=2.2,<3"), uid=1000055, gid=1000056)


def written(folder: Path, text: str) -> Path:
    path = folder / "kgpu-env.yaml"
    path.write_text(text)
    return path


def test_it_says_what_was_answered(tmp_path: Path) -> None:
    path = written(tmp_path, starter_file(ANSWERS, "1 x H100"))
    found = settle({}, {}, read_project(path)).request
    assert (found.vendor, found.packages) == (Vendor.CUDA, ANSWERS.packages)
    assert (found.user.uid, found.user.gid) == (1000055, 1000056)


@pytest.mark.parametrize("profile", ["team", "ci", "laptop"])
def test_each_profile_holds(tmp_path: Path, profile: str) -> None:
    path = written(tmp_path, starter_file(Answers(), "no GPU"))
    found = settle({"profile": profile}, {}, read_project(path)).request
    assert found.vendor is (Vendor.CPU if profile == "ci" else Vendor.AUTO)


def test_every_comment_is_an_option_without_its_mark(tmp_path: Path) -> None:
    lines = starter_file(Answers(), "no GPU").splitlines()
    options = [
        line.removeprefix("# ") if line.removeprefix("# ").partition(":")[0].isidentifier() else line for line in lines
    ]
    nested = [line.removeprefix("# ") if line.startswith("#   ") else line for line in options]
    keys = yaml.safe_load("\n".join(line for line in nested if not line.startswith("# yaml")))
    assert {"tensorflow", "python", "apt", "env", "tag", "network", "user"} <= set(keys)
    read_project(written(tmp_path, "\n".join(nested)))


def test_root_and_the_default_user_write_no_ids() -> None:
    for uid in (0, 1000):
        assert "user" not in yaml.safe_load(starter_file(Answers(uid=uid, gid=uid), "no GPU"))


def test_the_host_cannot_add_a_line() -> None:
    assert "user" not in yaml.safe_load(starter_file(Answers(), "odd\nuser: {uid: 0}"))


def test_the_schema_takes_the_file_and_refuses_what_the_reader_refuses() -> None:
    schema = project_schema()
    checker = jsonschema.Draft202012Validator(schema)
    checker.check_schema(schema)
    checker.validate(yaml.safe_load(starter_file(ANSWERS, "1 x H100")))
    for wrong in ({"tensorflw": "2.21"}, {"vendor": "cudda"}, {"packages": "pandas"}, {"profiles": {"a": {"b": 1}}}):
        assert not checker.is_valid(wrong), wrong
    assert all("description" in one for one in schema["$defs"]["Project"]["properties"].values())

"""JupyterLab as a person uses it: its page in a real browser, a cell that runs, a wrong token, Ctrl-C."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from browser import Page as Browser
from browser import element, until

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
SECONDS = 60
RUN = '[data-command="notebook:run-cell-and-select-next"]'
IDLE = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
PROMPT = ".jp-Notebook .jp-InputPrompt"
OUTPUT = '.jp-Notebook [data-mime-type="application/vnd.jupyter.stdout"]'
CELL = "import os, keras; open('made', 'w').close(); print(6 * 7, keras.backend.backend(), os.getuid())"
NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "id": "one", "source": CELL, "metadata": {}, "outputs": [], "execution_count": None}
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
KgpuEnv = Any  # of the conftest above


class Page(Browser):
    """JupyterLab's page."""

    def run_cell(self) -> None:
        """Press the run button until the cell's number changes: a page that still loads was seen to miss it."""
        until(lambda: self.value(f"!!{element(IDLE)}"), "the kernel")
        for _ in range(30):
            if self.text(PROMPT) not in {"", "[ ]:"}:
                break
            self.click(RUN)
            time.sleep(2)
        else:
            pytest.fail("the cell was not run by 30 presses of its button")
        until(lambda: self.text(OUTPUT), "the cell's output")


@pytest.fixture
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    opened = Page(tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


class Server(NamedTuple):
    """`kgpu-env jupyter`, and what it told."""

    process: "subprocess.Popen[str]"
    url: str
    port: int
    token: str


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def server(kgpu_env_in: Callable[[Path], KgpuEnv], project: Path, jupyter_image: str) -> Iterator[Server]:
    """One for all tests of this module: it needs seconds to start. The last test ends it."""
    port = free_port()
    process = kgpu_env_in(project).start("jupyter", f"--image={jupyter_image}", f"--port={port}", "--json")
    told = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
    token = parse_qs(urlsplit(told["url"]).query)["token"][0]
    with process:
        yield Server(process, told["url"], port, token)
        if process.poll() is None:
            process.terminate()


def test_a_cell_runs_in_the_page(server: Server, page: Page, project: Path) -> None:
    (project / "cell.ipynb").write_text(json.dumps(NOTEBOOK))
    page("Page.navigate", url=f"http://127.0.0.1:{server.port}/lab/tree/cell.ipynb?token={server.token}")
    try:
        page.run_cell()
    finally:
        page.picture(project / "page.png")  # to be looked at: pytest keeps the folders of its last three runs
    assert page.text(OUTPUT) == f"42 tensorflow {os.getuid()}"
    assert (project / "made").stat().st_uid == os.getuid()


def test_a_wrong_token_is_refused(server: Server, page: Page) -> None:
    assert len(server.token) == 48
    page("Page.navigate", url=server.url.replace(server.token, "wrong"))
    until(lambda: page.text("form"), "the form that asks for the token")
    assert urlsplit(page.value("location.href")).path == "/login"
    assert (status(server.port, "wrong"), status(server.port, server.token)) == (403, 200)


def status(port: int, token: str) -> int:
    address = f"http://127.0.0.1:{port}/api/contents"
    request = urllib.request.Request(address, headers={"Authorization": f"token {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_port_in_use_is_told_before_anything_starts(server: Server, kgpu_env: KgpuEnv, jupyter_image: str) -> None:
    second = kgpu_env("jupyter", f"--image={jupyter_image}", f"--port={server.port}", timeout=60)
    assert (second.returncode, "KGE-307" in second.stderr, second.stdout) == (5, True, "")
    assert status(server.port, server.token) == 200  # the first one goes on


def test_ctrl_c_ends_and_removes_it(server: Server, api: "APIClient") -> None:
    mine = {"publish": str(server.port)}
    assert len(api.containers(filters=mine)) == 1
    server.process.send_signal(signal.SIGINT)
    _, said = server.process.communicate(timeout=40)
    assert (server.process.returncode, api.containers(all=True, filters=mine)) == (130, [])
    assert ("its container is removed" in said, server.token in said) == (True, False)
    with socket.socket() as closed:
        assert closed.connect_ex(("127.0.0.1", server.port)) != 0

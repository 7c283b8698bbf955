"""JupyterLab as a person uses it: its page in a real browser, a cell that runs, a wrong token, Ctrl-C."""

import base64
import json
import os
import shutil
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
import websocket

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
SECONDS = 60
RUN = '[data-command="notebook:run-cell-and-select-next"]'
IDLE = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
PROMPT = ".jp-Notebook .jp-InputPrompt"
OUTPUT = '.jp-Notebook [data-mime-type="application/vnd.jupyter.stdout"]'
CELL = "import os, keras; open('made', 'w').close(); print(6 * 7, keras.backend.backend(), os.getuid())"
CENTRE = "(e => e && (r => [r.x + r.width / 2, r.y + r.height / 2])(e.getBoundingClientRect()))(%s)"
NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "id": "one", "source": CELL, "metadata": {}, "outputs": [], "execution_count": None}
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
KgpuEnv = Any  # of the conftest above


def until(ready: Callable[[], object], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not ready():
        assert time.monotonic() < end, f"{what} is not there after {SECONDS} s"
        time.sleep(0.2)


class Page:
    """A page of a headless Chromium, worked with by its DevTools protocol (chromedevtools.github.io)."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        if program is None:
            pytest.fail("the test of Jupyter's page needs a browser: apt-get install chromium", pytrace=False)
        # No sandbox: root may not have one, and the only page is ours.
        options = ["--headless=new", "--no-sandbox", "--no-first-run", "--no-proxy-server", "--window-size=1280,800"]
        options += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
        self.browser = subprocess.Popen(
            [program, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(folder)},  # it leaves folders there
        )
        told = folder / "DevToolsActivePort"
        until(lambda: told.exists() and told.read_text().strip(), "the browser")
        with urllib.request.urlopen(f"http://127.0.0.1:{told.read_text().split()[0]}/json/list", timeout=30) as answer:
            (page,) = [one for one in json.load(answer) if one["type"] == "page"]
        self.wire = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=SECONDS, suppress_origin=True)
        self.number = 0

    def __call__(self, method: str, **params: object) -> dict[str, Any]:
        self.number += 1
        self.wire.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while (message := json.loads(self.wire.recv())).get("id") != self.number:
            pass  # an event, which nobody asked for
        found: dict[str, Any] = message["result"]
        return found

    def value(self, script: str) -> Any:  # noqa: ANN401 - whatever the script gives
        return self("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def text(self, selector: str) -> str:
        return " ".join(str(self.value(f"{element(selector)}?.innerText ?? ''")).split())

    def click(self, selector: str) -> None:
        until(lambda: self.value(CENTRE % element(selector)), selector)
        x, y = self.value(CENTRE % element(selector))
        for kind in ("mousePressed", "mouseReleased"):
            self("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

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

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        self.wire.close()
        self.browser.terminate()
        self.browser.wait(30)


def element(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})"


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

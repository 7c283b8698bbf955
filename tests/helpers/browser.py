"""A page of a real browser, for the tests of what people see."""

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import websocket

SECONDS = 60
CENTRE = "(e => e && (r => [r.x + r.width / 2, r.y + r.height / 2])(e.getBoundingClientRect()))(%s)"


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
            pytest.fail("this test needs a browser: apt-get install chromium", pytrace=False)
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

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        self.wire.close()
        self.browser.terminate()
        self.browser.wait(30)


def element(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})"

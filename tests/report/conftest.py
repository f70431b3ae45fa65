"""A real browser for the tests of pages: headless Chromium over its DevTools protocol, on a pipe; nothing to install.

Commands and events are JSON messages that end in a zero byte (Chrome DevTools Protocol, ``--remote-debugging-pipe``:
the browser reads them from descriptor 3 and writes to 4). Without chromium the tests that ask for `chromium` skip.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 30
FREE_FD = 10
"""Descriptors from here on: 3 and 4 are the browser's."""

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
"""Virtual key codes of keys that are no characters."""


class Chromium:
    """The browser's process, its pipe, and the events that came while nobody waited for them."""

    def __init__(self, program: str, profile: Path) -> None:
        commands, self._write = _high_pipe()
        self._read, answers = _high_pipe()
        self._pid = os.posix_spawn(
            program,
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, commands, 3),
                (os.POSIX_SPAWN_DUP2, answers, 4),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setpgroup=0,
        )
        os.close(commands)
        os.close(answers)
        self._number, self._rest = 0, b""
        self.events: list[dict[str, Any]] = []

    def send(self, method: str, session: str | None = None, **params: object) -> dict[str, Any]:
        """Send a command and return the result of it; events that come first are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer = self._receive(lambda one: one.get("id") == self._number)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def wait_for(self, method: str, session: str) -> dict[str, Any]:
        """Return the first event of this kind, one that has come or the next."""

        def fits(one: dict[str, Any]) -> bool:
            return one.get("method") == method and one.get("sessionId") == session

        return next((one for one in self.events if fits(one)), None) or self._receive(fits)

    def close(self) -> None:
        """End the browser and all its processes."""
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._read)
        os.close(self._write)

    def _receive(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_S
        while True:
            while b"\0" in self._rest:
                text, self._rest = self._rest.split(b"\0", 1)
                message = json.loads(text)
                if "method" in message:
                    self.events.append(message)
                if fits(message):
                    return message
            assert select.select([self._read], [], [], end - time.monotonic())[0], "chromium does not answer"
            chunk = os.read(self._read, 1 << 20)
            assert chunk, "chromium has ended"
            self._rest += chunk


class Tab:
    """A page on a screen of its own, driven by mouse and keys as a person would.

    Attributes
    ----------
    requests : list of str
        What it asked for, the file itself first; left out are ``data:`` addresses and what its policy refused.
    complaints : list of str
        Messages of the console and errors that nobody caught.
    """

    def __init__(self, browser: Chromium, path: Path, width: int, height: int, script: bool) -> None:
        self._browser = browser
        browser.events.clear()
        self._target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.send("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        self.send("Performance.enable", timeDomain="threadTicks")
        self.resize(width, height)
        self.send("Emulation.setScriptExecutionDisabled", value=not script)
        browser.events.clear()
        self.send("Page.navigate", url=path.as_uri())
        browser.wait_for("Page.loadEventFired", self._session)

    @property
    def requests(self) -> list[str]:
        failed = [one["params"] for one in self._events("Network.loadingFailed")]
        refused = {one["requestId"] for one in failed if one.get("blockedReason") == "csp"}
        sent = [one["params"] for one in self._events("Network.requestWillBeSent")]
        urls = [one["request"]["url"] for one in sent if one["requestId"] not in refused]
        return [url for url in urls if not url.startswith("data:")]

    @property
    def complaints(self) -> list[str]:
        self.run("0")  # what was said before this answer has arrived with it
        found = [one["params"]["entry"]["text"] for one in self._events("Log.entryAdded")]
        found += [str(one["params"]["args"]) for one in self._events("Runtime.consoleAPICalled")]
        return found + [str(one["params"]["exceptionDetails"]) for one in self._events("Runtime.exceptionThrown")]

    def send(self, method: str, **params: object) -> dict[str, Any]:
        return self._browser.send(method, self._session, **params)

    def busy_seconds(self) -> float:
        """Return the processor time of the page's main thread so far."""
        metrics = {one["name"]: one["value"] for one in self.send("Performance.getMetrics")["metrics"]}
        return metrics["TaskDuration"]

    def resize(self, width: int, height: int) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    def run(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click in the middle of the first such element, scrolled into view, with the mouse."""
        name = json.dumps(selector)
        row, column = self.run(
            f"(() => {{ const e = document.querySelector({name});"
            "e.scrollIntoView({block: 'center', inline: 'center'});"
            "const b = e.getBoundingClientRect(); return [b.top + b.height / 2, b.left + b.width / 2]; })()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=column, y=row, button="left", clickCount=1)

    def drag(self, selector: str, right: float, down: float) -> None:
        """Press in the middle of the first such element, move by so many pixels, and let go."""
        box = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        column, row = self.run(f"(() => {{ const b = {box}; return [b.left + b.width / 2, b.top + b.height / 2]; }})()")
        self.send("Input.dispatchMouseEvent", type="mousePressed", x=column, y=row, button="left", clickCount=1)
        column, row = column + right, row + down
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=column, y=row, button="left", buttons=1)
        self.send("Input.dispatchMouseEvent", type="mouseReleased", x=column, y=row, button="left", clickCount=1)

    def press(self, *keys: str, shift: bool = False) -> None:
        """Press keys one after the other: a character, or a name in KEYS."""
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            code = KEYS.get(key, ord(key.upper()) if len(key) == 1 else 0)
            modifiers = 8 if shift else 0
            about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
            self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **about)
            self.send("Input.dispatchKeyEvent", type="keyUp", **about)
        self.run("new Promise(done => setTimeout(done, 20))")  # the event of a close comes later

    def screenshot(self, path: Path | None = None, whole: bool = False) -> bytes:
        """Return what is seen as PNG, or the whole page; write it to `path` if there is one."""
        content = base64.b64decode(self.send("Page.captureScreenshot", captureBeyondViewport=whole)["data"])
        if path is not None:
            path.write_bytes(content)
        return content

    def print_pdf(self) -> bytes:
        """Return the page as it is printed on A4."""
        data = self.send("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=True)["data"]
        return base64.b64decode(data)

    def close(self) -> None:
        self._browser.send("Target.closeTarget", targetId=self._target)

    def _events(self, method: str) -> list[dict[str, Any]]:
        return [one for one in self._browser.events if (one["method"], one.get("sessionId")) == (method, self._session)]


def _high_pipe() -> tuple[int, int]:
    """Return the two ends of a pipe, neither of which is a descriptor that the browser expects for itself."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FREE_FD) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests; skips where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium to look at pages with (Debian: apt-get install chromium)")
    browser = Chromium(program, tmp_path_factory.mktemp("chromium"))
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture
def open_page(chromium: Chromium) -> Iterator[Callable[..., Tab]]:
    """Opens a file on a screen of `width` by `height`, with or without its script; closed after the test."""
    tabs = []

    def open_it(path: Path, width: int = 1280, height: int = 900, script: bool = True) -> Tab:
        tabs.append(Tab(chromium, path, width, height, script))
        return tabs[-1]

    yield open_it
    for tab in tabs:
        tab.close()

"""A real JupyterLab with a real kernel, driven through a real browser."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Playwright

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
    "docmanager-extension/plugin": {"autosave": False},
}

# Runs code in the notebook's kernel beside its cells and returns what it printed, or its error.
EXECUTE = """async (code) => {
  const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({code, store_history: false});
  const said = {text: "", error: null};
  future.onIOPub = (message) => {
    if (message.header.msg_type === "stream" && message.content.name === "stdout")
      said.text += message.content.text;
    if (message.header.msg_type === "error") said.error = message.content.traceback.join("\\n");
  };
  await future.done;
  return said;
}"""

RUN_CELL = """async (index) => {
  const panel = jupyterapp.shell.currentWidget;
  panel.content.activeCellIndex = index;
  await jupyterapp.commands.execute("notebook:run-cell");
}"""

KERNEL_IS_IDLE = """() =>
  window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === "idle"
"""


def launch_browser(playwright: Playwright) -> Browser:
    """Start Chromium: the one that is named, the system's, or Playwright's own."""
    path = os.environ.get("LRWIDGET_CHROMIUM") or shutil.which("chromium")
    return playwright.chromium.launch(executable_path=path, args=FLAGS)


class Lab:
    """A JupyterLab server in a folder of its own, with settings that hold nothing up.

    Args:
        folder: Empty; notebooks, settings and logs go there.
        theme: "Light" or "Dark".
    """

    def __init__(self, folder: Path, theme: str = "Light") -> None:
        self._folder = folder
        self._token = secrets.token_hex(16)
        self._port = free_port()
        self._write_settings(theme)
        self._log = (folder / "server.log").open("w")
        self._server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *self._options()],
            env=self._environment(),
            cwd=folder,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def _options(self) -> list[str]:
        return [
            "--no-browser",
            "--allow-root",
            "--expose-app-in-browser",
            f"--port={self._port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self._token}",
            f"--ServerApp.root_dir={self._folder}",
        ]

    def _environment(self) -> dict[str, str]:
        own = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        paths = {name: str(self._folder / value) for name, value in own.items()}
        python_path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        return {**os.environ, **paths, "PYTHONPATH": python_path, "TF_CPP_MIN_LOG_LEVEL": "3"}

    def _write_settings(self, theme: str) -> None:
        themes = {"apputils-extension/themes": {"theme": f"JupyterLab {theme}"}}
        for name, values in {**SETTINGS, **themes}.items():
            path = self._folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))

    def open(self, page: Page, cells: list[str]) -> "Notebook":
        """Open a new notebook with these cells, its kernel ready, in `page`."""
        self._wait_until_up()
        name = f"{secrets.token_hex(4)}.ipynb"
        (self._folder / name).write_text(json.dumps(notebook_of(cells)))
        page.goto(f"http://127.0.0.1:{self._port}/doc/tree/{name}?token={self._token}")
        page.wait_for_function(KERNEL_IS_IDLE, timeout=60_000)
        return Notebook(page)

    def _wait_until_up(self) -> None:
        url = f"http://127.0.0.1:{self._port}/api?token={self._token}"
        for _ in range(300):
            if self._server.poll() is not None:
                break
            try:
                urllib.request.urlopen(url).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("No JupyterLab:\n" + (self._folder / "server.log").read_text())

    def close(self) -> None:
        """Stop the server, and with it all kernels."""
        self._server.terminate()
        try:
            self._server.wait(20)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._log.close()


class Notebook:
    """An open notebook: its cells run in the browser, questions go to its kernel."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []  # in the browser's console
        page.on("console", self._note)

    def _note(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.errors.append(said.text)

    def run_cell(self, index: int) -> None:
        """Run a cell as a person would, and wait for its end."""
        self.page.evaluate(RUN_CELL, index)

    def execute(self, code: str) -> str:
        """Run code in the kernel, beside the cells; return what it printed."""
        said = self.page.evaluate(EXECUTE, code)
        if said["error"]:
            raise RuntimeError(said["error"])
        return said["text"]

    def ask(self, expression: str) -> Any:
        """Return the value that an expression has in the kernel, by way of JSON."""
        return json.loads(self.execute(f"import json; print(json.dumps({expression}))"))

    def find(self, selector: str) -> Locator:
        """Return a part of the widget on show."""
        return self.page.locator(f".lrw {selector}")


def notebook_of(cells: list[str]) -> dict:
    code = [
        {
            "cell_type": "code",
            "id": f"cell-{index}",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        for index, source in enumerate(cells)
    ]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": code, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

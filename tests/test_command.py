"""The command `lrwidget`, with a real JupyterLab server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import lrwidget.__main__ as command

SOURCE = Path(__file__).parents[1] / "notebooks" / "quickstart.ipynb"


def installed(folder: Path) -> Path:
    """Return a copy of the package as a wheel installs it, with its notebook."""
    package = folder / "site" / "lrwidget"
    source = Path(command.__file__).parent
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(SOURCE, package / "quickstart.ipynb")
    return package


def refused(*arguments: str, without: tuple[str, ...] = ()) -> str:
    """Run the command without some packages and return its message."""
    code = (
        "import sys, importlib.util as u; find = u.find_spec; "
        f"u.find_spec = lambda name: None if name in {without!r} else find(name); "
        f"from lrwidget.__main__ import main; main({list(arguments)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_the_command_opens_a_copy_of_the_quickstart_in_jupyterlab(tmp_path):
    pytest.importorskip("jupyterlab")
    package = installed(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in package.rglob("*")}
    folder = tmp_path / "empty"
    folder.mkdir()
    # Without the sources' folder on the path, and without files of the person who runs the test.
    environment = os.environ | {
        "PYTHONPATH": str(package.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(tmp_path / "home"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    options = ["--no-browser", "--port=0", "--IdentityProvider.token=secret", "--allow-root"]
    server = subprocess.Popen(
        [sys.executable, "-m", "lrwidget", *options],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = _address(tmp_path / "runtime", server)
        content = _read(f"{address}api/contents/quickstart.ipynb?token=secret")
        opened_ids = [cell["id"] for cell in json.loads(content)["content"]["cells"]]
        assert opened_ids == [cell["id"] for cell in json.loads(SOURCE.read_text())["cells"]]
        assert _opens(tmp_path / "runtime", "/lab/tree/quickstart.ipynb")
        assert b"jupyter-config-data" in _read(f"{address}lab/tree/quickstart.ipynb?token=secret")
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=20)
    assert (folder / "quickstart.ipynb").read_bytes() == SOURCE.read_bytes()
    assert {path: path.stat().st_mtime_ns for path in package.rglob("*")} == before


def _address(runtime: Path, server: subprocess.Popen[str]) -> str:
    """Return the server's address once it answers."""
    for _ in range(300):
        assert server.poll() is None, server.communicate()[1]
        for path in runtime.glob("jpserver-*.json"):
            try:
                address = json.loads(path.read_text())["url"]
                _read(f"{address}api?token=secret")
            except (ValueError, urllib.error.URLError):
                continue
            return address
        time.sleep(0.1)
    raise AssertionError("The server did not start.")


def _opens(runtime: Path, page: str) -> bool:
    """Return whether one of the pages by which the server opens the browser leads to a page."""
    for _ in range(100):
        if any(page in path.read_text() for path in runtime.glob("*.html")):
            return True
        time.sleep(0.1)
    return False


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read()


def test_a_notebook_that_is_there_is_opened_and_not_overwritten(tmp_path):
    mine = tmp_path / "quickstart.ipynb"
    mine.write_text("mine")
    assert command.copy_quickstart(tmp_path) == mine
    assert mine.read_text() == "mine"


def test_a_missing_jupyterlab_is_named_with_the_extra_that_has_it():
    message = refused(without=("jupyterlab",))
    assert "needs jupyterlab." in message
    assert "pip install 'lrwidget[demo]'" in message
    assert "uvx --from '.[demo]' lrwidget" in message


def test_a_missing_backend_is_named():
    message = refused(without=("tensorflow", "jax", "torch"))
    assert "needs a backend of Keras, such as tensorflow." in message


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    pytest.importorskip("jupyterlab")
    (tmp_path / "file").touch()
    message = refused(f"--folder={tmp_path / 'file'}")
    assert str(tmp_path / "file") in message
    assert "--temporary" in message

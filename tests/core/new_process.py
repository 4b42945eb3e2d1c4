"""Runs a function of a test module in a new Python process."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def run_in_new_process(module: str, function: str) -> None:
    """Fail unless the function returns.

    For what is kept from test to test: earlier tests of a process may leave more in reach of a
    model than can be compared, and its steps are then traced again.
    """
    command = f"import {module} as module; module.{function}()"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]

"""The callbacks on JAX and PyTorch: the same tests as on TensorFlow, in one process for each.

JAX runs where it is installed, as the extra `test` does. PyTorch is large, and so opt-in: it
runs as soon as it is installed, too.
"""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
FILES = (
    "test_battery_in_fit.py",
    "test_callback_faults.py",
    "test_monitor.py",
    "test_monitor_faults.py",
)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_callbacks_pass_the_same_tests_on_another_backend(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"opt-in: pip install {backend}")
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "PYTHONWARNINGS": "ignore",
        # The tests compile the same few steps hundreds of times, which takes most of their time.
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    command += [str(HERE / name) for name in FILES]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]

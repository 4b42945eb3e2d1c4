"""Settings for all tests; set before Keras and its backend are imported."""

import gc
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

# On JAX the tests compile the same few steps hundreds of times, which takes most of their time.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.gettempdir() + "/lrwidget-jax-cache")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of a file to one worker, and all browser tests to one, which starts first.

    A browser test leaves most of the processor to the other workers.
    """
    for item in items:
        name = "browser" if _is_in_a_browser(item) else str(item.path)
        item.add_marker(pytest.mark.xdist_group(name))
    items.sort(key=_is_in_a_browser, reverse=True)


def _is_in_a_browser(item: pytest.Item) -> bool:
    return item.path.parent.name == "browser"


def pytest_collection_finish() -> None:
    """Spare the garbage collector all modules and tests, most of what it would look through."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def unchanged(model: Any) -> Iterator[Any]:
    """Return the model of a module, which must be bit for bit the same after the test."""
    from tests.core.faults import state_of

    before = state_of(model)
    yield model
    assert state_of(model) == before

"""reserved: blocks other uses of a model while a range test is using it."""

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import keras

from lrwidget.errors import BusyError

# The methods that read or change a model.
USES_OF_MODEL = (
    "fit",
    "evaluate",
    "predict",
    "train_on_batch",
    "test_on_batch",
    "predict_on_batch",
    "compile",
    "get_weights",
    "set_weights",
    "save",
    "save_weights",
    "load_weights",
    "export",
)

_lock = threading.Lock()
_in_test: weakref.WeakSet[keras.Model] = weakref.WeakSet()


def check_free(model: keras.Model, what: str = "A second range test") -> None:
    """Raise BusyError if a range test is running on `model`; `what` is refused."""
    if model in _in_test:
        _refuse(what)


def is_reserved(model: keras.Model) -> bool:
    """Return whether a range test is running on `model`."""
    return model in _in_test


@contextmanager
def reserved(model: keras.Model) -> Iterator[None]:
    """Make `fit`, `evaluate` and similar methods of `model` raise BusyError in this block.

    It holds for all threads. The methods are overridden on the instance, so that a training step
    needs no check.

    Raises:
        BusyError: `model` is reserved already.
    """
    with _lock:
        check_free(model)
        _in_test.add(model)
    attributes = vars(model)
    own = {name: attributes[name] for name in USES_OF_MODEL if name in attributes}
    try:
        attributes.update({name: _refuser(name) for name in USES_OF_MODEL})
        yield
    finally:
        for name in USES_OF_MODEL:
            attributes.pop(name, None)
        attributes.update(own)
        _in_test.discard(model)


def _refuser(name: str) -> Any:
    def refused(*_args: Any, **_kwargs: Any) -> NoReturn:
        _refuse(f"`model.{name}`")

    return refused


def _refuse(what: str) -> NoReturn:
    raise BusyError(
        f"{what} cannot run now: a range test is running on this model and is changing its "
        "weights. Wait for it (`widget.wait()`) or stop it (`widget.stop()`), then try again."
    )

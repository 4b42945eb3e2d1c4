"""pickled: objects as bytes that another process can load, or a clear error."""

import pickle
import sys
from typing import Any

from lrwidget.core.checks import shown
from lrwidget.errors import ConfigError


def pickled(value: Any, what: str, remedy: str) -> bytes:
    """Return an object as bytes that another process can load with `pickle.loads`.

    cloudpickle is used where it is installed: it also takes what a notebook defines.

    Args:
        value: Anything.
        what: What it is, for the error.
        remedy: A sentence that says what to pass instead, for the error.

    Raises:
        ConfigError: It cannot be pickled, or its code is in a notebook, which no worker can import.
    """
    try:
        content: bytes = _dumps(value)
    except Exception as error:
        raise ConfigError(
            f"{what} cannot be sent to a worker: {type(error).__name__}: {error} {remedy}"
        ) from error
    is_notebook = not hasattr(sys.modules["__main__"], "__file__")
    if is_notebook and _dumps is pickle.dumps and b"__main__" in content:
        raise ConfigError(
            f"{what} uses code of this notebook or console, which a worker cannot import: "
            f"{shown(value)}. Install cloudpickle (pip install cloudpickle). {remedy}"
        )
    return content


try:
    from cloudpickle import dumps as _dumps
except ImportError:
    _dumps = pickle.dumps

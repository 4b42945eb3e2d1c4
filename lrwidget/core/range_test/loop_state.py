"""The state of a custom training loop: read, restored and compared with two functions."""

import zlib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from lrwidget.core.checks import array_of, as_function, is_real, shown
from lrwidget.core.model.restored import Restored
from lrwidget.errors import ConfigError

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class LoopState:
    """The state at the start of a test, and the two functions that read and set it.

    Args:
        get_state: A function that returns the state: arrays, numbers and strings, alone or in
            dictionaries, lists and tuples. It may return the trained objects: they are copied.
        set_state: A function that takes what `get_state` returned and restores it.

    Raises:
        ConfigError: One of the two is not a function, or the state contains another kind of value.
    """

    def __init__(self, get_state: Callable[[], Any], set_state: Callable[[Any], object]) -> None:
        self._get = as_function("get_state", get_state, "that returns the state", 0)
        self._set = as_function("set_state", set_state, "of the state", 1)
        self._start = deepcopy(self._get())
        self._before = fingerprint(self._start)

    def restore(self) -> None:
        """Restore the state at the start."""
        # A copy each time, because the loop may train the arrays that it receives.
        self._set(deepcopy(self._start))

    def restored(self) -> Restored:
        """Return the fingerprints of the state at the start and of the state now."""
        return Restored(self._before, fingerprint(self._get()))


def fingerprint(state: Any) -> str:
    """Return a CRC-32 over all values of a state, their types and their places in it.

    >>> fingerprint([1.0, {"a": np.zeros(2)}]) == fingerprint([1.0, {"a": np.zeros(2)}])
    True
    >>> fingerprint(np.zeros(2)) == fingerprint(np.zeros((2, 1)))
    False

    Raises:
        ConfigError: It contains a value that is not an array, a number or a string, or a
            dictionary, list or tuple of them.
    """
    checksum = 0
    for part in _parts("get_state()", state):
        checksum = zlib.crc32(part, checksum)
    return f"{checksum:08x}"


def _parts(place: str, value: Any) -> Iterator[bytes]:
    """Yield bytes that identify a value; `place` is its position in the state."""
    if isinstance(value, _PLAIN):
        yield repr((type(value).__name__, value)).encode("utf-8", "backslashreplace")
    elif isinstance(value, Mapping):
        yield f"mapping of {len(value)}".encode()
        for key, inner in value.items():
            yield from _parts(f"a key of {place}", key)
            yield from _parts(f"{place}[{key!r}]", inner)
    elif isinstance(value, list | tuple):
        yield f"sequence of {len(value)}".encode()
        for index, inner in enumerate(value):
            yield from _parts(f"{place}[{index}]", inner)
    else:
        yield from _parts_of_array(place, value)


def _parts_of_array(place: str, value: Any) -> Iterator[bytes]:
    array = array_of(value)
    if array is None or not (array.dtype.kind in "bcSUV" or is_real(array.dtype)):
        raise ConfigError(
            "`get_state` must return arrays, numbers and strings, alone or in dictionaries, lists "
            f"and tuples; got {place}={shown(value)}, of type {type(value).__name__}."
        )
    yield f"array {array.dtype} {array.shape}".encode()
    yield np.ascontiguousarray(array).tobytes()

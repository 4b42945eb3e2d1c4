"""The global random state: saved and restored, or left alone.

Python, numpy, Keras, TensorFlow and PyTorch each have random state that belongs to the whole
process. The user's data and training steps may draw from it.
"""

import random
import sys
import weakref
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from lrwidget.core.model.host import (
    global_attribute,
    operation_seed,
    operation_seeds,
    set_global_attribute,
)

_SEED_GENERATOR = "global_seed_generator"

_Part = tuple[Callable[[Any], Any], Any]


class RandomState:
    """The current global random state."""

    def __init__(self) -> None:
        self._parts = _parts()

    def restore(self) -> None:
        """Restore the saved state."""
        for set_state, state in self._parts.values():
            set_state(state)

    def checksum(self) -> int:
        """Return a checksum of the saved state."""
        return self._checksum_of(self._parts)

    def checksum_now(self) -> int:
        """Return a checksum of the current state, without parts that did not exist before."""
        return self._checksum_of(_parts())

    def _checksum_of(self, parts: dict[str, _Part]) -> int:
        states = [parts[name][1] for name in self._parts if name in parts]
        return zlib.crc32(b"".join(_as_bytes(state) for state in states))


def _as_bytes(state: Any) -> bytes:
    if isinstance(state, np.ndarray):
        return state.tobytes()  # the repr of an array takes milliseconds
    if isinstance(state, dict):
        return b"".join(_as_bytes(value) for value in state.values())
    return repr(state).encode()


def _parts() -> dict[str, _Part]:
    """Return, by name, a function that sets a global random state, and its current value."""
    parts: dict[str, _Part] = {
        "python": (random.setstate, random.getstate()),
        "numpy": (np.random.set_state, np.random.get_state(legacy=False)),
    }
    generator = global_attribute(_SEED_GENERATOR)
    if generator is not None:
        state = np.array(keras.ops.convert_to_numpy(generator.state))
        parts["keras"] = generator.state.assign, state
    if keras.backend.backend() == "tensorflow":
        # After tf.random.set_seed, TensorFlow draws the seeds of later operations from here.
        seeds = operation_seeds()
        if seeds is not None:
            parts["tensorflow"] = seeds.setstate, seeds.getstate()
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_rng_state"):
        # A DataLoader draws its seeds from here.
        state = torch.get_rng_state()
        parts["torch"] = lambda values: torch.set_rng_state(torch.from_numpy(values)), state.numpy()
    return parts


class _Clones:
    """Copies of Keras' global seed generators for the tests of one model.

    A compiled step of this model may have captured one, so each is used again.
    """

    def __init__(self) -> None:
        self.by_original: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self.first: Any = None


# For each model, because the variable of a clone belongs to the model's tf.distribute strategy.
_clones: weakref.WeakKeyDictionary[keras.Model, _Clones] = weakref.WeakKeyDictionary()


def random_values() -> dict[str, Any]:
    """Return the global random state as values that can be pickled, by name."""
    return {name: value for name, (_, value) in _parts().items()}


def set_random_values(values: dict[str, Any]) -> None:
    """Set the global random state to values that `random_values` returned, in any process.

    The seeds that TensorFlow draws for operations without one stay as they are.
    """
    if "keras" in values and global_attribute(_SEED_GENERATOR) is None:
        set_global_attribute(_SEED_GENERATOR, keras.random.SeedGenerator(0))
    parts = _parts()
    for name, value in values.items():
        if name in parts:
            parts[name][0](value)


@contextmanager
def own_seed_generator(model: keras.Model) -> Iterator[None]:
    """Give this thread a Keras seed generator that draws the same numbers as the global one.

    Other cells of a notebook may draw from the global one at the same time.

    Args:
        model: The model of the test; call this in the scope of its strategy.
    """
    original = global_attribute(_SEED_GENERATOR)
    clones = _clones.setdefault(model, _Clones())
    set_global_attribute(_SEED_GENERATOR, _clone_of(original, clones))
    try:
        yield
    finally:
        set_global_attribute(_SEED_GENERATOR, original)


def _clone_of(original: Any, clones: _Clones) -> Any:
    if original is None:
        seed = _next_default_seed()
        if clones.first is None:
            clones.first = keras.random.SeedGenerator(seed)
        clones.first.state.assign(np.array([seed, 0]))
        return clones.first
    if original not in clones.by_original:
        clones.by_original[original] = keras.random.SeedGenerator(0)
    clone = clones.by_original[original]
    clone.state.assign(np.array(keras.ops.convert_to_numpy(original.state)))
    return clone


def _next_default_seed() -> int:
    """Return the seed that Keras would draw for its global generator, but do not draw it."""
    generator = random.Random()
    generator.setstate(random.getstate())
    return generator.randint(1, int(1e9))


@contextmanager
def own_operation_seeds() -> Iterator[None]:
    """Give eager random operations of TensorFlow their own counters for a while.

    An eager operation with a seed draws its next number each time it runs. TensorFlow keeps a
    hidden counter for each pair of global and operation seed. With another global seed, the
    counters of the user's operations do not change.
    """
    seed = random.SystemRandom().getrandbits(31)
    with operation_seed(seed, random.Random(seed)):
        yield

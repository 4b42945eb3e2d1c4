"""All kinds of data that `fit` takes -> endless streams of batches, one for each sweep.

Keras alone defines the batches: its data adapters return what `fit` would pass to `train_step`.
Tracing the training step then shows whether the batches fit the model.
"""

import importlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import closing, suppress
from typing import Any, Protocol

import keras
import numpy as np

from lrwidget.core.checks import as_count, as_number, shown, takes
from lrwidget.core.data.misfit import FORMS, refusals_named
from lrwidget.core.data.reader import StopFlag
from lrwidget.core.model.host import ArrayDataAdapter, array_slicing
from lrwidget.core.model.values import Variable
from lrwidget.errors import DataError

ClassWeight = dict[int, float] | None


class Batches(Protocol):
    """An endless stream of batches, as `train_step` takes them.

    Attributes:
        spec: The structure of a batch: its shapes and types, or the first batch.
        was_left: Whether a stopped test no longer waited for the data, so that their code still
            runs.
    """

    spec: Any

    @property
    def was_left(self) -> bool: ...

    def __iter__(self) -> Iterator[Any]:
        """Return an iterator over the batches for one sweep."""

    def holds_non_finite(self, first: int, count: int) -> bool:
        """Return whether any of `count` batches, from number `first` on, holds NaN or infinity."""

    def first_non_finite(self, count: int) -> int | None:
        """Return the number of the first of `count` batches that holds NaN or infinity, or None."""

    def close(self) -> None:
        """Release the data."""


class Source(Protocol):
    """Data from which streams of batches are created.

    Attributes:
        per_pass: Batches until the data repeat; None if unknown.
        is_one_shot: Whether the data are an iterator, which can be read only once.
        variables: Variables that reading the data changes, such as an augmentation's seeds.
        notes: Sentences for the user about what reading the data changes for good.
    """

    per_pass: int | None
    is_one_shot: bool
    variables: list[Variable]
    notes: tuple[str, ...]

    def stream(self, seed: int, stop: StopFlag | None = None) -> Batches:
        """Return a stream that starts at the beginning of the data.

        Args:
            seed: Seed for the order of arrays and of pipelines that shuffle; other data keep
                their own order.
            stop: Once it is set, the stream waits a few seconds at most for Python data.

        Raises:
            StoppedWaiting: Python data block, and `stop` is set.
        """


def source_of(data: Any, batch_size: int = 32, class_weight: ClassWeight = None) -> Source:
    """Return data of any form as a source of streams, without reading a batch.

    Args:
        data: Any data that `fit` takes; arrays as x, (x,), (x, y) or (x, y, sample_weight).
        batch_size: Samples in a batch if `data` is arrays.
        class_weight: Weight of each class by its number; as for `fit`.

    Raises:
        DataError: `data` is empty, or of a kind that `fit` does not take.
    """
    _check_class_weight(class_weight)
    name = "tensorflow" if keras.backend.backend() == "tensorflow" else "portable"
    forms: Any = importlib.import_module(f"lrwidget.core.data.{name}")
    if is_pipeline(data):
        return forms.Pipeline(data, class_weight)
    if is_unbatched(data):
        arrays = data if isinstance(data, tuple) else (data,)
        return forms.Arrays(arrays, batch_size, class_weight)
    return forms.PythonData(data, class_weight)


def first_batches(source: Source, count: int, seed: int, stop: StopFlag | None = None) -> list[Any]:
    """Return the first batches of data, in memory; all if there are fewer than `count`.

    Raises:
        Exception: Any error of the data.
    """
    found: list[Any] = []
    with closing(source.stream(seed, stop)) as stream:
        try:
            found.extend(itertools.islice(stream, min(count, source.per_pass or count)))
        except Exception as error:
            # tf.data replaces an error of the user's Python data by one of its own types.
            failure = getattr(stream, "failure", None) or error
            if not (source.is_one_shot and found and isinstance(failure, DataError)):
                raise failure from None
    return found


def is_pipeline(data: Any) -> bool:
    """Return whether data are a tf.data.Dataset; this does not import TensorFlow."""
    return any(
        kind.__name__ == "DatasetV2" and kind.__module__.startswith("tensorflow.")
        for kind in type(data).__mro__
    )


def is_unbatched(data: Any) -> bool:
    """Return whether data are arrays, of which `batch_size` samples make a batch."""
    return not is_pipeline(data) and (isinstance(data, tuple | dict) or _is_array(data))


def runs_python(data: Any) -> bool:
    """Return whether reading data runs Python code, such as a generator's; False for None."""
    return not (data is None or is_pipeline(data) or is_unbatched(data))


def adapted_arrays(arrays: tuple[Any, ...], batch_size: int, class_weight: ClassWeight) -> Any:
    """Return Keras' adapter of arrays, x, (x, y) or (x, y, sample_weight).

    Raises:
        DataError: `fit` would not take them, or they are empty.
    """
    if len(arrays) not in (1, 2, 3):
        raise DataError(f"Got a tuple of {len(arrays)} parts. {FORMS}")
    with refusals_named():
        adapter = ArrayDataAdapter(*arrays, batch_size=batch_size, class_weight=class_weight)
    if not adapter.num_batches:
        raise DataError("The arrays are empty: they have no sample. Pass at least one.")
    return adapter


def pass_starter(data: Any) -> Callable[[], Iterable[Any]]:
    """Return a function that starts a new pass over Python data.

    Raises:
        DataError: `fit` does not take such data.
    """
    if isinstance(data, list) and data and _is_array(data[0]):
        raise DataError(
            f"Got a list of {len(data)} arrays, which is ambiguous. Pass (x, y) as a "
            "tuple; several inputs as ([x1, x2], y); or a list of batches as [(x, y), ...]."
        )
    if _has_batches(data):
        return lambda: _pass_over(data)
    if callable(data) and not isinstance(data, keras.Layer):
        if not takes(data, 0):
            raise DataError(
                f"A function that is passed as data must take no argument; got {shown(data)}. Pass "
                "`lambda: function(...)` with its arguments."
            )
        return lambda: _pass_over_result(data)
    raise DataError(f"Data of type {type(data).__name__} cannot be used. {FORMS}")


def length_of(data: Any) -> int | None:
    """Return the number of batches in one pass over Python data; None if unknown."""
    # The length of a DataLoader over an endless dataset raises TypeError, for example.
    with suppress(TypeError, NotImplementedError):
        if isinstance(data, keras.utils.PyDataset):
            return data.num_batches
        return len(data) if isinstance(data, Sized) else None
    return None


def _has_batches(data: Any) -> bool:
    if isinstance(data, keras.utils.PyDataset):
        return True
    return isinstance(data, Iterable) and not isinstance(data, str | bytes | type)


def _pass_over(data: Any) -> Iterable[Any]:
    return _pass_over_py_dataset(data) if isinstance(data, keras.utils.PyDataset) else data


def _pass_over_result(function: Callable[[], Any]) -> Iterable[Any]:
    data = function()
    if not _has_batches(data):
        raise DataError(
            f"The function {shown(function)} that was passed as data must return the batches of "
            f"one pass; it returned {shown(data)}. Make it a generator function that yields "
            "batches, or let it return a list of them."
        )
    return _pass_over(data)


def _pass_over_py_dataset(data: keras.utils.PyDataset) -> Iterator[Any]:
    count = data.num_batches
    index = 0
    data.on_epoch_begin()
    while count is None or index < count:
        yield data[index]
        index += 1
    data.on_epoch_end()


def _is_array(data: Any) -> bool:
    if data is None or isinstance(data, list):
        return False
    return bool(array_slicing.can_slice_array(data))


def _check_class_weight(class_weight: ClassWeight) -> None:
    if class_weight is None:
        return
    if not isinstance(class_weight, dict) or not class_weight:
        raise DataError(
            f"`class_weight` is a dict that maps class numbers to weights; got {class_weight!r}."
        )
    for number, weight in class_weight.items():
        as_count("class_weight", _as_class(number), hint="Its keys are class numbers.")
        as_number(f"class_weight[{number}]", weight)


def _as_class(key: Any) -> Any:
    """Return a whole number as an int: for a dict, True and 1.0 are the key 1."""
    is_number = isinstance(key, bool | np.bool_ | float | np.floating)
    return int(key) if is_number and float(key).is_integer() else key

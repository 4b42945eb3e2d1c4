"""All kinds of data that `fit` takes, as streams of batches for JAX and PyTorch."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from lrwidget.core.data.finite import NonFiniteBatches
from lrwidget.core.data.misfit import refusals_named
from lrwidget.core.data.python_data import PythonStream
from lrwidget.core.data.reader import StopFlag
from lrwidget.core.data.source import ClassWeight, adapted_arrays, length_of, pass_starter
from lrwidget.core.model.host import (
    TFDatasetAdapter,
    array_slicing,
    arrays_of,
    data_adapter_utils,
    samples_of,
)
from lrwidget.core.model.values import Variable


class ArrayBatches:
    """An endless stream of batches.

    Args:
        batches: The batches of a Keras data adapter; the first one is read here.
        python: The Python code that the batches come from; None if there is none.

    Attributes:
        spec: The first batch.
    """

    def __init__(self, batches: Iterator[Any], python: PythonStream | None = None) -> None:
        self.spec = for_backend(next(batches))
        self._batches: Iterator[Any] = batches
        self._python, self._non_finite = python, NonFiniteBatches()

    def __iter__(self) -> Iterator[Any]:
        first = self.spec
        self._non_finite.look_at(first)
        yield first
        for batch in self._batches:
            self._non_finite.look_at(batch)
            yield for_backend(batch)

    @property
    def was_left(self) -> bool:
        """Whether a stopped test no longer waited for the data, so that their code still runs."""
        return self._python is not None and self._python.was_left

    def holds_non_finite(self, first: int, count: int) -> bool:
        """Return whether any of `count` batches, from number `first` on, is not finite."""
        return self._non_finite.among(first, count)

    def first_non_finite(self, count: int) -> int | None:
        """Return the number of the first of `count` batches that is not finite; None if all are."""
        return self._non_finite.first(count)

    def close(self) -> None:
        """Release the data."""
        self._batches = iter(())
        if self._python is not None:
            self._python.close()


def for_backend(batch: Any) -> Any:
    """Return a batch in the form in which Keras passes it to a step on this backend."""
    if keras.backend.backend() == "torch":
        return keras.tree.map_structure(_as_torch, batch)
    return next(data_adapter_utils.get_jax_iterator([batch]))


def _as_torch(values: Any) -> Any:
    if values is None:
        return None
    if data_adapter_utils.is_scipy_sparse(values):
        values = values.todense()
    return keras.ops.convert_to_tensor(values)


class Pipeline:
    """A tf.data.Dataset; every stream has its own shuffles and caches."""

    is_one_shot = False

    def __init__(self, dataset: Any, class_weight: ClassWeight) -> None:
        # TensorFlow is loaded already, because the data are a tf.data.Dataset.
        from lrwidget.core.data.tensorflow import Pipeline as OnTensorFlow

        self._on_tensorflow = OnTensorFlow(dataset, class_weight)
        self.per_pass, self.variables = self._on_tensorflow.per_pass, self._on_tensorflow.variables
        self.notes = self._on_tensorflow.notes

    def stream(self, seed: int, stop: StopFlag | None = None) -> ArrayBatches:  # noqa: ARG002
        dataset = self._on_tensorflow.stream(seed).dataset
        adapter = TFDatasetAdapter(dataset)
        return ArrayBatches(iter(adapter.get_numpy_iterator()))


class Arrays:
    """Arrays in memory, shared by all streams, in a different order for each seed and epoch."""

    is_one_shot = False
    notes: tuple[str, ...] = ()
    variables: list[Variable] = []  # noqa: RUF012

    def __init__(self, arrays: tuple[Any, ...], batch_size: int, class_weight: ClassWeight) -> None:
        adapter = adapted_arrays(arrays, batch_size, class_weight)
        self.per_pass: int | None = adapter.num_batches
        self._size, self._batch_size = samples_of(adapter), batch_size
        self._backend = keras.backend.backend()
        with refusals_named():
            self._arrays = array_slicing.convert_to_sliceable(
                arrays_of(adapter), target_backend=self._backend
            )

    def stream(self, seed: int, stop: StopFlag | None = None) -> ArrayBatches:  # noqa: ARG002
        """Return shuffled batches, with a separate random generator."""
        return ArrayBatches(self._batches(seed))

    def _batches(self, seed: int) -> Iterator[Any]:
        for epoch in itertools.count():
            order = np.random.default_rng([seed, epoch]).permutation(self._size)
            for start in range(0, self._size, self._batch_size):
                rows = order[start : start + self._batch_size]
                yield keras.tree.map_structure(
                    lambda array, rows=rows: self._rows(array, rows), self._arrays
                )

    def _rows(self, array: Any, rows: Any) -> Any:
        if array is None:
            return None
        part = array[rows]
        is_torch = self._backend == "torch"
        convert = array.convert_to_torch_compatible if is_torch else array.convert_to_jax_compatible
        return convert(part)


class PythonData:
    """A PyDataset, a DataLoader, a generator, a generator function or any iterable of batches."""

    notes: tuple[str, ...] = ()
    variables: list[Variable] = []  # noqa: RUF012

    def __init__(self, data: Any, class_weight: ClassWeight) -> None:
        self._new_pass, self._class_weight = pass_starter(data), class_weight
        self.is_one_shot = isinstance(data, Iterator)
        self.per_pass = length_of(data)

    def stream(self, seed: int, stop: StopFlag | None = None) -> ArrayBatches:  # noqa: ARG002
        python = PythonStream(self._new_pass, self._class_weight, self.is_one_shot, stop)
        return ArrayBatches(python.batches(lambda batch: batch), python)

"""All kinds of data that `fit` takes, as endless tf.data streams for TensorFlow's engine."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lrwidget.core.data.finite import NonFiniteBatches
from lrwidget.core.data.misfit import refusals_named
from lrwidget.core.data.pipeline import captured_variables, detached, note_on
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
from lrwidget.errors import DataError

# Reading more batches again to look for NaN would take longer than the test.
_MOST_BATCHES_AGAIN = 2000


class TensorBatches:
    """An endless stream of batches in a tf.data.Dataset.

    Args:
        dataset: A dataset that repeats forever; its elements are batches for `train_step`.
        python: The Python code that the batches come from; None if there is none.
        non_finite: The record of batches from Python that contain NaN or infinity.

    Attributes:
        dataset: The same dataset.
        spec: Shapes and types of a batch.
    """

    def __init__(
        self,
        dataset: tf.data.Dataset,
        python: PythonStream | None = None,
        non_finite: NonFiniteBatches | None = None,
    ) -> None:
        self.dataset, self._python, self._non_finite = dataset, python, non_finite
        self.spec = dataset.element_spec

    def __iter__(self) -> Iterator[Any]:
        with data_errors(self):
            yield from self.dataset

    @property
    def failure(self) -> BaseException | None:
        """The error that the user's Python data raised; tf.data hides it."""
        return None if self._python is None else self._python.failure

    @property
    def was_left(self) -> bool:
        """Whether a stopped test no longer waited for the data, so that their code still runs."""
        return self._python is not None and self._python.was_left

    def holds_non_finite(self, first: int, count: int) -> bool:
        """Return whether any of `count` batches, from number `first` on, holds NaN or infinity."""
        if self._non_finite is not None:
            return self._non_finite.among(first, count)
        if first + count > _MOST_BATCHES_AGAIN:
            return False
        return any(map(_holds_non_finite, itertools.islice(self.dataset, first, first + count)))

    def first_non_finite(self, count: int) -> int | None:
        """Return the number of the first of `count` batches that is not finite; None if all are."""
        if self._non_finite is not None:
            return self._non_finite.first(count)
        again = itertools.islice(self.dataset, min(count, _MOST_BATCHES_AGAIN))
        bad = (number for number, batch in enumerate(again) if _holds_non_finite(batch))
        return next(bad, None)

    def close(self) -> None:
        """Release the Python data: TensorFlow keeps the function that reads them forever."""
        if self._python is not None:
            self._python.close()


def _holds_non_finite(batch: Any) -> bool:
    return any(not _is_finite(part) for part in keras.tree.flatten(batch))


@contextmanager
def data_errors(batches: TensorBatches | None) -> Iterator[None]:
    """Raise errors of the data as their original type."""
    try:
        yield
    except tf.errors.OutOfRangeError as error:
        raise DataError("The dataset is empty: it gave no batch. Pass at least one.") from error
    except tf.errors.OpError:
        # tf.data replaces an error of the user's Python data by one of its own types.
        if batches is not None and batches.failure is not None:
            raise batches.failure from None
        raise


def _is_finite(part: Any) -> bool:
    if isinstance(part, tf.RaggedTensor):
        part = part.flat_values
    elif isinstance(part, tf.SparseTensor):
        part = part.values
    if not tf.is_tensor(part) or not part.dtype.is_floating:
        return True
    return bool(np.isfinite(tf.cast(part, tf.float32).numpy()).all())


class Pipeline:
    """A tf.data.Dataset; every stream has its own shuffles and caches."""

    is_one_shot = False

    def __init__(self, dataset: tf.data.Dataset, class_weight: ClassWeight) -> None:
        cardinality = int(dataset.cardinality())
        if cardinality == 0:
            raise DataError(
                "The dataset is empty: it has no batch. Pass one with at least one batch."
            )
        self.per_pass = cardinality if cardinality > 0 else None
        self._is_endless = cardinality == tf.data.INFINITE_CARDINALITY
        with refusals_named():
            adapter = TFDatasetAdapter(dataset, class_weight=class_weight)
        self._dataset = adapter.get_tf_dataset()
        self.variables = captured_variables(self._dataset)
        note = note_on(self._dataset)
        self.notes: tuple[str, ...] = () if note is None else (note,)

    def stream(self, seed: int, stop: StopFlag | None = None) -> TensorBatches:  # noqa: ARG002
        own = detached(self._dataset, seed)
        return TensorBatches(own if self._is_endless else own.repeat())


class Arrays:
    """Arrays in memory, shared by all streams, in a different order for each seed and epoch."""

    is_one_shot = False
    notes: tuple[str, ...] = ()
    variables: list[tf.Variable] = []  # noqa: RUF012

    def __init__(self, arrays: tuple[Any, ...], batch_size: int, class_weight: ClassWeight) -> None:
        adapter = adapted_arrays(arrays, batch_size, class_weight)
        self.per_pass: int | None = adapter.num_batches
        self._size = samples_of(adapter)
        self._batch_size = batch_size
        self._given = arrays_of(adapter)
        # Tracing the functions of a dataset takes as long as a hundred steps.
        self._last: tuple[int, Any] = (0, None)

    def stream(self, seed: int, stop: StopFlag | None = None) -> TensorBatches:  # noqa: ARG002
        """Return shuffled batches; a stateless shuffle changes no global random state."""
        known, dataset = self._last
        if dataset is None or known != seed:
            dataset = self._shuffled(seed)
            self._last = seed, dataset
        return TensorBatches(dataset)

    @cached_property
    def _tensors(self) -> Any:
        """The arrays as tensors; they are copied at the first use, which can take seconds."""
        given, self._given = self._given, None
        with refusals_named():
            arrays = array_slicing.convert_to_sliceable(given, target_backend="tensorflow")
            arrays = keras.tree.map_structure(_as_tensor, arrays)
        return keras.tree.lists_to_tuples(arrays)

    def _shuffled(self, seed: int) -> tf.data.Dataset:
        size, batch_size, arrays = self._size, self._batch_size, self._tensors

        def batches_of_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            order = tf.random.experimental.stateless_shuffle(
                tf.range(size), seed=tf.stack([tf.constant(seed, tf.int64), epoch])
            )

            def batch(number: tf.Tensor) -> Any:
                start = tf.cast(number, tf.int32) * batch_size
                rows = order[start : start + batch_size]
                if size % batch_size == 0:
                    rows.set_shape([batch_size])  # as `fit` does
                return keras.tree.traverse(lambda array: _rows(array, rows), arrays)

            return tf.data.Dataset.range(-(-size // batch_size)).map(batch)

        return tf.data.Dataset.counter().flat_map(batches_of_epoch).prefetch(2)


def _as_tensor(array: Any) -> Any:
    is_kept = array is None or isinstance(array, tf.RaggedTensor | tf.SparseTensor)
    return array if is_kept else tf.convert_to_tensor(array)


def _rows(array: Any, rows: tf.Tensor) -> Any:
    """Return the given rows of an array; None for a container, so that `traverse` enters it."""
    if isinstance(array, array_slicing.TensorflowSparseWrapper):
        return array_slicing.slice_tensorflow_sparse_wrapper(array, rows)
    if isinstance(array, list | tuple | dict):
        return None
    return tf.gather(array, rows) if tf.is_tensor(array) else array


class PythonData:
    """A PyDataset, a DataLoader, a generator, a generator function or any iterable of batches."""

    notes: tuple[str, ...] = ()
    variables: list[tf.Variable] = []  # noqa: RUF012

    def __init__(self, data: Any, class_weight: ClassWeight) -> None:
        self._new_pass = pass_starter(data)
        self._class_weight = class_weight
        self.is_one_shot = isinstance(data, Iterator)
        self.per_pass = length_of(data)

    def stream(self, seed: int, stop: StopFlag | None = None) -> TensorBatches:  # noqa: ARG002
        python = PythonStream(self._new_pass, self._class_weight, self.is_one_shot, stop)
        # Sizes that differ in the first batches are unspecified.
        with refusals_named():
            spec = data_adapter_utils.get_tensor_spec(python.first)
        non_finite = NonFiniteBatches()

        def convert(batch: Any) -> Any:
            non_finite.look_at(batch)
            return keras.tree.map_structure(_as_batch_tensor, batch, spec)

        dataset = tf.data.Dataset.from_generator(
            partial(python.batches, convert), output_signature=spec
        )
        return TensorBatches(dataset.prefetch(2), python, non_finite)


def _as_batch_tensor(values: Any, spec: Any) -> Any:
    if values is None:
        return tf.experimental.Optional.empty(None)
    if data_adapter_utils.is_scipy_sparse(values):
        values = data_adapter_utils.scipy_sparse_to_tf_sparse(values)
    if not spec.shape.is_compatible_with(values.shape):
        raise DataError(
            f"A batch holds an array of shape {tuple(values.shape)}, after earlier ones of shape "
            f"{tuple(spec.shape)}. If sizes differ from batch to batch, they must already "
            "differ between the first two batches."
        )
    return values

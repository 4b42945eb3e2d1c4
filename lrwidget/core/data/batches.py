"""Everything that `fit` takes as data -> endless tf.data streams of batches, one for each sweep.

There is one opinion on what a batch is, Keras': its own data adapters say what `fit` would hand
to `train_step`, and whether that fits the model is shown by tracing the training step.
"""

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import tensorflow as tf
from keras.src.trainers import data_adapters
from keras.src.trainers.data_adapters import array_slicing

from lrwidget.core.data.pipeline import captured_variables, detached
from lrwidget.core.data.python_data import PythonStream
from lrwidget.errors import DataError

_FORMS = (
    "Pass what `model.fit` takes: a batched tf.data.Dataset, arrays as x, (x,), (x, y) or "
    "(x, y, sample_weight), a keras.utils.PyDataset, a DataLoader, a generator function or a list "
    "of batches."
)

ClassWeight = dict[int, float] | None


@dataclass
class Batches:
    """An endless stream of batches.

    Attributes:
        dataset: Repeats for ever; its elements are batches as `train_step` takes them.
        python: The Python code that the batches come from; None where there is none.
    """

    dataset: tf.data.Dataset
    python: PythonStream | None = None

    @property
    def failure(self) -> BaseException | None:
        """The error that the user's own Python data raised, since tf.data hides it."""
        return None if self.python is None else self.python.failure

    def close(self) -> None:
        """Release the Python data: TensorFlow keeps the function that reads them for good."""
        if self.python is not None:
            self.python.close()


class Source(Protocol):
    """Data that streams of batches can be made of.

    Attributes:
        per_pass: Batches until the data repeats; None where that is not known.
        variables: Variables that reading the data changes, such as an augmentation's seeds.
    """

    per_pass: int | None
    variables: list[tf.Variable]

    def stream(self, seed: int) -> Batches:
        """Return a stream that starts at the beginning of the data.

        Args:
            seed: Order of the samples where the data are arrays or a pipeline that shuffles;
                other data have their own order.
        """


def source_of(data: Any, batch_size: int = 32, class_weight: ClassWeight = None) -> Source:
    """Return data of any form as a source of streams, without reading a batch.

    Args:
        data: What `fit` takes; arrays as x, (x,), (x, y) or (x, y, sample_weight).
        batch_size: Samples in a batch where `data` is arrays.
        class_weight: Weight of each class by its number; as for `fit`.

    Raises:
        DataError: `data` is empty, or of a form that `fit` does not take.
    """
    _check_class_weight(class_weight)
    if isinstance(data, tf.data.Dataset):
        return _Pipeline(data, class_weight)
    if isinstance(data, tuple):
        return _Arrays(data, batch_size, class_weight)
    if isinstance(data, dict) or _is_array(data):
        return _Arrays((data,), batch_size, class_weight)
    return _PythonData(data, class_weight)


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


class _Pipeline:
    """A tf.data.Dataset; every stream has its own shuffles and caches."""

    def __init__(self, dataset: tf.data.Dataset, class_weight: ClassWeight) -> None:
        cardinality = int(dataset.cardinality())
        if cardinality == 0:
            raise DataError(
                "The dataset is empty: it has no batch. Pass one with at least one batch."
            )
        self.per_pass = cardinality if cardinality > 0 else None
        self._is_endless = cardinality == tf.data.INFINITE_CARDINALITY
        adapter = _adapted(data_adapters.TFDatasetAdapter, dataset, class_weight=class_weight)
        self._dataset = adapter.get_tf_dataset()
        self.variables = captured_variables(self._dataset)

    def stream(self, seed: int) -> Batches:
        own = detached(self._dataset, seed)
        return Batches(own if self._is_endless else own.repeat())


class _Arrays:
    """Arrays in memory, held once for all streams, in another order for each seed and epoch."""

    variables: list[tf.Variable] = []  # noqa: RUF012

    def __init__(self, arrays: tuple[Any, ...], batch_size: int, class_weight: ClassWeight) -> None:
        if len(arrays) not in (1, 2, 3):
            raise DataError(f"Got a tuple of {len(arrays)} parts. {_FORMS}")
        adapter = _adapted(
            data_adapters.ArrayDataAdapter,
            *arrays,
            batch_size=batch_size,
            class_weight=class_weight,
        )
        self.per_pass: int | None = adapter.num_batches
        if not self.per_pass:
            raise DataError("The arrays are empty: they have no sample. Pass at least one.")
        self._size = int(adapter._num_samples)
        self._batch_size = batch_size
        arrays = array_slicing.convert_to_sliceable(adapter._inputs, target_backend="tensorflow")
        self._arrays = keras.tree.lists_to_tuples(
            keras.tree.map_structure(_as_tensor, arrays, none_is_leaf=False)
        )

    def stream(self, seed: int) -> Batches:
        """Return shuffled batches; a stateless shuffle changes no global random state."""
        size, batch_size, arrays = self._size, self._batch_size, self._arrays

        def batches_of_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            order = tf.random.experimental.stateless_shuffle(
                tf.range(size), seed=tf.stack([tf.constant(seed, tf.int64), epoch])
            )

            def batch(number: tf.Tensor) -> Any:
                start = tf.cast(number, tf.int32) * batch_size
                rows = order[start : start + batch_size]
                return keras.tree.traverse(lambda array: _rows(array, rows), arrays)

            return tf.data.Dataset.range(-(-size // batch_size)).map(batch)

        return Batches(tf.data.Dataset.counter().flat_map(batches_of_epoch).prefetch(2))


def _as_tensor(array: Any) -> Any:
    is_composite = isinstance(array, tf.RaggedTensor | tf.SparseTensor)
    return array if is_composite else tf.convert_to_tensor(array)


def _rows(array: Any, rows: tf.Tensor) -> Any:
    """Return the given rows of an array, None for a container, which `traverse` then enters."""
    if isinstance(array, array_slicing.TensorflowSparseWrapper):
        return array_slicing.slice_tensorflow_sparse_wrapper(array, rows)
    if isinstance(array, list | tuple | dict):
        return None
    return tf.gather(array, rows) if tf.is_tensor(array) else array


def _adapted(adapter: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return a data adapter of Keras'; what it refuses, `fit` refuses as well."""
    try:
        return adapter(*arguments, **options)
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"`fit` would not take these data: {reason} {_FORMS}") from error


class _PythonData:
    """A PyDataset, a DataLoader, a generator, a generator function or any iterable of batches."""

    variables: list[tf.Variable] = []  # noqa: RUF012

    def __init__(self, data: Any, class_weight: ClassWeight) -> None:
        self._new_pass = _pass_starter(data)
        self._class_weight = class_weight
        self._is_one_shot = isinstance(data, Iterator)
        self.per_pass = len(data) if isinstance(data, Sized) else None

    def stream(self, seed: int) -> Batches:  # noqa: ARG002
        python = PythonStream(self._new_pass, self._class_weight, self._is_one_shot)
        dataset = tf.data.Dataset.from_generator(python.batches, output_signature=python.spec)
        return Batches(dataset.prefetch(2), python)


def _pass_starter(data: Any) -> Callable[[], Iterable[Any]]:
    """Return a function that starts a new pass over the data."""
    if isinstance(data, keras.utils.PyDataset):
        return lambda: _pass_over_py_dataset(data)
    if isinstance(data, list) and data and _is_array(data[0]):
        raise DataError(
            f"Got a list of {len(data)} arrays, which can mean several things. Pass (x, y) as a "
            "tuple; several inputs as ([x1, x2], y); or a list of batches as [(x, y), ...]."
        )
    if isinstance(data, Iterable) and not isinstance(data, str | bytes):
        return lambda: data
    if callable(data):
        return data
    raise DataError(f"Data of type {type(data).__name__} cannot be used. {_FORMS}")


def _pass_over_py_dataset(data: keras.utils.PyDataset) -> Iterator[Any]:
    count = data.num_batches
    index = 0
    data.on_epoch_begin()
    while count is None or index < count:
        yield data[index]
        index += 1
    data.on_epoch_end()

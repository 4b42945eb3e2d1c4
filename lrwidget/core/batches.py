"""Every kind of data that `fit` takes -> one endless tf.data stream of batches."""

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lrwidget.core.pipeline import detached
from lrwidget.errors import DataError

_FORMS = (
    "Pass a batched tf.data.Dataset, arrays as (x, y) or (x, y, sample_weight), a "
    "keras.utils.PyDataset, a DataLoader, a generator function or a list of batches."
)


@dataclass
class Batches:
    """An endless stream of batches, and what went wrong inside it.

    Attributes:
        dataset: Repeats for ever; its elements are batches as `train_step` takes them.
        per_pass: Batches until the data repeats; None where that is not known.
        failure: The error that the user's own Python data raised, since tf.data hides it.
    """

    dataset: tf.data.Dataset
    per_pass: int | None = None
    failure: BaseException | None = field(default=None, compare=False)


def as_batches(
    data: Any, batch_size: int, seed: int, class_weight: dict[int, float] | None = None
) -> Batches:
    """Return `data` as an endless stream of batches.

    Args:
        data: A batched tf.data.Dataset, a tuple of arrays (x, y[, sample_weight]), a
            PyDataset, a DataLoader, a generator function or any iterable of batches.
        batch_size: Samples in a batch where `data` is arrays.
        seed: Order of the samples where `data` is arrays or a pipeline that shuffles; other
            data has its own order.
        class_weight: Weight of each class by its number, 1 where it is missing; as for `fit`.

    Raises:
        DataError: `data` is empty, unbatched, or can be read only once.
    """
    if isinstance(data, tf.data.Dataset):
        batches = _from_dataset(data, seed)
    elif isinstance(data, tuple):
        batches = _from_arrays(data, batch_size, seed)
    else:
        batches = _from_iterable(_iterator_factory(data))
        batches.per_pass = len(data) if isinstance(data, Sized) else None
    _check_batched(batches.dataset)
    if class_weight is not None:
        batches.dataset = _weighted(batches.dataset, class_weight)
    return batches


def _weighted(dataset: tf.data.Dataset, class_weight: dict[int, float]) -> tf.data.Dataset:
    spec = dataset.element_spec
    if not (isinstance(spec, tuple) and len(spec) == 2 and isinstance(spec[1], tf.TensorSpec)):
        raise DataError(
            "`class_weight` needs batches of (x, y) with one output and no sample weights; "
            f"got batches of {spec}. Pass sample weights instead."
        )
    if not class_weight or any(number < 0 for number in class_weight):
        raise DataError(f"`class_weight` maps class numbers to weights; got {class_weight!r}.")
    table = tf.constant(
        [class_weight.get(number, 1.0) for number in range(max(class_weight) + 1)],
        keras.config.floatx(),
    )

    def add_weights(x: Any, y: tf.Tensor) -> Any:
        one_hot = y.shape.rank == 2 and y.shape[-1] != 1
        classes = tf.argmax(y, axis=-1) if one_hot else tf.reshape(y, [-1])
        classes = tf.cast(classes, tf.int32)
        known = tf.gather(table, tf.minimum(classes, len(table) - 1))
        return x, y, tf.where(classes < len(table), known, 1)

    return dataset.map(add_weights)


def _from_dataset(dataset: tf.data.Dataset, seed: int) -> Batches:
    cardinality = int(dataset.cardinality())
    if cardinality == 0:
        raise DataError("The dataset is empty: it has no batch. Pass one with at least one batch.")
    _check_batched(dataset)
    own = detached(dataset, seed)
    if cardinality == tf.data.INFINITE_CARDINALITY:
        return Batches(own)
    return Batches(own.repeat(), per_pass=cardinality if cardinality > 0 else None)


def _from_arrays(arrays: tuple[Any, ...], batch_size: int, seed: int) -> Batches:
    """Return shuffled batches of arrays; a stateless shuffle touches no global random state."""
    if len(arrays) not in (2, 3):
        raise DataError(
            "Arrays come as (x, y) or (x, y, sample_weight); "
            f"got a tuple of {len(arrays)}. {_FORMS}"
        )
    arrays = _map_arrays(_as_tensor, arrays)
    size = _common_length(arrays)

    def batches_of_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(size), seed=tf.stack([tf.constant(seed, tf.int64), epoch])
        )

        def batch(number: tf.Tensor) -> Any:
            start = tf.cast(number, tf.int32) * batch_size
            rows = order[start : start + batch_size]
            return _map_arrays(lambda array: tf.gather(array, rows), arrays)

        return tf.data.Dataset.range(-(-size // batch_size)).map(batch)

    dataset = tf.data.Dataset.counter().flat_map(batches_of_epoch).prefetch(2)
    return Batches(dataset, per_pass=-(-size // batch_size))


def _as_tensor(array: Any) -> tf.Tensor:
    try:
        values = array if isinstance(array, tf.Tensor) else np.asarray(array)
        tensor = tf.convert_to_tensor(values)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"An array of type {type(array).__name__} cannot be used: {error} {_FORMS}"
        ) from error
    if tensor.dtype.is_floating:
        tensor = tf.cast(tensor, keras.config.floatx())
    return tensor


def _common_length(arrays: tuple[Any, ...]) -> int:
    shapes = [tuple(array.shape) for array in keras.tree.flatten(arrays)]
    lengths = {shape[0] if shape else None for shape in shapes}
    if len(lengths) != 1 or None in lengths:
        raise DataError(
            f"All arrays need the same first dimension, the samples; got shapes {shapes}."
        )
    (size,) = lengths
    if size == 0:
        raise DataError("The arrays are empty: they have no sample. Pass at least one.")
    return int(size or 0)


def _iterator_factory(data: Any) -> Callable[[], Iterator[Any]]:
    """Return a function that starts a new pass over the data."""
    if isinstance(data, keras.utils.PyDataset):
        return lambda: _pass_over_py_dataset(data)
    if isinstance(data, Iterator):
        raise DataError(
            f"A {type(data).__name__} can be read only once, and a range test may need the data "
            "again. Pass the generator function itself, or a list of the batches."
        )
    if isinstance(data, Iterable) and not hasattr(data, "shape"):
        return lambda: iter(data)
    if callable(data):
        return data
    raise DataError(f"Data of type {type(data).__name__} is not a stream of batches. {_FORMS}")


def _pass_over_py_dataset(data: keras.utils.PyDataset) -> Iterator[Any]:
    count = data.num_batches
    index = 0
    while count is None or index < count:
        yield data[index]
        index += 1
    data.on_epoch_end()


def _from_iterable(new_pass: Callable[[], Iterator[Any]]) -> Batches:
    spec = _spec_of(new_pass)
    batches: Batches

    def forever() -> Iterator[Any]:
        try:
            while True:
                batch = None
                for batch in new_pass():
                    yield _as_batch(batch)
                if batch is None:
                    raise DataError("The data gave batches on its first pass, but none later.")
        except Exception as error:
            batches.failure = error
            raise

    batches = Batches(tf.data.Dataset.from_generator(forever, output_signature=spec).prefetch(2))
    return batches


def _spec_of(new_pass: Callable[[], Iterator[Any]]) -> Any:
    """Return the TensorSpecs of a batch; a size that differs between two batches is left open."""
    found = []
    for batch in new_pass():
        found.append(_as_batch(batch))
        if len(found) == 2:
            break
    if not found:
        raise DataError("The data is empty: it gave no batch. Pass at least one batch.")

    def spec(*arrays: np.ndarray) -> tf.TensorSpec:
        sizes = [set(sizes) for sizes in zip(*(array.shape for array in arrays), strict=True)]
        shape = [
            None if axis == 0 or len(size) > 1 else size.pop() for axis, size in enumerate(sizes)
        ]
        return tf.TensorSpec(shape, arrays[0].dtype)

    return keras.tree.map_structure(spec, *found)


def _as_batch(batch: Any) -> Any:
    """Return a batch as (x, y[, sample_weight]) of numpy arrays."""
    parts = tuple(batch) if isinstance(batch, tuple | list) else (batch,)
    return _map_arrays(_as_array, parts)


def _map_arrays(function: Callable[[Any], Any], parts: tuple[Any, ...]) -> Any:
    """Return (x, y[, sample_weight]) with a function applied to each array.

    Lists of arrays become tuples, since tf.data takes a list for one tensor; a part that is
    None, as an absent sample weight, is left out.
    """
    mapped = keras.tree.map_structure(function, tuple(part for part in parts if part is not None))
    return keras.tree.lists_to_tuples(mapped)


def _as_array(values: Any) -> np.ndarray:
    array = np.asarray(values)
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


def _check_batched(dataset: tf.data.Dataset) -> None:
    specs = [
        spec for spec in tf.nest.flatten(dataset.element_spec) if isinstance(spec, tf.TensorSpec)
    ]
    if any(spec.shape.rank == 0 for spec in specs):
        raise DataError(
            "The dataset is not batched: it gives single samples of shapes "
            f"{[tuple(spec.shape) for spec in specs]}. Add `.batch(32)` to it."
        )
    sizes = {spec.shape[0] for spec in specs if spec.shape.rank} - {None}
    if len(sizes) > 1:
        raise DataError(
            "The parts of a batch differ in their first dimension, the samples: shapes "
            f"{[tuple(spec.shape) for spec in specs]}. Single samples need `.batch(32)`."
        )

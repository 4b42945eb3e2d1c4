"""detached: a copy of a user's tf.data pipeline with separate shuffles and caches.

Reading a pipeline advances the state of its shuffles and fills its caches in the order of that
pass, so later epochs of the user would differ. A copy with new shuffles and caches leaves the
user's pipeline unchanged. Its shuffles get their seeds from the range test, so the same seed gives
the same order of data.

The copy includes the data that the pipeline holds in memory. Above a few megabytes this would
take longer than the test, so such a pipeline is read without a copy.
"""

import types
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from lrwidget.core.model.host import (
    CACHE,
    COPY,
    SHUFFLE,
    functions_of,
    generators_among,
    inputs_of,
    is_in_memory,
    python_function_of,
    seeds_of_shuffle,
    tensors_in,
)
from lrwidget.core.model.reach import kept_by, walk

# Copying takes about 20 ms per megabyte.
LARGEST_COPY = 4 * 2**20

# Of a dataset's operation: which of its inputs hold the seeds and the shared state, and the
# operation that stands for "no state yet".
_SHUFFLE, _SHUFFLE_SEEDS, _SHUFFLE_STATE = "ShuffleDatasetV3", (2, 3), 4
_CACHE, _CACHE_FILE, _CACHE_STATE = "CacheDatasetV2", 1, 2
_IGNORE_OTHER_STATE = 1


def detached(dataset: tf.data.Dataset, seed: int) -> tf.data.Dataset:
    """Return a copy of a pipeline that shares no shuffle and no memory cache with it.

    Args:
        dataset: Any dataset.
        seed: Seed for every shuffle in the copy.

    Returns:
        The copy; the dataset itself if it neither shuffles nor caches, or holds more than
        `LARGEST_COPY` bytes in memory.
    """
    if not _keeps_state(dataset) or _bytes_held(dataset) > LARGEST_COPY:
        return dataset
    serialized = tf.raw_ops.DatasetToGraphV2(
        input_dataset=tf.data.experimental.to_variant(dataset),
        external_state_policy=_IGNORE_OTHER_STATE,
    )
    graph = tf.compat.v1.GraphDef.FromString(serialized.numpy())
    _renew_state(graph, seed)
    variant = tf.raw_ops.DatasetFromGraph(graph_def=graph.SerializeToString())
    return tf.data.experimental.from_variant(variant, dataset.element_spec)


def note_on(dataset: tf.data.Dataset) -> str | None:
    """Return a note for the user if reading a pipeline changes the order of its later epochs."""
    size = _bytes_held(dataset)
    if size <= LARGEST_COPY:
        return None
    changed = [what for part in _with_inputs(dataset) if (what := _changed_by_reading(part))]
    if not changed:
        return None
    return (
        f"The pipeline holds {size / 2**20:.0f} MB in memory, too much to copy, so the test read "
        f"the pipeline itself: {' and '.join(dict.fromkeys(changed))}. Everything else is "
        "restored. To keep the order of later epochs, make the pipeline again."
    )


def _changed_by_reading(part: tf.data.Dataset) -> str | None:
    kind = type(part).__name__
    # Without any seed, the order is a new one each time in any case.
    if kind == SHUFFLE and any(seeds_of_shuffle(part) or ()):
        return "its shuffles continue from where the test left them"
    if kind == CACHE and is_in_memory(part):
        return "its cache may hold batches in the order of the test"
    return None


def python_code_of(dataset: tf.data.Dataset) -> list[Any]:
    """Return the functions of a pipeline, and the generator functions that it reads from."""
    functions = [
        python_function_of(each) for part in _with_inputs(dataset) for each in functions_of(part)
    ]
    # `from_generator` keeps the user's generator in closures of TensorFlow's functions.
    held = walk(functions, _closed_over)
    return [*functions, *generators_among(held)]


def _closed_over(value: Any) -> list[Any]:
    is_function = isinstance(value, types.FunctionType)
    return [part for _, part in kept_by(value)] if is_function else []


def captured_variables(dataset: tf.data.Dataset) -> list[tf.Variable]:
    """Return the variables that the functions of a pipeline read or write.

    Examples are the seeds of an augmentation layer in `map` and the state of a
    tf.random.Generator.
    """
    functions = [each for part in _with_inputs(dataset) for each in functions_of(part)]
    found = [variable for each in functions for variable in each.function.graph.variables]
    return list({id(variable): variable for variable in found}.values())


def _with_inputs(dataset: tf.data.Dataset) -> Iterator[tf.data.Dataset]:
    yield dataset
    for source in inputs_of(dataset):
        yield from _with_inputs(source)


def _keeps_state(dataset: tf.data.Dataset) -> bool:
    names = {type(part).__name__ for part in _with_inputs(dataset)}
    return bool(names & {SHUFFLE, CACHE, COPY})


def _bytes_held(dataset: tf.data.Dataset) -> int:
    """Return the size of the tensors that a pipeline or one of its functions holds."""
    tensors = [
        tensor
        for part in _with_inputs(dataset)
        for held in (tensors_in(part), *_captured(part))
        for tensor in held
        if tensor.dtype not in (tf.resource, tf.variant)
    ]
    return sum(tensor.dtype.size * (tensor.shape.num_elements() or 0) for tensor in tensors)


def _captured(part: tf.data.Dataset) -> list[list[tf.Tensor]]:
    return [each.function.captured_inputs for each in functions_of(part)]


def _renew_state(graph: tf.compat.v1.GraphDef, seed: int) -> None:
    constants = {node.name: node for node in graph.node if node.op == "Const"}
    for number, node in enumerate(list(graph.node)):
        prefix = f"lrwidget_{number}"
        if node.op == _SHUFFLE:
            for position, value in zip(_SHUFFLE_SEEDS, (seed, number), strict=True):
                node.input[position] = _add_constant(graph, f"{prefix}_{position}", value)
            node.input[_SHUFFLE_STATE] = _add(graph, prefix, "DummySeedGenerator")
        elif node.op == _CACHE and _is_in_memory(constants.get(node.input[_CACHE_FILE])):
            node.input[_CACHE_STATE] = _add(graph, prefix, "DummyMemoryCache")


def _is_in_memory(file_name: tf.compat.v1.NodeDef | None) -> bool:
    return file_name is not None and list(file_name.attr["value"].tensor.string_val) == [b""]


def _add(graph: tf.compat.v1.GraphDef, name: str, operation: str) -> str:
    return graph.node.add(name=name, op=operation).name


def _add_constant(graph: tf.compat.v1.GraphDef, name: str, value: int) -> str:
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = tf.int64.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, tf.int64))
    return node.name
